"""A forecast of a day that has passed, beside what came after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.value.plain import QUINTILES, plain_ways, quantile_group
from training.value.scoring import Floats
from training.value.window import Since

TENTHS = 10
OURS = "forecast"


class Rank(NamedTuple):
    """Spearman's rank correlation of one way's scores with the spend, and with the orders, that came."""

    spend: float
    orders: float


@dataclass(frozen=True)
class Group:
    """Customers of about equal expectation: per customer, what was expected, what came, and its standard error."""

    customers: int
    expected: float
    came: float
    error: float


@dataclass(frozen=True)
class Backtest:
    """One cut-off.

    ranks: one entry a way, `forecast` first. The four totals are of all customers, orders and money. quintiles: by
    expected orders, lowest first, orders a customer. tenths: by likely_to_buy, lowest first, the mean probability
    and the share who bought. covered: the share of customers whose spend was in the range; above: over its high end.
    """

    customers: int
    ranks: Mapping[str, Rank]
    expected_orders: float
    orders: float
    expected_spend: float
    spend: float
    quintiles: tuple[Group, ...]
    tenths: tuple[Group, ...]
    covered: float
    above: float

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {**asdict(self), "ranks": {name: rank._asdict() for name, rank in self.ranks.items()}}


def backtest(
    values: Floats,
    answer: Mapping[str, Floats],
    came: Since,
    recent: Since,
    segment: NDArray[Any] | None = None,
) -> Backtest:
    """(n, 5) features at a cut-off and the answer of a forecast fitted there, beside what came in its horizon.

    `recent` is what the n customers did in as many days before the cut-off, `segment` (n,) their segments there.
    """
    scores = {
        OURS: (answer["expected_spend"], answer["expected_orders"]),
        **plain_ways(values, recent, segment),
    }
    inside = (came.spend >= answer["spend_low"]) & (came.spend <= answer["spend_high"])
    return Backtest(
        customers=len(values),
        ranks={
            name: Rank(spearman(a, came.spend), spearman(b, came.orders)) for name, (a, b) in scores.items()
        },
        expected_orders=float(answer["expected_orders"].sum()),
        orders=float(came.orders.sum()),
        expected_spend=float(answer["expected_spend"].sum()),
        spend=float(came.spend.sum()),
        quintiles=groups(answer["expected_orders"], came.orders, QUINTILES),
        tenths=groups(answer["likely_to_buy"], np.sign(came.orders), TENTHS),
        covered=float(inside.mean()),
        above=float((came.spend > answer["spend_high"]).mean()),
    )


def spearman(scores: Floats, came: Floats) -> float:
    """Spearman's rank correlation of (n,) and (n,), equal values sharing their mean rank; 0 where one never varies.

    Source: Spearman (1904), "The proof and measurement of association between two things".
    """
    one, two = (ranks - ranks.mean() for ranks in (rankdata(scores), rankdata(came)))
    spread = float(np.sqrt((one @ one) * (two @ two)))
    return float(one @ two) / spread if spread > 0 else 0.0


def groups(expected: Floats, came: Floats, number: int) -> tuple[Group, ...]:
    """(n,) expected and (n,) actual to at most `number` groups by expectation; equal expectations share a group."""
    group = quantile_group(expected, number)
    return tuple(_group(expected[group == one], came[group == one]) for one in np.unique(group))


def _group(expected: Floats, came: Floats) -> Group:
    """The error is that of the mean: what chance alone does to it."""
    error = float(came.std() / np.sqrt(len(came)))
    return Group(len(came), float(expected.mean()), float(came.mean()), error)
