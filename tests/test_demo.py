"""The demo shop: deterministic, dirty like a real export, with a structure and with unusual customers to be found."""

import gzip
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN, KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from training.demo import COLUMNS, lines, planted, write_demo
from training.errors import InputError

WORTH_NOTHING = "19004"


@pytest.fixture(scope="module")
def shop():
    return lines()


@pytest.fixture(scope="module")
def customers(shop):
    return features(shop)


def features(shop):
    """Lines -> one row a customer, in plain pandas and whole pennies: an answer apart from the product's own."""
    known = shop[shop["CustomerID"].notna()].drop_duplicates()
    known = known[known["UnitPrice"] > 0]
    known = known.assign(
        customer=known["CustomerID"].str.removesuffix(".0"),
        pence=(known["UnitPrice"] * 100).round().astype(int) * known["Quantity"],
    )
    bought = known[~known["InvoiceNo"].str.startswith("C") & (known["Quantity"] > 0)].groupby("customer")
    as_of = shop["InvoiceDate"].max() + pd.Timedelta(days=1)
    table = pd.DataFrame(
        {
            "Recency": (as_of - bought["InvoiceDate"].max()).dt.days,
            "Frequency": bought["InvoiceNo"].nunique(),
            "Monetary": known.groupby("customer")["pence"].sum() / 100,
        }
    )
    table["AverageOrderValue"] = table["Monetary"] / table["Frequency"]
    table["Tenure"] = (as_of - bought["InvoiceDate"].min()).dt.days
    return table[table["Monetary"] > 0]


def standardised(customers):
    return StandardScaler().fit_transform(np.log1p(customers))


def noise(points, share, min_samples=10):
    """True where DBSCAN says noise, at the smallest eps that leaves no more than `share` of the points out."""
    low, high = 0.0, 5.0
    for _ in range(15):
        eps = (low + high) / 2
        left_out = DBSCAN(eps=eps, min_samples=min_samples).fit(points).labels_ == -1
        low, high = (low, eps) if left_out.mean() <= share else (eps, high)
    return DBSCAN(eps=high, min_samples=min_samples).fit(points).labels_ == -1


def test_same_seed_same_bytes(tmp_path):
    first = write_demo(tmp_path / "a.csv.gz").read_bytes()
    assert write_demo(tmp_path / "b.csv.gz").read_bytes() == first
    assert write_demo(tmp_path / "c.csv.gz", seed=8).read_bytes() != first


def test_file_holds_the_lines_as_a_shop_exports_them(tmp_path, shop):
    path = write_demo(tmp_path / "new" / "demo.csv.gz")
    text = gzip.decompress(path.read_bytes()).decode()
    header, first, *_ = text.splitlines()
    assert header == "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    assert first == "500001,21001P,BIRTHDAY CARD PINK,1,2024-01-02 08:07:00,0.42,19002.0,United Kingdom"
    back = pd.read_csv(path, parse_dates=["InvoiceDate"], dtype={"CustomerID": "str", "InvoiceNo": "str"})
    pd.testing.assert_frame_equal(back, shop, check_dtype=False)
    assert [file.name for file in path.parent.iterdir()] == ["demo.csv.gz"]


def test_name_that_is_no_gzip_csv_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"demo\.csv\b.*ends in \.csv\.gz"):
        write_demo(tmp_path / "demo.csv")


def test_place_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="could not be written"):
        write_demo(tmp_path / "file" / "demo.csv.gz")


def test_size_and_span_are_those_of_a_small_shop_in_a_year(shop):
    assert list(shop.columns) == COLUMNS
    assert 38_000 < len(shop) < 43_000
    assert 1_400 < shop["CustomerID"].nunique() < 1_600
    assert shop["InvoiceDate"].is_monotonic_increasing
    assert str(shop["InvoiceDate"].min().date()) == "2024-01-02"
    assert str(shop["InvoiceDate"].max().date()) == "2024-12-20"
    assert shop["Country"].nunique() == 6


