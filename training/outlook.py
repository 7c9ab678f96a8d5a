"""What the customers will bring in the days ahead: fitted, tested at each cut-off of the past, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from contract.names import FEATURES, FORECAST_DAYS, FORECAST_HOLDS, FORECAST_STATE
from training.report.forward import eta_squared
from training.report.past import MOST_CUT_OFFS, STEP, Past
from training.value.backtest import OURS, Backtest, backtest
from training.value.forecast import HISTORY_IN_HORIZONS, Forecast, fit_forecast
from training.value.groups import GroupsBefore, group_totals
from training.value.plain import quantile_group
from training.value.scoring import Floats
from training.value.verdict import Limits, Verdict, judge
from training.value.window import Since, between, lately

HORIZON_DAYS = 90


@dataclass(frozen=True)
class PastTest:
    """A forecast as it would have been made at `as_of`, beside what came.

    groups: as `group_totals` has them; tiers: eta squared of the log of spend between as many tiers of expected spend
    as there are segments, to stand beside that of the segments in the forward check.
    """

    as_of: datetime
    backtest: Backtest
    groups: pd.DataFrame
    tiers: float

    @property
    def day(self) -> str:
        return f"{self.as_of:%Y-%m-%d}"


@dataclass(frozen=True)
class Outlook:
    """The forecast of a shop, its tests, latest first, and whether it holds: if not, no figure of it may be shown."""

    horizon_days: int
    limits: Limits
    forecast: Forecast
    tests: Sequence[PastTest]
    verdict: Verdict
    sample_note: str

    @property
    def holds(self) -> bool:
        return self.verdict.holds

    @property
    def numbers(self) -> dict[str, Any] | None:
        """What the model is shipped with; None where the forecast does not hold."""
        return self.forecast.as_dict() if self.holds else None

    @property
    def state(self) -> str:
        """Holds, or why it does not, in a sentence or more."""
        return FORECAST_HOLDS if self.holds else " ".join(self.verdict.reasons)

    @property
    def record(self) -> dict[str, str]:
        """What model and version say of their forecast."""
        return {FORECAST_STATE: self.state, FORECAST_DAYS: str(self.horizon_days)}

    @property
    def groups_before(self) -> GroupsBefore:
        """The totals of groups at the cut-offs."""
        return GroupsBefore.of([test.day for test in self.tests], [test.groups for test in self.tests])

    def ranks(self) -> dict[str, tuple[float, float]]:
        """Each way's rank correlation with spend and with orders, the forecast's first: means over the cut-offs."""
        if not self.tests:
            return {}
        each = [test.backtest.ranks for test in self.tests]
        means = {way: np.mean([ranks[way] for ranks in each], axis=0) for way in each[0]}
        return {way: (float(spend), float(orders)) for way, (spend, orders) in means.items()}

    def level(self) -> dict[str, float]:
        """Expected to actual totals over all cut-offs: of orders and of spend; nan where nothing came."""
        tests = [test.backtest for test in self.tests]
        return {
            "orders": _ratio(sum(test.expected_orders for test in tests), sum(test.orders for test in tests)),
            "spend": _ratio(sum(test.expected_spend for test in tests), sum(test.spend for test in tests)),
        }

    def covered(self) -> float:
        """The share of customers whose spend was in the range: the mean over the cut-offs, nan without any."""
        return float(np.mean([test.backtest.covered for test in self.tests])) if self.tests else float("nan")

    def metrics(self) -> dict[str, float]:
        """forecast_* metrics of a run."""
        values = {"forecast_holds": float(self.holds), "forecast_cut_offs": float(len(self.tests))}
        for way, (spend, orders) in self.ranks().items():
            name = "" if way == OURS else f"_{way.replace(' ', '_').lower()}"
            values |= {f"forecast_rank_spend{name}": spend, f"forecast_rank_orders{name}": orders}
        if self.tests:
            level = {f"forecast_expected_to_actual_{name}": value for name, value in self.level().items()}
            tiers = float(np.mean([test.tiers for test in self.tests]))
            values |= {**level, "forecast_covered": self.covered(), "forecast_eta_squared_tiers_log": tiers}
        return {name: value for name, value in values.items() if np.isfinite(value)}

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values. `numbers` are those of the forecast, also where it does not hold."""
        return {
            "holds": self.holds,
            "reasons": list(self.verdict.reasons),
            "cautions": list(self.verdict.cautions),
            "horizon_days": self.horizon_days,
            "untested": self.forecast.reason,
            "limits": asdict(self.limits),
            "numbers": self.forecast.as_dict(),
            "ranks": [{"way": way, "spend": s, "orders": o} for way, (s, o) in self.ranks().items()],
            "quintiles": mean_groups([test.backtest.quintiles for test in self.tests]),
            "deciles": mean_groups([test.backtest.tenths for test in self.tests]),
            "coverage": [
                {"cut_off": test.day, "covered": test.backtest.covered, "above": test.backtest.above}
                for test in self.tests
            ],
            "backtests": [{"cut_off": test.day, **test.backtest.as_json()} for test in self.tests],
            "groups": self.groups_before.as_json(),
        }


