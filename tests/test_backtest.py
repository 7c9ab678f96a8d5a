"""The test on the past: figures by hand, and what a verdict says of shops that a forecast cannot know."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from simulated import features_at, mbg_nbd_shop, shop_of, subscription, values_at

from contract.names import FEATURES
from training.report.forward import rfm_tiers
from training.value.backtest import OURS, Backtest, Group, Rank, backtest, groups, spearman
from training.value.forecast import fit_forecast
from training.value.plain import plain_ways
from training.value.verdict import Limits, judge
from training.value.window import Since, between, lately


def at_cut_off(orders, day):
    """The test at the end of `day`, 90 days ahead."""
    before, now, after = (features_at(orders, at) for at in (day - 90, day, day + 90))
    values = now[list(FEATURES)].to_numpy()
    forecast = fit_forecast(values, before[list(FEATURES)].to_numpy(), *between(before, now))
    return backtest(values, forecast.score(values), between(now, after), lately(before, now))


def test_rank_correlation_is_scipys_and_0_where_nothing_varies():
    rng = np.random.default_rng(0)
    one, two = rng.poisson(2, 300).astype(float), rng.poisson(2, 300).astype(float)
    assert spearman(one, one + two) == pytest.approx(scipy.stats.spearmanr(one, one + two).statistic)
    assert spearman(one, -one) == pytest.approx(-1)
    assert spearman(one, np.ones(300)) == 0


def test_plain_ways_by_hand():
    values = np.array([[1.0, 5, 100, 20, 41], [30, 1, 30, 30, 30], [10, 2, 10, 5, 10]])
    ways = plain_ways(values, Since(np.array([2.0, 0, 1]), np.array([9.0, 0, 8])), np.array([1, 0, 0]))
    assert ways["own rate"][0] == pytest.approx([4 / 41 * 20, 0, 1 / 10 * 5])
    assert ways["own rate"][1] == pytest.approx([4 / 41, 0, 1 / 10])
    assert ways["last days"][0].tolist() == [9, 0, 8]
    assert ways["segment mean"][0].tolist() == [100, 20, 20]
    assert ways["segment mean"][1].tolist() == [5, 1.5, 1.5]
    assert ways["RFM sum"][0].tolist() == [5 + 5 + 5, 2 + 2 + 4, 4 + 4 + 2]
    assert "segment mean" not in plain_ways(values, Since(np.ones(3), np.ones(3)))


def test_rfm_sums_are_those_of_the_forward_check():
    table = features_at(mbg_nbd_shop(200, 300, seed=1), 300)
    sums = plain_ways(table[list(FEATURES)].to_numpy(), Since(np.ones(len(table)), np.ones(len(table))))[
        "RFM sum"
    ][0]
    tiers = rfm_tiers(table, 3)
    assert all(sums[tiers == low].max() < sums[tiers == low + 1].min() for low in (0, 1))


def test_groups_by_hand():
    low, high = groups(np.array([0.1, 0.1, 0.9, 0.7]), np.array([0.0, 1, 1, 1]), 2)
    assert low == Group(2, 0.1, 0.5, pytest.approx(0.5 / np.sqrt(2)))
    assert high == Group(2, pytest.approx(0.8), 1.0, 0.0)
    assert len(groups(np.ones(40), np.arange(40.0), 10)) == 1  # equal expectations are not parted


def test_a_backtest_by_hand():
    values = np.array([[1.0, 5, 100, 20, 41], [30, 1, 30, 30, 30]])
    answer = {
        "expected_orders": np.array([2.0, 0.5]),
        "expected_spend": np.array([40.0, 15]),
        "spend_low": np.array([10.0, 0]),
        "spend_high": np.array([50.0, 20]),
        "likely_to_buy": np.array([0.9, 0.4]),
    }
    test = backtest(
        values, answer, Since(np.array([3.0, 0]), np.array([60.0, 0])), Since(np.ones(2), np.ones(2))
    )
    assert test.ranks[OURS] == pytest.approx((1, 1))
    assert next(iter(test.ranks)) == OURS
    assert (test.expected_orders, test.orders, test.expected_spend, test.spend) == (2.5, 3, 55, 60)
    assert (test.covered, test.above) == (0.5, 0.5)
    assert [group.came for group in test.tenths] == [0, 1]
    json.dumps(test.as_json(), allow_nan=False)


GOOD = Backtest(
    customers=1_000,
    ranks={OURS: Rank(0.5, 0.5), "Monetary": Rank(0.48, 0.4), "RFM sum": Rank(0.4, 0.4)},
    expected_orders=1_000,
    orders=1_050,
    expected_spend=9_000,
    spend=9_500,
    quintiles=tuple(Group(200, 0.5 * n, 0.525 * n, 0.01) for n in range(1, 6)),
    tenths=tuple(Group(100, n / 11, n / 11 + 0.02, 0.01) for n in range(1, 11)),
    covered=0.82,
    above=0.1,
)


def test_a_forecast_that_keeps_all_limits_holds():
    assert judge([GOOD, GOOD]) == judge([GOOD])
    assert judge([GOOD]).holds
    assert judge([GOOD]).reasons == judge([GOOD]).cautions == ()


def with_group(groups_before, place, **changes):
    changed = list(groups_before)
    changed[place] = replace(changed[place], **changes)
    return tuple(changed)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (
            {"ranks": GOOD.ranks | {"Monetary": Rank(0.54, 0.4)}},
            "A plain way, Monetary, ranks customers better .* 0.540 against 0.500",
        ),
        ({"ranks": {OURS: Rank(0.05, 0.1), "Monetary": Rank(0.05, 0)}}, "correlation with spend is 0.050"),
        ({"orders": 2_100}, "1,000 orders were expected and 2,100 came. Expected at most 2 times"),
        ({"orders": 400}, "1,000 orders were expected and 400 came"),
        (
            {"quintiles": with_group(GOOD.quintiles, -1, came=1.2)},
            "highest fifth by expectation ordered .* less",
        ),
        (
            {"tenths": with_group(GOOD.tenths, 0, came=0.4)},
            "the share who bought was 2. points higher than was said",
        ),
        ({"covered": 0.74}, "held the spend of 74% of customers"),
        ({"covered": 0.97}, "held the spend of 97% of customers"),
    ],
)
def test_each_limit_that_is_broken_is_a_reason(broken, reason):
    verdict = judge([replace(GOOD, **broken)])
    assert not verdict.holds
    assert any(re.search(reason, text) for text in verdict.reasons), verdict.reasons


def test_limits_can_be_chosen():
    broken = replace(GOOD, covered=0.74)
    assert judge([broken], Limits(covered_from=0.7)).holds
    assert not judge([GOOD], Limits(covered_from=0.9)).holds


def test_the_lower_quintiles_promise_nothing():
    assert judge([replace(GOOD, quintiles=with_group(GOOD.quintiles, 0, came=1.0))]).holds


def test_what_chance_explains_is_no_reason():
    far = {"came": GOOD.tenths[0].expected + 0.3}
    assert not judge([replace(GOOD, tenths=with_group(GOOD.tenths, 0, **far, error=0.02))]).holds
    assert judge([replace(GOOD, tenths=with_group(GOOD.tenths, 0, **far, error=0.1))]).holds
    none_of = {"came": 0.0, "error": 0.0, "expected": 0.3}
    assert judge([replace(GOOD, tenths=with_group(GOOD.tenths, 2, **none_of, customers=5))]).holds
    assert not judge([replace(GOOD, tenths=with_group(GOOD.tenths, 2, **none_of, customers=500))]).holds


def test_a_level_that_is_off_is_said_and_shown_all_the_same():
    verdict = judge([replace(GOOD, orders=1_300)])
    assert verdict.holds
    assert "1,000 orders were expected of 1,000 customers and 1,300 came" in verdict.cautions[0]


def test_a_past_that_is_too_short_holds_nothing():
    assert judge([]).reasons == ("The forecast could not be tested on the past: the history is too short.",)


def test_a_shop_as_the_story_tells_it_holds():
    orders = mbg_nbd_shop(2_500, 730, seed=11)
    verdict = judge([at_cut_off(orders, day) for day in (550, 640)])
    assert verdict.holds, verdict.reasons


def test_a_subscription_does_not_hold():
    verdict = judge([at_cut_off(subscription(), 360), at_cut_off(subscription(), 420)])
    assert not verdict.holds
    assert verdict.reasons


def test_a_mass_return_of_the_dormant_does_not_hold():
    orders = mbg_nbd_shop(1_000, 400, seed=12, a=3.0, b=3.0)
    back = shop_of([(str(n), 401.0 + n % 80, 50.0) for n in range(1_000)])
    everything = shop_of([*orders.itertuples(index=False), *back.itertuples(index=False)])
    verdict = judge([at_cut_off(everything, 400)])
    assert not verdict.holds
    assert any("orders were expected and" in reason for reason in verdict.reasons)


@pytest.mark.realdata
def test_known_figures_of_the_uci_data(uci_shop):
    shop = uci_shop("net")
    at = {days: shop.earlier(days).customers if days else shop.customers for days in range(0, 300, 30)}
    tests = []
    for day in (90, 120, 150, 180):
        before, now, after = at[day + 90], at[day], at[day - 90]
        values, since = now[list(FEATURES)].to_numpy(), between(before, now)
        forecast = fit_forecast(values, before[list(FEATURES)].to_numpy(), *since, horizon_days=90)
        tests.append(backtest(values, forecast.score(values), between(now, after), lately(before, now)))

    def mean(way):
        return np.mean([test.ranks[way] for test in tests], axis=0)

    assert mean(OURS) == pytest.approx((0.544, 0.511), abs=1e-3)
    assert mean("Monetary")[0] == pytest.approx(0.532, abs=1e-3)
    assert mean("RFM sum") == pytest.approx((0.521, 0.511), abs=1e-3)
    assert mean(OURS)[0] > max(mean("Monetary")[0], mean("RFM sum")[0])
    assert mean(OURS)[1] > mean("RFM sum")[1] - 0.005
    assert all(0.75 <= test.covered <= 0.95 for test in tests)
    verdict = judge(tests)
    assert verdict.holds, verdict.reasons
    assert any("3,357 customers" in caution for caution in verdict.cautions)  # September, before Christmas


def test_values_are_left_alone():
    orders = mbg_nbd_shop(300, 400, seed=3)
    values = values_at(orders, 400)
    copy = values.copy()
    plain_ways(values, Since(np.ones(len(values)), np.ones(len(values))))
    assert np.array_equal(values, copy)