def test_dirt_is_that_of_a_real_export(shop):
    assert 0.17 < shop["CustomerID"].isna().mean() < 0.23
    assert shop["CustomerID"].dropna().str.fullmatch(r"\d{5}\.0").all()
    assert 400 < shop.duplicated().sum() < 1_000
    assert (shop["UnitPrice"] == 0).sum() == 165
    assert shop["Description"].isna().sum() == 120
    adjustments = shop[shop["InvoiceNo"].str.startswith("A")]
    assert adjustments["UnitPrice"].tolist() == [11_062.06, -11_062.06, -4_210.50]
    assert (shop.loc[shop["UnitPrice"] < 0, "InvoiceNo"].str[0] == "A").all()
    assert shop.groupby("InvoiceNo")["CustomerID"].nunique().max() == 1


def test_cancellations_mirror_an_earlier_purchase(shop):
    cancelled = shop["InvoiceNo"].str.startswith("C")
    assert 600 < cancelled.sum() < 1_200
    assert (shop.loc[cancelled, "Quantity"] < 0).all()

    keys = ["CustomerID", "StockCode", "Quantity", "UnitPrice"]
    back = shop[cancelled].assign(Quantity=-shop["Quantity"])
    pairs = back.reset_index().merge(shop[~cancelled], on=keys, suffixes=("", "_bought"))
    earlier = pairs[pairs["InvoiceDate_bought"] < pairs["InvoiceDate"]]
    assert set(earlier["index"]) == set(back.index)


def test_planted_customers_are_known_to_the_penny(customers):
    known = customers.loc[[id for id in planted() if id != WORTH_NOTHING]]
    assert known[["Recency", "Frequency", "Monetary", "Tenure"]].to_dict("split")["data"] == [
        [154, 1, 80_000.00, 154],
        [3, 400, 168.00, 354],
        [1, 354, 62_658.00, 354],
        [26, 12, 149_700.00, 334],
        [24, 1, 0.42, 24],
        [325, 150, 8_100.00, 354],
        [1, 60, 76_500.00, 3],
        [14, 26, 0.42, 324],
        [350, 2, 60_000.00, 353],
    ]


def test_huge_order_cancelled_minutes_later_is_worth_nothing(shop, customers):
    order, cancellation = shop[shop["CustomerID"] == f"{WORTH_NOTHING}.0"].itertuples()
    assert order.Quantity * order.UnitPrice == pytest.approx(77_220)
    assert cancellation.Quantity == -order.Quantity
    assert (cancellation.InvoiceDate - order.InvoiceDate) == pd.Timedelta(minutes=14)
    assert WORTH_NOTHING not in customers.index


@pytest.mark.parametrize("seed", [7, 1])
def test_planted_customers_are_noise_when_two_percent_are(seed):
    customers = features(lines(seed))
    found = set(customers.index[noise(standardised(customers), share=0.02)])
    assert set(planted()) - found == {WORTH_NOTHING}


def test_the_crowd_has_segments_that_a_refit_finds_again(customers):
    points = standardised(customers)
    points = points[~noise(points, share=0.02)]
    draw = np.random.default_rng(0)
    for k in (3, 5):
        once = KMeans(k, n_init=5, random_state=0).fit(points)
        agreement = [
            adjusted_rand_score(
                once.labels_,
                KMeans(k, n_init=5, random_state=n)
                .fit(points[draw.integers(0, len(points), len(points))])
                .predict(points),
            )
            for n in range(5)
        ]
        assert np.mean(agreement) > 0.85
        assert np.bincount(once.labels_).min() > 0.1 * len(points)


def test_planted_answers_cannot_be_changed_by_the_reader():
    planted().clear()
    assert len(planted()) == 10


def test_importing_is_cheap():
    heavy = "{'numpy', 'pandas', 'requests', 'tqdm', 'python_calamine'}"
    code = f"import sys, training.demo, training.fetch; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
