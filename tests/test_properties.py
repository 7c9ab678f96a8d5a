"""Rules that hold for any shop, tried on made-up ones: the same ones every time, a few of each."""

import csv
import datetime as dt
import io
import math
from collections import defaultdict
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shops import shop_lines

from training.cleaning import clean
from training.errors import InputError
from training.features import customer_features
from training.reading.read import read_lines

few = settings(
    max_examples=12, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

DAY = dt.datetime(2024, 2, 27)
moments = st.integers(0, 6 * 86_400).map(lambda seconds: str(DAY + dt.timedelta(seconds=seconds)))
lines = st.tuples(
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from(["1", "2", "3", "C1", "C2", "CASH", None]),
    st.one_of(moments, st.sampled_from([str(DAY), None])),
    st.integers(-3, 9),
    st.sampled_from(["0.1", "0.2", "2.55", "999999.999999", "0", "-1"]),
    st.sampled_from(["x", "y"]),
)
shops = st.lists(lines, min_size=1, max_size=25).flatmap(
    lambda shop: st.lists(st.sampled_from(shop), max_size=4).map(lambda again: shop + again)
)
days = st.none() | st.integers(1, 7).map(lambda days: (DAY + dt.timedelta(days=days)).date())


def is_cancelled(invoice):
    return bool(invoice) and invoice[0] == "C" and invoice[1].isdigit()


def recount(shop, as_of, returns, keep_duplicates):
    """(funnel, {customer: features}) of a shop, line by line, in Python."""
    funnel = defaultdict(int)
    used = []
    for line in shop:
        customer, _, date, _, _, _ = line
        if customer is None:
            funnel["missing_customer"] += 1
        elif date is None:
            funnel["unreadable"] += 1
        elif as_of and date[:10] >= str(as_of):
            funnel["after_as_of"] += 1
        elif line in used and not keep_duplicates:
            funnel["duplicates"] += 1
        else:
            used.append(line)
    readable = [line[2] for line in shop if line[0] is not None and line[2] is not None]
    end = dt.datetime.combine(as_of, dt.time(23, 59, 59)) if as_of else None
    end = end or dt.datetime.fromisoformat(max(readable, default=str(DAY))) + dt.timedelta(days=1)

    bought, returned, dates, orders = (
        defaultdict(Decimal),
        defaultdict(Decimal),
        defaultdict(list),
        defaultdict(set),
    )
    dates_bought = {
        (customer, invoice or date[:10], date[:10])
        for customer, invoice, date, quantity, price, _ in used
        if quantity > 0 and Decimal(price) > 0 and not is_cancelled(invoice)
    }
    for customer, invoice, date, quantity, price, _ in used:
        amount = quantity * Decimal(price)
        size = -amount if quantity < 0 and Decimal(price) < 0 else abs(amount)
        if amount == 0:
            funnel["worthless"] += 1
        elif is_cancelled(invoice):
            funnel["cancellations"] += 1
            returned[customer] += size
        elif quantity > 0 and Decimal(price) > 0:
            funnel["purchases"] += 1
            bought[customer] += amount
            dates[customer].append(dt.datetime.fromisoformat(date))
            orders[customer].add(invoice or date[:10])
        elif (customer, invoice or date[:10], date[:10]) in dates_bought:
            funnel["deductions"] += 1
            bought[customer] -= size
        else:
            funnel["cancellations"] += 1
            returned[customer] += size
    table = {}
    for customer in sorted(orders):
        money = bought[customer] - (returned[customer] if returns == "net" else 0)
        if money > 0:
            recency, tenure = (end - max(dates[customer])).days, (end - min(dates[customer])).days
            table[customer] = (recency, len(orders[customer]), money, money / len(orders[customer]), tenure)
    return funnel, table


@given(shops, days, st.sampled_from(["net", "drop"]), st.booleans(), st.randoms(use_true_random=False))
@few
def test_a_shop_is_counted_as_a_plain_recount_does_in_whatever_order_its_lines_come(
    shop, as_of, returns, keep_duplicates, random
):
    expected_funnel, expected = recount(shop, as_of, returns, keep_duplicates)
    shuffled = random.sample(shop, len(shop))
    try:
        cleaned = clean(shop_lines(shuffled), as_of, keep_duplicates)
    except InputError:
        assert not expected_funnel["purchases"]
        return
    funnel = cleaned.funnel
    counts = {name: getattr(funnel, name) for name, _ in funnel.STEPS}
    assert counts == {name: expected_funnel[name] for name in counts}
    assert sum(counts.values()) == funnel.read == len(shop)

    customers = customer_features(cleaned.orders, cleaned.as_of, returns).to_pandas()
    assert list(customers.customer_id) == list(expected)
    for row in customers.itertuples():
        recency, frequency, money, average, tenure = expected[row.customer_id]
        assert (row.Recency, row.Frequency, row.Tenure) == (recency, frequency, tenure)
        assert row.Monetary == float(money)
        assert math.isclose(row.AverageOrderValue, average, rel_tol=1e-15)
        assert 1 <= row.Recency <= row.Tenure


NAMES = ["customer", "invoice", "date", "quantity", "price", "note"]
notes = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from('",;| \n'), max_size=12)
amounts = st.decimals(0, 99_999, places=2)
tables = st.lists(st.tuples(moments, st.integers(-99, 99), amounts, notes), min_size=1, max_size=12)


@given(
    tables,
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([".", ","]),
    st.sampled_from(["\n", "\r\n"]),
)
@few
def test_how_a_file_is_written_does_not_matter(tmp_path_factory, table, delimiter, encoding, mark, newline):
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=newline)
    writer.writerow(NAMES)
    for number, (date, quantity, price, note) in enumerate(table):
        writer.writerow([f"{number:05}", "7", date, quantity, f"{price:.2f}".replace(".", mark), note])
    path = tmp_path_factory.mktemp("written") / "shop.csv"
    path.write_bytes(written.getvalue().encode(encoding))

    rows = read_lines([path]).order_by("customer_id").to_pyarrow().to_pylist()
    assert [
        (row["customer_id"], str(row["date"]), row["quantity"], row["price"], row["other_note"] or "")
        for row in rows
    ] == [
        (f"{number:05}", date, quantity, price, note)
        for number, (date, quantity, price, note) in enumerate(table)
    ]
