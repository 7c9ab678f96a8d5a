"""What a shop's numbers say: six customers with the answers worked out by hand, and the edges."""

from datetime import datetime
from decimal import Decimal

import ibis
import pandas as pd
import pytest

from training.cleaning import Funnel
from training.report.facts import Facts, monthly, revenue_curve, shop_facts

ORDERS_SCHEMA = {
    "customer_id": "string",
    "order_id": "string",
    "date": "timestamp",
    "purchased": "decimal(38, 9)",
    "returned": "decimal(38, 9)",
    "purchase_lines": "int64",
    "cancellation_lines": "int64",
}


def funnel(**counts):
    names = (*(step for step, _ in Funnel.STEPS), "customers")
    numbers = dict.fromkeys(names, 0) | {"purchases": 10, "customers": 6} | counts
    read = sum(numbers[step] for step, _ in Funnel.STEPS)
    money = {"gross": Decimal(1000), "returned": Decimal(0)} | {
        name: counts[name] for name in ("gross", "returned") if name in counts
    }
    return Funnel(**{"read": read, **numbers, **money})


def shop(monetary, frequency=None, returned=None, country=None):
    frequency = frequency or [1.0] * len(monetary)
    table = pd.DataFrame({"customer_id": [f"c{n}" for n in range(len(monetary))], "Frequency": frequency})
    table["Monetary"] = [float(value) for value in monetary]
    table["Recency"] = [float(5 * (n + 1)) for n in range(len(table))]
    table["Tenure"] = table["Recency"].where(table["Frequency"] == 1, table["Recency"] + 30)
    table["AverageOrderValue"] = table["Monetary"] / table["Frequency"]
    table["Returned"] = returned or [0.0] * len(table)
    table["country"] = pd.Series(country or [None] * len(table), dtype="str")
    return table


def months(*revenue, incomplete=()):
    names = [f"2024-{n + 1:02}" for n in range(len(revenue))]
    return pd.DataFrame(
        {
            "month": names,
            "revenue": [float(value) for value in revenue],
            "returned": 0.0,
            "orders": 5,
            "customers": 3,
            "complete": [name not in incomplete for name in names],
        }
    )


def orders(*rows):
    keys = list(ORDERS_SCHEMA)
    return ibis.memtable([dict(zip(keys, row, strict=True)) for row in rows], schema=ORDERS_SCHEMA)


def said(facts: Facts) -> str:
    return "\n".join(sentence for sentences in facts.sentences.values() for sentence in sentences)


@pytest.fixture(scope="module")
def six():
    customers = shop(
        [500, 200, 100, 100, 60, 40],
        frequency=[5.0, 2.0, 1.0, 1.0, 2.0, 1.0],
        returned=[0.0, 30.0, 0.0, 50.0, 0.0, 0.0],
        country=["France", "Spain", "Spain", "Spain", "France", "France"],
    )
    return shop_facts(
        customers,
        months(300, 100, 900, incomplete=["2024-03"]),
        funnel(purchases=16, cancellations=3, missing_customer=1, returned=Decimal(80)),
    )


def test_money_of_six_customers(six):
    assert six.revenue == 1000
    assert six.top_shares == {1: 0.5, 5: 0.5, 10: 0.5, 20: 0.5}  # never less than one customer
    assert six.customers_for_half == 1
    assert six.one_time_share == 0.5
    assert six.one_time_revenue_share == pytest.approx(0.24)
    assert six.medians == {
        "Recency": 17.5,
        "Frequency": 1.5,
        "Monetary": 100,
        "AverageOrderValue": 100,
        "Tenure": 32.5,
    }


def test_returns_of_six_customers(six):
    assert six.returned_share == pytest.approx(0.08)
    assert six.returners == [("c3", 50.0), ("c1", 30.0)]
    assert "It came back from c3 (50.00) and c1 (30.00)." in six.sentences["Returns"]


def test_best_and_worst_month_are_full_months(six):
    assert (six.best_month, six.worst_month, six.incomplete_months) == ("2024-01", "2024-02", ["2024-03"])
    assert six.sentences["Month by month"] == [
        "The data reach from January 2024 to March 2024: 3 months.",
        "March 2024 is not covered in full, so a low bar there is not a fall in sales.",
        "The best full month was January 2024 with sales of 300, 3.0 times those of the weakest, February 2024 (100).",
    ]


def test_sentences_hold_the_numbers(six):
    text = said(six)
    assert "6 customers spent 1,000 in all." in text
    assert "3 customers (50%) ordered only once and bring 24% of revenue" in text
    assert "They buy from 2 countries; France alone brings 60% of revenue." in text
    assert "The best customer (17% of all) brings at least half of revenue." in text
    assert "Of 20 lines read, 16 (80%) are purchases of a known customer." in text
    assert "1 line (5.0%) has no customer id and cannot be used." in text
    assert "money counts twice" in text
    assert "3 customers (50%) ordered once, so that Tenure equals Recency" in text


