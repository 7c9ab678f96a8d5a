import numpy as np
import pandas as pd
import pytest

from contract.names import FEATURES
from training.profiles import profile


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


def test_activity_follows_recency():
    assert profiles(3).name.tolist() == ["Low-value lapsed", "Medium-value cooling", "High-value active"]


def test_newcomers_are_new_unless_they_order_often():
    customers = population()
    customers.loc[:49, ["Recency", "Tenure"]] = 5
    segment = np.repeat([0, 1, 1, 1, 1, 1], 50)
    assert profile(customers, segment, np.zeros(300, bool), FEATURES).name[0] == "Low-value new"
    customers.loc[:49, "Frequency"] = 25
    assert profile(customers, segment, np.zeros(300, bool), FEATURES).name[0] == "Low-value active"


@pytest.mark.parametrize("k", range(2, 13))
def test_names_are_unique_for_every_k(k):
    assert profiles(k).name.is_unique


def test_two_alike_are_told_apart_by_what_differs():
    customers = pd.concat([population(), population()], ignore_index=True)
    customers.loc[300:, "Frequency"] *= 4
    customers["AverageOrderValue"] = customers.Monetary / customers.Frequency
    segment = np.concatenate([np.repeat([0, 1, 4], 100), np.repeat([2, 3, 5], 100)])
    names = profile(customers, segment, np.zeros(600, bool), FEATURES).name
    assert names.is_unique
    assert any(name.endswith(", large baskets") for name in names)


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
