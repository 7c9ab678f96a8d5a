import numpy as np
import pandas as pd
import pytest

from contract.names import FEATURES
from training.profiles import customers_for_half, profile


def population(n=300, seed=0):
    """Customers from poor and gone to rich and recent, in order."""
    random = np.random.default_rng(seed)
    rank = np.linspace(0, 1, n)
    frequency = np.ceil(1 + 20 * rank**2)
    recency = np.ceil(1 + 300 * (1 - rank) + random.uniform(0, 5, n))
    money = np.exp(3 + 6 * rank)
    return pd.DataFrame(
        {
            "Recency": recency,
            "Frequency": frequency,
            "Monetary": money,
            "AverageOrderValue": money / frequency,
            "Tenure": 450 - 50 * rank,
        }
    )


def profiles(k, customers=None):
    customers = population() if customers is None else customers
    segment = np.minimum(np.arange(len(customers)) * k // len(customers), k - 1)
    return profile(customers, segment, np.zeros(len(customers), bool), FEATURES)


def test_three_segments_are_low_medium_and_high_value():
    assert [name.split()[0] for name in profiles(3).name] == ["Low-value", "Medium-value", "High-value"]


def test_the_middle_of_three_is_medium_even_when_it_is_nearly_as_poor_as_the_lowest():
    customers = population()
    customers.loc[:199, "Monetary"] = np.linspace(10, 12, 200)
    assert [name.split()[0] for name in profiles(3, customers).name] == [
        "Low-value",
        "Medium-value",
        "High-value",
    ]


def made_of(*kinds):
    """Three segments of so many customers each, whose medians are these (customers, R, F, M, T), within a fifth."""
    parts = []
    for segment, (count, *medians) in enumerate(kinds):
        around = np.linspace(0.8, 1.2, count)[:, None] * medians
        part = pd.DataFrame(around, columns=["Recency", "Frequency", "Monetary", "Tenure"])
        part["Frequency"] = part.Frequency.round().clip(lower=1)
        part["Tenure"] = part.Tenure.clip(upper=max(kind[4] for kind in kinds))
        parts.append(part.assign(segment=segment, Recency=part[["Recency", "Tenure"]].min(axis=1)))
    customers = pd.concat(parts, ignore_index=True)
    customers["AverageOrderValue"] = customers.Monetary / customers.Frequency
    return profile(customers, customers.segment, np.zeros(len(customers), bool), FEATURES)


@pytest.mark.parametrize(
    ("kinds", "never"),
    [
        (
            [(38, 1, 300, 900, 360), (38, 2, 200, 600, 360), (24, 3, 100, 300, 360)],
            {0: "lapsed", 1: "lapsed", 2: "lapsed"},
        ),
        (
            [(18, 44, 9, 156, 323), (26, 4, 50, 926, 360), (24, 16, 24, 1004, 354), (32, 2, 92, 3418, 363)],
            {0: "new", 1: "new", 2: "new", 3: "new"},
        ),
        ([(54, 2179, 1, 40, 2179), (31, 1053, 6, 197, 2179), (15, 58, 15, 559, 2179)], {1: "active"}),
    ],
    ids=["nobody lapsed", "nobody new", "last seen three years ago"],
)
def test_a_profile_that_was_misnamed_by_rank_is_not_any_more(kinds, never):
    names = made_of(*kinds).name
    assert [word for segment, word in never.items() if word in names[segment]] == []


def segments_with(recency, frequency, tenure):
    """The names of three segments of ten, the second of which has these (10,) values, the others ordinary ones."""
    customers = pd.DataFrame(
        {
            "Recency": [5.0] * 10 + list(recency) + [10.0] * 10,
            "Frequency": [10.0] * 10 + list(frequency) + [2.0] * 10,
            "Monetary": np.repeat([10.0, 100.0, 1_000.0], 10),
            "AverageOrderValue": 1.0,
            "Tenure": [365.0] * 10 + list(tenure) + [50.0] * 10,
        }
    )
    return profile(customers, np.repeat([0, 1, 2], 10), np.zeros(30, bool), FEATURES).name.tolist()


@pytest.mark.parametrize(
    ("recency", "name"),
    [
        ([20] * 5 + [100] * 5, "Medium-value active"),
        ([20] * 4 + [100] * 6, "Medium-value lapsed"),
        ([20] * 4 + [60] * 2 + [100] * 4, "Medium-value"),  # two are due: neither class has half of them
    ],
)
def test_an_activity_word_needs_half_of_the_segments_customers(recency, name):
    """Each has ten orders in 365 days less Recency, so an own gap of 40 days (27 to 31 for who came back late)."""
    assert segments_with(recency, [10] * 10, [365] * 10)[1] == name


def test_new_is_who_first_bought_in_the_last_quarter_of_the_data():
    assert segments_with([9] * 10, [1] * 10, [91] * 10)[1] == "Medium-value new"
    assert segments_with([9] * 10, [1] * 10, [92] * 10)[1] == "Medium-value active"


def test_who_bought_once_is_lapsed_after_twice_the_shops_gap_between_first_and_second_order():
    """Ten customers have two orders, 40 days apart."""
    assert segments_with([80] * 10, [1] * 10, [200] * 10)[1] == "Medium-value"
    assert segments_with([81] * 10, [1] * 10, [200] * 10)[1] == "Medium-value lapsed"
    assert segments_with([40] * 10, [1] * 10, [200] * 10)[1] == "Medium-value active"


def test_where_everybody_bought_on_the_same_day_nobody_is_called_active_new_or_lapsed():
    """A subscription shop: all paid yesterday."""
    customers = population().assign(Recency=1.0)
    assert profiles(3, customers).name.tolist() == ["Low-value", "Medium-value", "High-value"]
    assert profiles(3).name.tolist() != ["Low-value", "Medium-value", "High-value"]


def test_high_and_low_go_by_the_median_that_tables_print():
    """One of the poor spent a fortune: the mean of that segment is the highest, the median is not."""
    customers = population()
    customers.loc[0, "Monetary"] = 1e9
    table = profiles(3, customers)
    assert [name.split()[0] for name in table.name] == ["Low-value", "Medium-value", "High-value"]
    assert table.mean_Monetary.idxmax() == 0
    assert table.sort_values("median_Monetary").value.tolist() == ["Low-value", "Medium-value", "High-value"]


def test_equal_medians_are_told_apart_by_the_mean():
    customers = population().assign(Monetary=10.0)
    customers.loc[0, "Monetary"] = 500.0
    customers.loc[100, "Monetary"] = 50.0
    assert profiles(3, customers).value.tolist() == ["High-value", "Medium-value", "Low-value"]


@pytest.mark.parametrize(
    ("spent", "customers"),
    [([100, 1, 1, 1], 1), ([5, 5, 5, 5], 2), ([5, 5, 5], 2), ([0, 0], 1), ([50, 30, 20, 10, 10], 2)],
)
def test_the_fewest_customers_who_bring_half_of_the_money(spent, customers):
    assert customers_for_half(pd.Series(spent)) == customers


def test_states_are_counted_in_their_segment():
    table = profiles(3)
    states = table[["state_one-time", "state_active", "state_due", "state_late"]]
    assert states.sum(axis=1).tolist() == table.customers.tolist()


@pytest.mark.parametrize("k", range(2, 13))
def test_names_are_unique_for_every_k(k):
    assert profiles(k).name.is_unique


@pytest.mark.parametrize("k", range(2, 13))
def test_no_name_has_a_number_behind_it_to_tell_it_from_an_equal_one(k):
    alike = pd.concat([population()] * 2, ignore_index=True)
    segment = np.minimum(np.arange(600) * k // 600, k - 1)
    names = profile(alike, segment, np.zeros(600, bool), FEATURES).name
    assert names.is_unique
    assert not names.str.contains("(", regex=False).any()


def test_shares_and_money_add_up():
    table = profiles(4)
    assert table.customers.sum() == 300
    assert table.share.sum() == pytest.approx(1)
    assert table.revenue_share.sum() == pytest.approx(1)
    assert table.revenue.sum() == pytest.approx(population().Monetary.sum())
    assert table.mean_Monetary.is_monotonic_increasing


def test_anomalies_are_counted_in_their_segment():
    anomalies = np.zeros(300, bool)
    anomalies[[0, 1, 299]] = True
    table = profile(population(), np.repeat([0, 1, 2], 100), anomalies, FEATURES)
    assert table.anomalies.tolist() == [2, 0, 1]
