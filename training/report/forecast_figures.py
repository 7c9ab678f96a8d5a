"""The figure of the forecast: what was expected at the cut-offs of the past, beside what came."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from contract import colours
from contract.words import counted, percent
from training.outlook import Outlook, PastTest
from training.value.backtest import Group

EXPECTED = colours.MUTED.light
CAME = colours.SHOP.light
LATEST = colours.HIGHLIGHT.light
BAR = 0.38  # of the distance between two fifths
NAMED = 4  # cut-offs that have a mark of their own in the right half
MARKS = ("o", "D", "s", "^")


def forecast(outlook: Outlook) -> Figure:
    """Left, orders of each fifth by expectation, expected and actual, a panel a cut-off; right, likely_to_buy.

    The right half has, for each tenth by likely_to_buy, the share who bought beside the probability given, at the
    latest NAMED cut-offs; right is on the line. `outlook` must have at least one test, the latest first.
    """
    tests = outlook.tests[:NAMED]
    figure = Figure(figsize=(11, 2.2 + 1.5 * max(len(tests), 2)), layout="constrained")
    grid = figure.add_gridspec(1, 2)
    figure.suptitle("\n".join(textwrap.wrap(_title(outlook), 80)), x=0.01, ha="left", fontweight="bold")
    left, right = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    panels = left.subplots(len(tests), 1, sharex=True, squeeze=False)[:, 0]
    for axis, test in zip(panels, tests, strict=True):
        _fifths(axis, test)
    panels[-1].set_xlabel("customers in fifths by expected orders, lowest first")
    panels[0].legend(frameon=False, loc="upper left", fontsize=8.5)
    _tenths(right.subplots(), tests, outlook.horizon_days)
    return figure


def _title(outlook: Outlook) -> str:
    latest = outlook.tests[0].backtest
    said = (
        f"Made at {counted(len(outlook.tests), 'cut-off')} of the past, the forecast expected "
        f"{percent(outlook.level()['orders'])} of the orders that came"
    )
    if not outlook.holds:
        return f"{said}; it does not hold, and nothing of it is shown"
    return f"{said}; of the latest, {percent(latest.covered)} of customers spent within their range"


def _fifths(axis: Axes, test: PastTest) -> None:
    places = range(1, len(test.backtest.quintiles) + 1)
    for name, colour, side in (("expected", EXPECTED, -1), ("came", CAME, 1)):
        heights = [getattr(group, name) for group in test.backtest.quintiles]
        axis.bar([place + side * BAR / 2 for place in places], heights, BAR, color=colour, label=name)
    axis.set_xticks(list(places))
    axis.set_ylabel("orders each")
    axis.set_title(f"{test.day}, {counted(test.backtest.customers, 'customer')}", loc="left", fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)


def _tenths(axis: Axes, tests: Sequence[PastTest], days: int) -> None:
    axis.plot([0, 1], [0, 1], color=EXPECTED, linewidth=1)
    for place, (test, mark) in enumerate(zip(tests, MARKS, strict=False)):
        groups: Sequence[Group] = test.backtest.tenths
        axis.plot(
            [group.expected for group in groups],
            [group.came for group in groups],
            color=LATEST if place == 0 else CAME,
            alpha=1 if place == 0 else 0.6,
            marker=mark,
            markersize=5,
            linewidth=0.8,
            label=test.day,
        )
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(PercentFormatter(1))
    axis.set_xlabel(f"likely to buy in the next {days} days, mean of a tenth of customers")
    axis.set_ylabel("share who bought")
    axis.set_title("on the line: as many bought as was said", loc="left", fontsize=9)
    axis.legend(frameon=False, loc="upper left", fontsize=8.5)
    axis.spines[["top", "right"]].set_visible(False)
