"""Totals of groups, their ranges and the value at risk, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from contract.names import GROUP_FORECAST
from training.report.expectation import (
    cell_expectation,
    expected_sentence,
    shop_total,
    value_at_risk,
    with_expectation,
)
from training.value.groups import ALL, ANY, GroupsBefore, Total, group_totals
from training.value.window import Since


def groups(*rows):
    """Groups of a cut-off: (segment, state, customers, expected orders, expected spend, spend)."""
    columns = ["segment", "state", "customers", "expected_orders", "expected_spend", "spend"]
    return pd.DataFrame(rows, columns=columns)


def alike(number, orders, spend, ratios):
    """Groups of so many expected orders, whose actual spend was these times the expected."""
    return [(0, "due", 50, orders, spend, spend * ratio) for ratio in np.resize(ratios, number)]


def test_totals_of_all_of_segments_and_of_states():
    answer = {
        "expected_orders": np.array([1.0, 2, 3, 4]),
        "expected_spend": np.array([10.0, 20, 30, 40]),
    }
    came = Since(np.ones(4), np.array([5.0, 0, 7, 9]))
    states = np.array(["active", "late", "late", "late"], dtype=object)
    table = group_totals(np.array([0, 0, 0, -1]), states, answer, came).set_index(["segment", "state"])
    assert table.loc[(ALL, ANY)].tolist() == [4, 10, 100, 21]
    assert table.loc[(0, ANY)].tolist() == [3, 6, 60, 12]
    assert table.loc[(0, "late")].tolist() == [2, 5, 50, 7]
    assert len(table) == 4  # a segment of then that is none of today's is in the sum of all only


def test_a_range_holds_eight_in_ten_of_the_groups_before():
    before = GroupsBefore.of(["2024-01-01"], [groups(*alike(11, 100, 1_000, np.arange(0.5, 1.6, 0.1)))])
    assert before.total(100, 2_000) == Total(2_000, pytest.approx(1_200), pytest.approx(2_800))


def test_a_range_is_of_groups_with_about_as_many_orders():
    large, small = alike(20, 1_000, 9_000, [0.9, 1.1]), alike(20, 5, 50, [0.2, 3])
    before = GroupsBefore.of(["2024-01-01"], [groups(*large, *small)])
    assert before.total(900, 100) == Total(100, pytest.approx(90), pytest.approx(110))
    assert before.total(4, 100) == Total(100, pytest.approx(20), pytest.approx(300))


def test_a_range_holds_its_own_expectation_where_all_brought_more():
    before = GroupsBefore.of(["2024-01-01"], [groups(*alike(20, 10, 100, [1.5, 2.0]))])
    assert before.total(10, 100) == Total(100, 100, pytest.approx(200))


def test_too_few_groups_give_no_range_and_small_groups_do_not_count():
    nine = groups(*alike(9, 10, 100, [1.0]), (0, "late", 19, 10, 100, 900))
    assert GroupsBefore.of(["2024-01-01"], [nine]).total(10, 100) == Total(100, None, None)
    assert GroupsBefore.of([], []).total(10, 100) == Total(100, None, None)


# In segment 0, active customers brought 12 and 8 each at two cut-offs: 10 on average. Nobody was active in segment 1.
BEFORE = GroupsBefore.of(
    ["2024-01-31", "2024-01-01"],
    [groups((0, "active", 20, 9, 150, 240)), groups((0, "active", 20, 9, 150, 160))],
)


def scored(*rows):
    return pd.DataFrame(rows, columns=["segment", "state", "expected_orders", "expected_spend"])


def test_value_at_risk_is_what_active_ones_brought_less_what_is_expected():
    assert BEFORE.spend_when_active(0) == 10
    assert value_at_risk(scored((0, "late", 0.1, 3), (0, "late", 0.1, 5)), 0, BEFORE) == 12
    assert (
        value_at_risk(scored((0, "late", 0.1, 30)), 0, BEFORE) == 0
    )  # more is expected than active ones brought
    assert value_at_risk(scored((1, "late", 0.1, 3)), 1, BEFORE) is None


SCORED = scored((0, "active", 1, 9), (0, "late", 0.1, 3), (0, "due", 0.2, 4), (1, "late", 0.5, 6))
PROFILES = pd.DataFrame({"segment": [1, 0]})


def test_a_profile_has_the_risk_of_who_is_due_or_late():
    table = with_expectation(PROFILES, SCORED, BEFORE).set_index("segment")
    assert table.expected_spend.to_dict() == {1: 6, 0: 16}
    assert table.value_at_risk[0] == (10 - 3) + (10 - 4)
    assert np.isnan(table.value_at_risk[1])
    assert table[["expected_low", "expected_high"]].isna().all(axis=None)
    assert list(PROFILES) == ["segment"]


def test_without_a_forecast_everything_is_null():
    table = with_expectation(PROFILES, SCORED, None)
    assert table[list(GROUP_FORECAST)].isna().all(axis=None)
    assert {kind.name for kind in table[list(GROUP_FORECAST)].dtypes} == {"float64"}
    cell = cell_expectation({"segment": 0, "state": "late"}, SCORED, None, 90)
    assert cell == dict.fromkeys(GROUP_FORECAST) | {"expectation": ""}


def test_only_who_is_due_or_late_is_at_risk():
    at_risk = {
        state: cell_expectation({"segment": 0, "state": state}, SCORED, BEFORE, 90)["value_at_risk"]
        for state in ("one-time", "active", "due", "late")
    }
    assert at_risk == {"one-time": None, "active": None, "due": 6, "late": 7}


def test_all_customers_together():
    assert shop_total(SCORED, BEFORE) == {
        "customers": 4,
        "expected_orders": pytest.approx(1.8),
        "expected_spend": 22,
        "expected_low": None,
        "expected_high": None,
    }


def test_a_group_in_a_sentence():
    assert expected_sentence(38, Total(9_000, 5_000, 14_000), 90) == (
        "38 customers, expected to bring 9,000 in the next 90 days, between 5,000 and 14,000."
    )
    assert expected_sentence(1, Total(9_000, None, None), 30) == (
        "1 customer, expected to bring 9,000 in the next 30 days; the past has too few such groups for a range."
    )
