"""The demo shop: a made-up year of a gift shop, with the errors and gaps of a real export.

About 1,500 customers and 40,000 lines, the same on every run with the same seed. Three kinds of customer make
up the crowd: those who came once and did not return, regulars, and the loyal few who bring most of the money.
`planted` names the customers who fit none of these kinds, so that tests (and readers) know what a model should
find.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from training.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DEMO_FILE = "demo.csv.gz"
COLUMNS = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
]
FIRST_DAY = datetime(2024, 1, 2)
LAST_DAY = datetime(2024, 12, 20)
FIRST_INVOICE = 500_001
HOME = "United Kingdom"
COUNTRIES = {HOME: 0.84, "Germany": 0.05, "France": 0.05, "EIRE": 0.03, "Netherlands": 0.02, "Spain": 0.01}

# What the shop sells: every article in every colour, price in GBP.
ARTICLES = {
    "BIRTHDAY CARD": 0.42,
    "WOODEN CLOTHES PEGS": 0.65,
    "GIFT TAG SET": 0.85,
    "TEA LIGHT HOLDER": 1.25,
    "PAPER NAPKINS": 1.45,
    "LUNCH BAG": 1.65,
    "COTTON TEA TOWEL": 1.95,
    "ENAMEL SPOON": 2.10,
    "CERAMIC MUG": 2.95,
    "GLASS JAR": 3.25,
    "HANGING HEART": 3.75,
    "PICTURE FRAME": 4.25,
    "STORAGE TIN": 4.95,
    "FELT CUSHION COVER": 5.95,
    "PARTY BUNTING": 6.75,
    "ALARM CLOCK": 7.95,
    "KNITTED SCARF": 8.50,
    "TABLE LAMP": 12.75,
    "CAKE STAND": 16.00,
    "GARDEN LANTERN": 24.95,
}
COLOURS = {"B": "BLUE", "R": "RED", "G": "GREEN", "W": "WHITE", "P": "PINK"}
FIRST_STOCK_CODE = 21_001


class Kind(NamedTuple):
    """One kind of ordinary customer. Days count back from the last day; money is in GBP per order."""

    customers: int
    orders: tuple[float, float, float]  # the least, then shape and scale of a gamma that is added
    last_seen: tuple[float, float, float]  # days: the least, then shape and scale of a gamma that is added
    days_between_orders: float  # median, log-normal
    order_value: float  # median, log-normal
    lines: float  # lines per order, on average


CROWD = [
    Kind(620, (1, 0.5, 0.5), (60, 2.6, 45.0), 25.0, 95.0, 5.0),
    Kind(540, (3, 1.6, 1.0), (4, 1.6, 22.0), 40.0, 270.0, 5.8),
    Kind(300, (11, 2.0, 3.5), (0, 1.2, 6.0), 15.0, 520.0, 2.8),
]
UNKNOWN_ORDERS = 660  # whose customer the shop did not record

PLANTED = {
    "19001": "one order worth 80,000",
    "19002": "400 orders of one birthday card each",
    "19003": "buys every single day of the year",
    "19004": "a huge order, wholly cancelled 14 minutes later: worth 0.00 net",
    "19005": "a very large average order: 12 orders of 12,475 each",
    "19006": "one order in all, of one birthday card for 0.42",
    "19007": "ordered five times a day until the end of January, then never again",
    "19008": "60 large orders, all within the last three days",
    "19009": "25 large orders cancelled again, and one card for 0.42 kept",
    "19010": "two orders worth 60,000 in the first week of January, then never again",
}


def planted() -> dict[str, str]:
    """The customers who fit no pattern: id as it is after cleaning (`19001`) -> what is unusual about the customer.

    All are outside the crowd in log-standardised features, except `19004`, whose money is 0.00 net. With
    `--returns net` that customer leaves the table; with `--returns drop` it looks like one of the best.
    """
    return dict(PLANTED)


def lines(seed: int = 7) -> pd.DataFrame:
    """Seed -> the shop's export: one row per invoice line, about 40,000 rows with the eight columns of `COLUMNS`.

    Rows are sorted by time. Quantity is int64 (negative where goods came back), InvoiceDate datetime64, UnitPrice
    float64 in GBP, and the rest is text. Description and CustomerID (`10023.0`) are missing where the shop did
    not know them.
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    goods = _goods()
    bought = _fill(pd.concat([_crowd_orders(rng), _unknown_orders(rng)], ignore_index=True), goods, rng)
    everything = pd.concat(
        [
            bought,
            _cancellations(bought, rng),
            _gifts(bought, goods, rng),
            _stock_corrections(goods, rng),
            _bad_debts(),
            bought.sample(frac=0.011, random_state=rng),  # exact duplicates
            _planted_lines(goods),
        ],
        ignore_index=True,
    ).sort_values(["InvoiceDate", "order"], kind="stable", ignore_index=True)

    number = FIRST_INVOICE + pd.factorize(everything["order"])[0]
    everything["InvoiceNo"] = everything["prefix"] + pd.Series(number).astype(str)
    return everything[COLUMNS].astype({"Description": "str", "CustomerID": "str"})


