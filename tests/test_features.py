from datetime import date

import pytest
from shops import shop_lines

from training.cleaning import clean
from training.features import customer_features

ROWS = [
    ("ann", "1", "2024-01-01 10:00", 2, "10.00"),
    ("ann", "1", "2024-01-01 10:00", 1, "5.00"),
    ("ann", "2", "2024-01-21 12:00", 1, "15.00"),
    ("ann", "C3", "2024-01-22 09:00", -1, "10.00"),
    ("bob", "4", "2024-01-30 09:00", 1, "7.50"),
    ("eve", "5", "2024-01-10 09:00", 1, "99.00"),
    ("eve", "C6", "2024-01-10 09:10", -1, "99.00"),
    ("joe", "C7", "2024-01-10 09:10", -1, "20.00"),  # what he sends back was bought before these data
]


def table(rows=ROWS, returns="net", **options):
    cleaned = clean(shop_lines(rows), **options)
    return customer_features(cleaned.orders, cleaned.as_of, returns).to_pandas().set_index("customer_id")


def test_one_row_a_customer_in_days_orders_and_money():
    ann = table().loc["ann"]
    # Seen from 2024-01-31 09:00. Two orders of 25 and 15, ten of it cancelled.
    assert ann.Recency == 9
    assert ann.Tenure == 29
    assert ann.Frequency == 2
    assert ann.Monetary == 30
    assert ann.AverageOrderValue == 15
    assert ann.Returned == 10


def test_a_wholly_cancelled_customer_is_dropped_net_of_returns():
    assert list(table().index) == ["ann", "bob"]


def test_returns_drop_just_forgets_the_cancellations():
    dropped = table(returns="drop")
    assert dropped.Monetary.to_dict() == {"ann": 40, "bob": 7.5, "eve": 99}


def test_cancelled_order_is_not_counted_as_an_order():
    assert table(returns="drop").loc["eve", "Frequency"] == 1


def test_recency_is_at_least_one_day_and_at_most_tenure():
    customers = table()
    assert (customers.Recency >= 1).all()
    assert (customers.Tenure >= customers.Recency).all()


def test_a_given_day_counts_calendar_days_back():
    bob = table(as_of=date(2024, 2, 1)).loc["bob"]
    assert bob.Recency == 2


def test_fractions_of_a_second_do_not_make_today_of_yesterday():
    rows = [
        ("a", "1", "2024-01-05 10:00:00.700", 1, "2.00"),
        ("b", "2", "2024-01-05 23:59:59.900", 1, "2.00"),
    ]
    assert table(rows).Recency.tolist() == [1, 1]
    assert table(rows, as_of=date(2024, 1, 6)).Recency.tolist() == [1, 1]


def test_the_order_of_lines_does_not_matter():
    assert table(ROWS[::-1]).equals(table())


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("returns", "customers", "money"), [("drop", 4338, 8_887_208.894), ("net", 4317, 8_291_748.564)]
)
def test_known_totals_of_the_uci_data(uci_shop, returns, customers, money):
    found = uci_shop(returns).customers
    assert len(found) == customers
    assert found.Monetary.sum() == pytest.approx(money, abs=1e-6)


@pytest.mark.realdata
def test_known_funnel_of_the_uci_data(uci_shop):
    funnel = uci_shop("drop").funnel
    assert (funnel.read, funnel.missing_customer, funnel.unreadable, funnel.after_as_of) == (
        541_909,
        135_080,
        0,
        0,
    )
    assert (funnel.duplicates, funnel.worthless, funnel.cancellations, funnel.purchases) == (
        5_225,
        40,
        8_872,
        392_692,
    )
    assert funnel.customers == 4_372
    assert str(funnel.gross.normalize()) == "8887208.894"


@pytest.mark.realdata
def test_known_funnel_of_the_uci_data_with_its_duplicates(uci_shop):
    funnel = uci_shop("drop", duplicates="keep").funnel
    # 406,829 lines with a customer; 8,905 cancelled, 40 without a price, 397,884 left.
    assert (funnel.duplicates, funnel.worthless, funnel.cancellations, funnel.purchases) == (
        0,
        40,
        8_905,
        397_884,
    )
    assert str(funnel.gross.normalize()) == "8911407.904"


@pytest.mark.realdata
def test_two_customers_who_look_best_and_cancelled_it_all(uci_shop):
    net = uci_shop("net").customers.set_index("customer_id").Monetary
    gross = uci_shop("drop").customers.set_index("customer_id").Monetary
    assert net["16446"] == 2.90
    assert "12346" not in net.index
    assert {"16446", "12346"} <= set(gross.nlargest(10).index)


@pytest.mark.realdata
def test_known_medians_of_the_uci_data(uci_shop):
    found = uci_shop("drop").customers
    medians = found[["Recency", "Frequency", "Monetary", "AverageOrderValue"]].median().round(2).tolist()
    assert medians == [51, 2, 668.57, 291.94]
    assert (found.Frequency == 1).sum() == 1_493