def test_strongest_link_comes_first():
    customers = shop([600, 500, 400, 300, 200, 100], frequency=[1.0, 3.0, 2.0, 6.0, 4.0, 5.0])
    facts = shop_facts(customers, months(1), funnel())
    # Recency rises as Monetary falls, without exception.
    assert facts.correlations[0] == ("Recency", "Monetary", pytest.approx(-1))
    assert "Recency and Monetary are linked most closely (high goes with low)" in said(facts)


def test_skewness_before_and_after_the_logarithm():
    facts = shop_facts(shop([1, 10, 100, 1000, 10000]), months(1), funnel())
    before, after = facts.skewness["Monetary"]
    assert before > 2 > 0.3 > abs(after)


def test_top_tenth_of_twenty_is_two():
    facts = shop_facts(shop([40, 20] + [40 / 18] * 18), months(1), funnel())
    assert facts.top_shares[10] == pytest.approx(0.6)
    assert "The best 10% of customers (2) bring 60% of revenue." in said(facts)


def test_revenue_curve_goes_from_the_best_to_all():
    assert revenue_curve(shop([10, 30, 60])).round(9).to_dict() == {1: 0.6, 2: 0.9, 3: 1.0}


def test_one_customer():
    text = said(shop_facts(shop([50]), months(50), funnel(purchases=1)))
    assert "1 customer spent 50.00 in all." in text
    assert "1 order worth 50.00 in all" in text
    assert "every customer ordered exactly once" in text
    assert "The data are of January 2024 only." in text
    assert "1 line was read and it is a purchase" in text
    assert "nan" not in text


def test_nobody_ordered_only_once():
    text = said(shop_facts(shop([50, 60, 70], frequency=[2.0, 3.0, 4.0]), months(180), funnel()))
    assert "Every customer came back" in text
    assert "Tenure equals" not in text


def test_no_returns_and_nothing_left_out():
    text = said(shop_facts(shop([50, 60, 70]), months(90, 90), funnel()))
    assert "Nothing was returned or cancelled." in text
    assert "Nothing had to be left out." in text
    assert "Every full month brought the same: 90.00." in text


def test_returns_only_of_customers_who_are_gone():
    facts = shop_facts(shop([50, 60, 70]), months(180), funnel(returned=Decimal("12.5")))
    assert facts.returners == []
    assert "None of the customers who are left after cleaning returned anything." in said(facts)


def test_a_full_month_without_sales():
    text = said(shop_facts(shop([50, 60, 70]), months(90, 0, 90), funnel()))
    assert "with sales of 90.00, against those of the weakest, February 2024 (0)." in text


def test_constant_features_have_no_links():
    same = shop([50, 50, 50]).assign(Recency=5.0, Tenure=5.0)
    facts = shop_facts(same, months(150), funnel())
    assert facts.correlations == []
    assert "nan" not in said(facts)


def test_facts_leave_their_input_as_it_was():
    customers, table = shop([50, 60, 70]), months(90, 90)
    before = customers.copy(), table.copy()
    shop_facts(customers, table, funnel())
    pd.testing.assert_frame_equal(customers, before[0])
    pd.testing.assert_frame_equal(table, before[1])


def test_months_hold_purchases_and_returns():
    day = datetime
    table = monthly(
        orders(
            ("a", "1", day(2024, 1, 2), 10, 0, 2, 0),
            ("a", "2", day(2024, 1, 30), 5, 0, 1, 0),
            ("b", "3", day(2024, 1, 31), 20, 1, 1, 1),
            ("b", "C4", day(2024, 3, 5), None, 4, 0, 1),
            ("c", "5", day(2024, 3, 20), 7, None, 1, 0),
            ("d", "6", day(2024, 5, 1), None, None, 0, 0),  # worthless lines only
        )
    )
    assert table.to_dict("list") == {
        "month": ["2024-01", "2024-02", "2024-03"],
        "revenue": [35.0, 0.0, 7.0],
        "returned": [1.0, 0.0, 4.0],
        "orders": [3, 0, 1],
        "customers": [2, 0, 1],
        "complete": [True, True, False],  # the data stop on 20 March
    }


@pytest.mark.parametrize(
    ("first", "last", "complete"),
    [
        (datetime(2024, 2, 4, 8), datetime(2024, 2, 26, 17), True),
        (datetime(2024, 2, 5, 8), datetime(2024, 2, 29, 17), False),
        (datetime(2024, 2, 1, 8), datetime(2024, 2, 25, 17), False),
    ],
)
def test_a_month_may_miss_three_days_at_either_end(first, last, complete):
    table = monthly(orders(("a", "1", first, 10, 0, 1, 0), ("a", "2", last, 10, 0, 1, 0)))
    assert table["complete"].tolist() == [complete]