def write_demo(path: Path, seed: int = 7) -> Path:
    """Seed -> `path`, a gzip CSV of `lines(seed)`: UTF-8, LF, one header line. Returns the path.

    The same seed gives the same bytes (with the same numpy and zlib). An existing file is replaced as a whole, or
    not at all.

    Raises:
        InputError: the name does not end in `.csv.gz`, or the file cannot be written.
    """
    path = Path(path)
    if not path.name.endswith(".csv.gz"):
        raise InputError(
            f"The demo shop was to be written to {path}. Expected a name that ends in .csv.gz. "
            "Name it demo.csv.gz, for example."
        )
    text = lines(seed).to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d %H:%M:%S")
    unfinished = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
        unfinished.replace(path)
    except OSError as error:
        raise InputError(
            f"The demo shop could not be written to {path} ({error.strerror}). Expected a folder that can be "
            "written to. Choose another folder, or free some space."
        ) from error
    return path


def _goods() -> pd.DataFrame:
    """One row per article and colour: StockCode, Description, UnitPrice; indexed by Description."""
    import pandas as pd

    rows = [
        (f"{FIRST_STOCK_CODE + n}{letter}", f"{article} {colour}", price)
        for n, (article, price) in enumerate(ARTICLES.items())
        for letter, colour in COLOURS.items()
    ]
    table = pd.DataFrame(rows, columns=["StockCode", "Description", "UnitPrice"])
    return table.set_index("Description", drop=False)


def _crowd_orders(rng: np.random.Generator) -> pd.DataFrame:
    """One row per order of the crowd: order, CustomerID, Country, InvoiceDate, value (GBP), lines."""
    import numpy as np
    import pandas as pd

    parts = []
    first_id = 10_001
    for kind in CROWD:
        n = kind.customers
        least, shape, scale = kind.orders
        orders = np.floor(least + rng.gamma(shape, scale, n)).astype(int)
        least, shape, scale = kind.last_seen
        last_seen = least + rng.gamma(shape, scale, n)
        pace = kind.days_between_orders * rng.lognormal(0, 0.35, n)
        worth = kind.order_value * rng.lognormal(0, 0.45, n)
        country = rng.choice(list(COUNTRIES), size=n, p=list(COUNTRIES.values()))

        customer = np.repeat(np.arange(n), orders)
        # 0 is a customer's last order, 1 is the order before.
        orders_later = np.arange(len(customer)) - np.repeat(np.cumsum(orders) - orders, orders)
        days_ago = last_seen[customer] + pace[customer] * orders_later * rng.uniform(0.8, 1.2, len(customer))
        parts.append(
            pd.DataFrame(
                {
                    "CustomerID": np.char.add((first_id + customer).astype(str), ".0"),
                    "Country": country[customer],
                    "InvoiceDate": _opening_hours(days_ago, rng),
                    "value": worth[customer] * rng.lognormal(0, 0.3, len(customer)),
                    "lines": 1 + rng.poisson(kind.lines - 1, len(customer)),
                }
            )
        )
        first_id += n
    return pd.concat(parts, ignore_index=True)