def look_ahead(past: Past, horizon_days: int = HORIZON_DAYS, limits: Limits | None = None) -> Outlook:
    """The past of a shop to what its customers will bring in the next `horizon_days`.

    The forecast is fitted at today's date, and as it would have been at cut-offs `horizon_days` ago, STEP days before
    and so on: each wants two horizons before it, one to learn from and one before that. Of very many customers a
    uniform sample is `tested`.
    """
    limits, past = limits or Limits(), past.tested
    forecast, _ = _fitted(past, 0, horizon_days)
    tests: list[PastTest] = []
    why = ""
    for number in range(MOST_CUT_OFFS):
        test = _test(past, horizon_days + number * STEP, horizon_days)
        if isinstance(test, str):
            why = test
            break
        if (test[1].regression is None) == (forecast.regression is None):
            tests.append(test[0])
    verdict = _judged(tests, limits, why or forecast.reason)
    return Outlook(horizon_days, limits, forecast, tests, verdict, past.sample_note)


def mean_groups(groups: Sequence[Sequence[Any]]) -> list[dict[str, float]]:
    """The groups of each cut-off, lowest first, to one record a place: customers, expected and came, as means.

    Cut-offs at which equal expectations left fewer groups are passed over, unless all have fewer.
    """
    most = max(map(len, groups), default=0)
    whole = [own for own in groups if len(own) == most]
    return [
        {
            name: float(np.mean([getattr(group, name) for group in place]))
            for name in ("customers", "expected", "came")
        }
        for place in zip(*whole, strict=True)
    ]


def _judged(tests: Sequence[PastTest], limits: Limits, why: str) -> Verdict:
    """The verdict; without a test, `why` there is none is its reason."""
    if tests:
        return judge([test.backtest for test in tests], limits)
    return Verdict(False, (f"The forecast could not be tested on the past. {why}".strip(),), ())


def _test(past: Past, days: int, horizon_days: int) -> tuple[PastTest, Forecast] | str:
    """The test at the cut-off of so many days ago and the forecast there, or why there is none."""
    now = past.long_enough(days, HISTORY_IN_HORIZONS * horizon_days)
    if isinstance(now, str):
        return now
    forecast, recent = _fitted(past, days, horizon_days)
    values = _values(now.customers)
    answer, came = forecast.score(values), between(now.customers, past.earlier(days - horizon_days).customers)
    own = past.segmented(days)
    result = backtest(values, answer, came, recent, own.segmenter.labels_)
    totals = group_totals(own.same_as, own.state, answer, came)
    tiers = quantile_group(answer["expected_spend"], len(past.segments.names))
    return PastTest(now.as_of, result, totals, eta_squared(np.log1p(came.spend), tiers)), forecast


def _fitted(past: Past, days: int, horizon_days: int) -> tuple[Forecast, Since]:
    """The forecast made so many days ago, and what its customers did in the horizon before."""
    now = past.earlier(days).customers
    if past.shop.customers.Tenure.max() < days + HISTORY_IN_HORIZONS * horizon_days:
        nothing = np.zeros(len(now))
        return fit_forecast(_values(now), horizon_days=horizon_days), Since(nothing, nothing)
    then = past.earlier(days + horizon_days).customers
    since = between(then, now)
    return fit_forecast(_values(now), _values(then), *since, horizon_days=horizon_days), lately(then, now)


def _values(customers: pd.DataFrame) -> Floats:
    return customers[list(FEATURES)].to_numpy(dtype=np.float64)


def _ratio(one: float, other: float) -> float:
    return one / other if other else float("nan")
