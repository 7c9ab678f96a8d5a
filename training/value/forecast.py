"""What each customer of a shop will bring in the next days: everything fitted, in about 50 numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from training.shop import MIN_CUSTOMERS
from training.value.gamma_gamma import GammaGamma, fit_gamma_gamma
from training.value.interval import Range, fit_range
from training.value.mbg_nbd import fit_mbg_nbd
from training.value.regression import Regression, at_level, fit_regression
from training.value.scoring import (
    Floats,
    Histories,
    MbgNbd,
    Scorer,
    expected_orders,
    histories,
    likely_to_buy,
)
from training.value.simulation import draw_orders, draw_spend

MIN_BUYERS = 20  # in the days since: about three for each column of the regressions
HISTORY_IN_HORIZONS = 2  # that the oldest customer must reach back
SIMULATED_ROWS = 20_000
SEED = 0
NO_RANGE = Range((0.0,), (0.0,), (0.0,))


@dataclass(frozen=True)
class Forecast:
    """The numbers of one shop; alpha is in days, money in the shop's currency.

    Without `regression` the shop's past was too short, or too empty, to learn the order of customers and the range
    from; `reason` says so. Then MBG/NBD alone answers, the range is a simulation of it, and nothing is tested.
    """

    horizon_days: int
    mbg_nbd: MbgNbd
    gamma_gamma: GammaGamma
    regression: Regression | None
    range: Range
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The numbers that `scoring.Scorer` wants, as plain lists, floats and None: JSON without loss."""
        return {
            "horizon_days": self.horizon_days,
            "mbg_nbd": self.mbg_nbd._asdict(),
            "shrinkage": self.gamma_gamma.shrinkage,
            "typical_order": self.gamma_gamma.typical_order,
            "regression": asdict(self.regression) if self.regression else None,
            "range": list(map(list, self.range)),
        }

    @cached_property
    def scorer(self) -> Scorer:
        """The formula with these numbers."""
        return Scorer(self.as_dict())

    def score(self, values: Floats) -> dict[str, Floats]:
        """(n, 5) features to expected_orders, expected_spend, spend_low, spend_high, likely_to_buy, (n,) each."""
        return self.scorer.score(values)


def fit_forecast(
    features_now: Floats,
    features_then: Floats | None = None,
    orders_since: Floats | None = None,
    spend_since: Floats | None = None,
    horizon_days: int = 90,
) -> Forecast:
    """(n, 5) features now, (m, 5) of `horizon_days` before, and what those m did since, to the shop's forecast.

    The columns are Recency, Frequency, Monetary, AverageOrderValue and Tenure; orders_since (m,) are numbers of
    orders, spend_since (m,) money. `why_untested` says when they are not used. Equal input gives equal numbers.
    Raises ValueError when a value is not finite, is no customer's, or the arrays do not belong together.
    """
    if horizon_days < 1:
        raise ValueError(f"horizon_days is {horizon_days}. Expected at least 1 day: give a later end.")
    now = checked(features_now, "features_now")
    reason = why_untested(now, features_then, orders_since, horizon_days)
    mbg_nbd, gamma_gamma = fit_mbg_nbd(_histories(now)), _gamma_gamma(now)
    if reason or features_then is None or orders_since is None or spend_since is None:
        simulated = _range_simulated(now, mbg_nbd, gamma_gamma, horizon_days)
        return Forecast(horizon_days, mbg_nbd, gamma_gamma, None, simulated, reason)
    then = checked(features_then, "features_then")
    orders, spend = _since(then, orders_since, "orders_since"), _since(then, spend_since, "spend_since")
    learnt = fit_regression(then, orders)
    seen = _range_seen(then, spend, learnt, mbg_nbd, horizon_days)
    level = at_level(learnt, now, *_level(mbg_nbd, now, horizon_days))
    return Forecast(horizon_days, mbg_nbd, gamma_gamma, level, seen)