def _unknown_orders(rng: np.random.Generator) -> pd.DataFrame:
    """One row per order whose customer the shop did not record, with the columns of `_crowd_orders`."""
    import numpy as np
    import pandas as pd

    n = UNKNOWN_ORDERS
    return pd.DataFrame(
        {
            "CustomerID": None,
            "Country": HOME,
            "InvoiceDate": _opening_hours(rng.uniform(0, 353, n), rng),
            "value": 120 * rng.lognormal(0, 0.8, n),
            "lines": 1 + np.floor(rng.gamma(1.5, 7.6, n)).astype(int),
        }
    )


def _opening_hours(days_ago: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.datetime64]:
    """Days before the last day -> a minute of that day, 08:00 to 17:30, never before the first day."""
    import numpy as np

    year = (LAST_DAY - FIRST_DAY).days
    # A customer who would have come before the shop's first day came on some day of its first month.
    days = np.floor(days_ago)
    days = np.where(days > year, year - rng.integers(0, 30, len(days)), days)
    minutes = rng.integers(8 * 60, 17 * 60 + 30, len(days))
    return np.datetime64(LAST_DAY, "s") - (days * 86_400 - minutes * 60).astype("timedelta64[s]")


def _fill(orders: pd.DataFrame, goods: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Orders with a value -> their lines, whose quantities add up to about that value."""
    import numpy as np

    bought = orders.loc[orders.index.repeat(orders["lines"])]
    share = rng.gamma(2.0, 1.0, len(bought))
    share /= np.bincount(bought.index, weights=share)[bought.index]
    articles = goods.iloc[rng.integers(0, len(goods), len(bought))]
    price = articles["UnitPrice"].to_numpy()
    price = np.where(rng.random(len(bought)) < 0.15, np.round(price * 0.85, 2), price)  # on offer
    return bought.assign(
        order=bought.index,
        prefix="",
        StockCode=articles["StockCode"].to_numpy(),
        Description=articles["Description"].to_numpy(),
        Quantity=np.maximum(1, np.round(bought["value"].to_numpy() * share / price)).astype(int),
        UnitPrice=price,
    ).drop(columns=["value", "lines"])


def _cancellations(bought: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Purchases -> `C` lines that take some of them back, whole orders or one line, days later."""
    import numpy as np

    orders = bought["order"].unique()
    returned = rng.random(len(orders)) < 0.05
    wholly = rng.random(len(orders)) < 0.2
    delay = np.maximum(2, np.floor(rng.exponential(6 * 24 * 60, len(orders)))).astype("timedelta64[m]")

    order = bought["order"].to_numpy()
    back = bought[returned[order] & (wholly[order] | ~bought["order"].duplicated().to_numpy())]
    date = back["InvoiceDate"] + delay[back["order"]]
    return back.assign(
        order=back["order"] + 1_000_000,
        prefix="C",
        Quantity=-back["Quantity"],
        InvoiceDate=date.clip(upper=LAST_DAY + timedelta(hours=17, minutes=45)),
    )


def _gifts(bought: pd.DataFrame, goods: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Purchases -> some more lines on their invoices, free of charge."""
    gift = goods.loc["GIFT TAG SET WHITE"]
    return bought.sample(45, random_state=rng).assign(
        StockCode=gift["StockCode"], Description=gift["Description"], Quantity=1, UnitPrice=0.0
    )


def _stock_corrections(goods: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Goods lost or broken: no customer, no description, a negative quantity, a price of 0."""
    import numpy as np
    import pandas as pd

    n = 120
    return pd.DataFrame(
        {
            "order": 2_000_000 + np.arange(n),
            "prefix": "",
            "StockCode": rng.choice(goods["StockCode"].to_numpy(), n),
            "Description": None,
            "Quantity": -rng.integers(1, 60, n),
            "InvoiceDate": _opening_hours(rng.uniform(0, 353, n), rng),
            "UnitPrice": 0.0,
            "CustomerID": None,
            "Country": HOME,
        }
    )


def _bad_debts() -> pd.DataFrame:
    """Three bookings of the accountant, two of them with a negative price."""
    import pandas as pd

    return pd.DataFrame(
        {
            "order": [3_000_000, 3_000_001, 3_000_002],
            "prefix": "A",
            "StockCode": "B",
            "Description": "Adjust bad debt",
            "Quantity": 1,
            "InvoiceDate": [LAST_DAY - timedelta(days=130, hours=-15, minutes=m) for m in (9, 8, 7)],
            "UnitPrice": [11_062.06, -11_062.06, -4_210.50],
            "CustomerID": None,
            "Country": HOME,
        }
    )


def _planted_lines(goods: pd.DataFrame) -> pd.DataFrame:
    """The lines of the unusual customers. Nothing here is random: their money is known to the penny."""
    import pandas as pd

    order = itertools.count(4_000_000)
    rows = [
        (next(order), "C" if quantity < 0 else "", *rest, quantity) for *rest, quantity in _planted_orders()
    ]
    table = pd.DataFrame(
        rows, columns=["order", "prefix", "customer", "InvoiceDate", "Description", "Quantity"]
    )
    articles = goods.loc[table["Description"]]
    return table.assign(
        StockCode=articles["StockCode"].to_numpy(),
        UnitPrice=articles["UnitPrice"].to_numpy(),
        CustomerID=table["customer"] + ".0",
        Country=HOME,
    ).drop(columns="customer")


def _planted_orders() -> Iterator[tuple[str, datetime, str, int]]:
    """Customer, minute, article and quantity of each planted order. A negative quantity is a cancellation."""

    def at(day: float, minute: int) -> datetime:
        """Day 0 is the first day; minutes count from 08:00."""
        return FIRST_DAY + timedelta(days=int(day), hours=8, minutes=minute)

    year = (LAST_DAY - FIRST_DAY).days

    yield "19001", at(200, 31), "CAKE STAND WHITE", 5_000

    for n in range(400):
        yield "19002", at(n * 0.88, 7 + n % 2 * 300), "BIRTHDAY CARD PINK", 1

    for day in range(year + 1):
        yield "19003", at(day, 26), "CERAMIC MUG BLUE", 60

    yield "19004", at(16, 121), "STORAGE TIN RED", 15_600
    yield "19004", at(16, 135), "STORAGE TIN RED", -15_600

    for n in range(12):
        yield "19005", at(20 + n * 28, 240), "GARDEN LANTERN GREEN", 500

    yield "19006", at(330, 300), "BIRTHDAY CARD RED", 1

    for n in range(150):
        yield "19007", at(n // 5, 40 + 100 * (n % 5)), "PARTY BUNTING GREEN", 8

    for n in range(60):
        yield "19008", at(year - 2 + n // 20, 15 + 25 * (n % 20)), "TABLE LAMP WHITE", 100

    for n in range(25):
        yield "19009", at(30 + n * 12, 200), "ALARM CLOCK RED", 300
        yield "19009", at(30 + n * 12, 212), "ALARM CLOCK RED", -300
    yield "19009", at(340, 200), "BIRTHDAY CARD BLUE", 1

    yield "19010", at(1, 90), "CAKE STAND PINK", 2_500
    yield "19010", at(4, 95), "CAKE STAND BLUE", 1_250
