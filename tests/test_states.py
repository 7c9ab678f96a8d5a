"""Where customers stand between two orders: by hand, and the same from the model that is shipped."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.names import FEATURES, STATES
from training.clustering.segmenter import Segmenter
from training.states import own_gaps, second_order_gap, shop_gap, states
from training.store import artifact
from training.store.model import STATES as SHIPPED_STATES


def table(*rows):
    """Customers as (Recency, Frequency, Tenure)."""
    return pd.DataFrame(rows, columns=["Recency", "Frequency", "Tenure"], dtype=float)


# The gaps of those who came back: (40 - 10) / 1 = 30, (100 - 20) / 4 = 20 and (50 - 40) / 1 = 10; their median is 20.
SHOP = table((10, 2, 40), (20, 5, 100), (40, 2, 50), (7, 1, 7), (9, 3, 9))


def test_the_shops_gap_is_the_median_of_those_who_came_back_on_another_day():
    assert shop_gap(SHOP) == 20
    assert shop_gap(SHOP[:2]) == 25
    assert second_order_gap(SHOP) == 20  # 30 and 10 days: those with exactly two orders


def test_where_nobody_came_back_there_is_no_gap():
    assert np.isnan(shop_gap(SHOP[3:]))
    assert np.isnan(second_order_gap(SHOP[3:]))
    assert np.isnan(second_order_gap(SHOP[1:2]))


def test_states_worked_out_by_hand():
    # Own gaps: (30 + 40) / 3 = 23 1/3, (80 + 40) / 6 = 20, (10 + 40) / 3 = 16 2/3.
    assert own_gaps(SHOP, 20)[:3].tolist() == pytest.approx([70 / 3, 20, 50 / 3])
    assert states(SHOP, 20).tolist() == ["active", "active", "late", "one-time", "one-time"]


@pytest.mark.parametrize(
    ("recency", "state"), [(1, "active"), (20, "active"), (21, "due"), (40, "due"), (41, "late")]
)
def test_one_own_gap_is_active_two_are_due_and_more_are_late(recency, state):
    """Five orders in 80 days, and a shop's gap of 20: an own gap of (80 + 40) / (4 + 2) = 20 days."""
    assert states(table((recency, 5, recency + 80)), 20).tolist() == [state]


def test_who_ordered_several_times_on_one_day_only_is_one_time():
    assert states(table((30, 4, 30), (30, 1, 30)), 20).tolist() == ["one-time", "one-time"]


def test_without_a_gap_of_the_shop_the_customers_own_days_count_alone():
    nobody = float("nan")
    assert own_gaps(table((10, 3, 50), (5, 1, 5)), nobody).tolist() == [20, 0]
    assert states(table((20, 3, 60), (21, 3, 61), (5, 1, 5)), nobody).tolist() == [
        "active",
        "due",
        "one-time",
    ]


def test_the_states_have_one_spelling():
    assert SHIPPED_STATES == STATES


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """`shipped(gap)`: the answers of a model in whose file this gap of the shop stands."""
    values = np.random.default_rng(0).lognormal(2, 1, (80, 5))
    segmenter = Segmenter(2, order_by=2, random_state=0).fit(values)
    folder = tmp_path_factory.mktemp("states")

    def answers(customers, gap):
        path = artifact.write(
            folder / "segmenter.skops", segmenter, FEATURES, ["Low", "High"], np.ones(5), gap
        )
        full = customers.assign(Monetary=10.0 * customers.Frequency, AverageOrderValue=10.0)
        return artifact.answers(path, full[list(FEATURES)])

    return answers


customers = st.lists(
    st.tuples(st.integers(1, 800), st.integers(1, 60), st.integers(0, 800)).map(
        lambda row: (row[0], row[1], row[0] + row[2])
    ),
    min_size=1,
    max_size=30,
)


@given(customers, st.one_of(st.just(float("nan")), st.floats(0.1, 500)))
@settings(
    max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
def test_the_shipped_model_gives_every_customer_the_state_of_the_training(shipped, rows, gap):
    shop = table(*rows)
    assert shipped(shop, gap).state.tolist() == states(shop, gap).tolist()
    own = shop_gap(shop)
    assert shipped(shop, own).state.tolist() == states(shop, own).tolist()


def test_a_shop_of_one_time_buyers_has_only_one_time_buyers(shipped):
    shop = table(*[(day, 1, day) for day in range(1, 40)])
    assert set(shipped(shop, shop_gap(shop)).state) == {"one-time"}
    assert set(states(shop, shop_gap(shop))) == {"one-time"}
