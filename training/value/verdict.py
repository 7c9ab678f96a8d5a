"""Does a forecast hold on the shop's past? Where it does not, nothing of it is shown, and people learn why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.value.backtest import OURS, Backtest, Group

UPPER_QUINTILES = 3  # no promise below them
CHANCE = 2.0  # standard errors that chance may add to a limit; they shrink with the customers


@dataclass(frozen=True)
class Limits:
    """What a forecast has to keep on the past, on average over the cut-offs.

    behind_best: how far its rank correlation with spend may be below that of the best plain way. least_rank: and how
    low it may be. quintile_within: how far, as a share, the orders of each of the upper three quintiles may be from
    their expectation once the level is taken off. tenth_within: the same for each tenth of likely_to_buy, as a
    difference of shares. covered_from, covered_to: the share of customers whose spend is in the range.
    level_factor: expected orders in all may be that many times too high or too low. level_within: a share; beyond it
    the figures are shown with a caution.
    """

    behind_best: float = 0.03
    least_rank: float = 0.10
    quintile_within: float = 0.25
    tenth_within: float = 0.15
    covered_from: float = 0.75
    covered_to: float = 0.95
    level_factor: float = 2.0
    level_within: float = 0.10


@dataclass(frozen=True)
class Verdict:
    """Whether figures may be shown, why not, and what must be said beside them."""

    holds: bool
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]


def judge(tests: Sequence[Backtest], limits: Limits | None = None) -> Verdict:
    """The tests of one or more cut-offs, and the limits (by default those of `Limits`), to the verdict."""
    limits = limits or Limits()
    if not tests:
        return Verdict(
            False, ("The forecast could not be tested on the past: the history is too short.",), ()
        )
    rules: tuple[Callable[[Sequence[Backtest], Limits], str], ...] = (
        _behind_best, _too_weak, _level_far, _quintiles_off, _tenths_off, _range_off,
    )  # fmt: skip
    reasons = tuple(filter(None, (rule(tests, limits) for rule in rules)))
    return Verdict(not reasons, reasons, tuple(filter(None, (_level_off(test, limits) for test in tests))))


def mean_rank(tests: Sequence[Backtest], way: str) -> float:
    """The mean over cut-offs of the rank correlation with spend of one way."""
    return float(np.mean([test.ranks[way].spend for test in tests]))


def _behind_best(tests: Sequence[Backtest], limits: Limits) -> str:
    ours = mean_rank(tests, OURS)
    name, best = max(
        ((way, mean_rank(tests, way)) for way in tests[0].ranks if way != OURS), key=lambda pair: pair[1]
    )
    if ours >= best - limits.behind_best:
        return ""
    return (
        f"A plain way, {name}, ranks customers better by what they spent: {best:.3f} against {ours:.3f} (rank "
        f"correlation). "
        f"Expected at most {limits.behind_best:g} less."
    )


def _too_weak(tests: Sequence[Backtest], limits: Limits) -> str:
    ours = mean_rank(tests, OURS)
    if ours >= limits.least_rank:
        return ""
    return (
        f"The forecast hardly says who spends more: its rank correlation with spend is {ours:.3f}. "
        f"Expected at least {limits.least_rank:g}."
    )


def _level_far(tests: Sequence[Backtest], limits: Limits) -> str:
    expected, came = sum(test.expected_orders for test in tests), sum(test.orders for test in tests)
    if came / limits.level_factor <= expected <= came * limits.level_factor:
        return ""
    return (
        f"{expected:,.0f} orders were expected and {came:,.0f} came. Expected at most {limits.level_factor:g} times "
        "too many or too few."
    )


def _quintiles_off(tests: Sequence[Backtest], limits: Limits) -> str:
    for place in range(-UPPER_QUINTILES, 0):
        seen = [_without_level(test.quintiles, place, ratio=True) for test in tests]
        off, chance = _mean_off(seen)
        if abs(off) > limits.quintile_within + CHANCE * chance:
            return (
                f"Customers of the {_fifth(place)} fifth by expectation ordered {abs(off):.0%} "
                f"{'more' if off > 0 else 'less'} than expected, beside the others. "
                f"Expected at most {limits.quintile_within:.0%}."
            )
    return ""


def _tenths_off(tests: Sequence[Backtest], limits: Limits) -> str:
    number = min(len(test.tenths) for test in tests)
    for place in range(-number, 0):
        off, chance = _mean_off([_without_level(test.tenths, place, ratio=False) for test in tests])
        if abs(off) > limits.tenth_within + CHANCE * chance:
            return (
                "In one tenth of customers, by how likely they were to buy, the share who bought was "
                f"{100 * abs(off):.0f} points {'higher' if off > 0 else 'lower'} than was said, beside the others. "
                f"Expected at most {100 * limits.tenth_within:.0f}."
            )
    return ""


def _range_off(tests: Sequence[Backtest], limits: Limits) -> str:
    covered = float(np.mean([test.covered for test in tests]))
    if limits.covered_from <= covered <= limits.covered_to:
        return ""
    return (
        f"The range held the spend of {covered:.0%} of customers. Expected four in five, and at least "
        f"{limits.covered_from:.0%} and at most {limits.covered_to:.0%}."
    )


def _level_off(test: Backtest, limits: Limits) -> str:
    if abs(test.expected_orders - test.orders) <= limits.level_within * test.orders:
        return ""
    return (
        f"{test.expected_orders:,.0f} orders were expected of {test.customers:,} customers and {test.orders:,.0f} "
        "came. The forecast knows no season and no change of the whole shop: trust the order of customers more than "
        "the sums."
    )


def _mean_off(seen: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Deviations and their standard errors, one a cut-off, to their mean and its standard error."""
    off, errors = np.array(seen).T
    return float(off.mean()), float(np.sqrt((errors**2).sum()) / len(seen))


def _without_level(groups: Sequence[Group], place: int, ratio: bool) -> tuple[float, float]:
    """How far a group is from its expectation, and the standard error, once the level of all groups is taken off.

    With `ratio` as a share of the expectation, else as a difference of two shares, whose error is that of chance if
    the expectation were right: nobody of five bought says little. A place that has no group is right.
    """
    if len(groups) < -place:
        return 0.0, 0.0
    customers = np.array([group.customers for group in groups])
    expected, came = (
        float(customers @ [getattr(group, name) for group in groups]) / customers.sum()
        for name in ("expected", "came")
    )
    group = groups[place]
    if not ratio:
        chance = np.sqrt(group.expected * (1 - group.expected) / group.customers)
        return group.came - group.expected - (came - expected), float(max(chance, group.error))
    at_level = group.expected * came / max(expected, 1e-12)
    return (group.came / at_level - 1, group.error / at_level) if at_level > 0 else (0.0, 0.0)


def _fifth(place: int) -> str:
    return {-1: "highest", -2: "second highest", -3: "middle"}[place]