def why_untested(now: Floats, then: Floats | None, orders_since: Floats | None, horizon_days: int) -> str:
    """Why nothing can be learnt from the days since; empty when it can."""
    reach, wanted = int(now[:, 4].max()), HISTORY_IN_HORIZONS * horizon_days
    if reach < wanted:
        return (
            f"The first order is {reach} days old. Expected at least {wanted}: {horizon_days} days to learn from, "
            f"and {horizon_days} before them."
        )
    if then is None or orders_since is None:
        return (
            "Nothing was given of the days before. Expected the features of then, and orders and spend since."
        )
    if len(then) < MIN_CUSTOMERS:
        return (
            f"There were {len(then)} customers {horizon_days} days before. Expected at least {MIN_CUSTOMERS}."
        )
    buyers = int((np.asarray(orders_since) > 0).sum())
    if buyers < MIN_BUYERS:
        return (
            f"{buyers} of {len(then):,} customers bought in the last {horizon_days} days. "
            f"Expected at least {MIN_BUYERS}."
        )
    return ""


def checked(values: Floats, name: str) -> Floats:
    """(n, 5) features as float64. Raises ValueError that names the argument when they cannot be customers'."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 5 or not len(table):
        raise ValueError(
            f"{name} has the shape {table.shape}. Expected (n, 5), n at least 1: give the five features."
        )
    recency, frequency, _, _, tenure = table.T
    rules = {
        "finite numbers of at least 0": ((table >= 0) & (table < np.inf)).all(axis=1),
        "a Frequency of at least 1": frequency >= 1,
        "a Recency of at most Tenure": recency <= tenure,
    }
    for expected, kept in rules.items():
        if not kept.all():
            row = int(np.flatnonzero(~kept)[0])
            raise ValueError(
                f"{name}, row {row}: {table[row].tolist()}. Expected {expected}. Correct or drop it."
            )
    return table


def _since(then: Floats, values: Floats, name: str) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (len(then),) or not ((column >= 0) & (column < np.inf)).all():
        raise ValueError(
            f"{name} has the shape {column.shape}. Expected ({len(then)},), finite numbers of at least 0: "
            "one for each row of features_then."
        )
    return column


def _histories(values: Floats) -> Histories:
    return histories(values[:, 0], values[:, 1], values[:, 4])


def _gamma_gamma(values: Floats) -> GammaGamma:
    paid = values[values[:, 3] > 0]
    if not len(paid):
        raise ValueError(
            f"No customer of {len(values)} has paid anything. Expected an AverageOrderValue above 0. Check the prices."
        )
    return fit_gamma_gamma(paid[:, 1], paid[:, 3])


def _level(mbg_nbd: MbgNbd, values: Floats, horizon_days: int) -> tuple[float, float]:
    """The sum of all customers' expected orders, and the mean of their probabilities to buy, as MBG/NBD has them."""
    customers = _histories(values)
    orders = expected_orders(mbg_nbd, customers, horizon_days)
    return float(orders.sum()), float(likely_to_buy(mbg_nbd, customers, horizon_days).mean())


def _range_seen(then: Floats, spend: Floats, learnt: Regression, mbg_nbd: MbgNbd, horizon_days: int) -> Range:
    """The range by what the customers of then spent, beside what the regression, fitted to them, expects of them."""
    before = Forecast(horizon_days, mbg_nbd, _gamma_gamma(then), learnt, NO_RANGE)
    return fit_range(before.score(then)["expected_spend"], spend)


def _range_simulated(now: Floats, mbg_nbd: MbgNbd, gamma_gamma: GammaGamma, horizon_days: int) -> Range:
    """The range by draws from the models; few customers are drawn several times, of many a spread of them."""
    rng = np.random.default_rng(SEED)
    values = now[np.linspace(0, len(now) - 1, SIMULATED_ROWS).astype(np.intp)]
    orders = draw_orders(mbg_nbd, _histories(values), horizon_days, rng)
    spend = draw_spend(gamma_gamma, values[:, 1], values[:, 3], orders, rng)
    alone = Forecast(horizon_days, mbg_nbd, gamma_gamma, None, NO_RANGE)
    return fit_range(alone.score(values)["expected_spend"], spend)
