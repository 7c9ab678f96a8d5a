"""What groups of customers were expected to bring at the cut-offs, and brought: the range of a group's total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.value.interval import HIGH, LEAST_MONEY, LOW
from training.value.scoring import Floats
from training.value.window import Since

LEAST_CUSTOMERS = 20  # of a group at a cut-off, from which its total counts
SIMILAR_GROUPS = 20  # that the range of a group is learnt from
LEAST_GROUPS = 10  # fewer say nothing of one in ten
ALL = -1  # the segment of all customers together
ANY = ""  # the state of a whole segment
ACTIVE = "active"
LEFT_OFF = ("due", "late")  # whose customers were active once


class Total(NamedTuple):
    """A group's total in the days ahead, in money, and the range that four in five such groups were in."""

    expected: float
    low: float | None
    high: float | None


def group_totals(
    segment: NDArray[np.int64], state: NDArray[np.object_], answer: Mapping[str, Floats], came: Since
) -> pd.DataFrame:
    """(n,) segments and states at a cut-off, what was expected there and what came, to one row per group.

    The groups are all customers (segment ALL), each segment (state ANY), and each segment and state.
    Columns: segment, state, customers, expected_orders, expected_spend, spend. Segments below 0 are in the first only.
    """
    table = pd.DataFrame(
        {
            "segment": segment,
            "state": state,
            "customers": 1,
            "expected_orders": answer["expected_orders"],
            "expected_spend": answer["expected_spend"],
            "spend": came.spend,
        }
    )
    known = table[table.segment >= 0]
    groups = (table.assign(segment=ALL, state=ANY), known.assign(state=ANY), known)
    return pd.concat(groups).groupby(["segment", "state"], as_index=False).sum()


@dataclass(frozen=True)
class GroupsBefore:
    """The groups of all cut-offs, one row each, with the columns of `group_totals` and cut_off."""

    table: pd.DataFrame

    @classmethod
    def of(cls, days: Sequence[str], totals: Sequence[pd.DataFrame]) -> GroupsBefore:
        """The tables of the cut-offs of these days; groups of too few customers are left out."""
        if not totals:
            return cls(pd.DataFrame())
        table = pd.concat(
            [own.assign(cut_off=day) for day, own in zip(days, totals, strict=True)], ignore_index=True
        )
        return cls(table[table.customers >= LEAST_CUSTOMERS].reset_index(drop=True))

    def total(self, orders: float, spend: float) -> Total:
        """A group of which so many orders and so much spend are expected, to the same with its range.

        The range is that of the actual to the expected totals of the groups before of which about as many orders
        were expected: the fewer orders, the more chance does to a total. It always holds the expectation itself.
        """
        if len(self.table) < LEAST_GROUPS:
            return Total(spend, None, None)
        before = self.table
        away = np.abs(np.log1p(before.expected_orders.to_numpy()) - np.log1p(orders))
        similar = before.iloc[np.argsort(away, kind="stable")[:SIMILAR_GROUPS]]
        ratio = similar.spend / np.maximum(similar.expected_spend, LEAST_MONEY)
        low, high = np.quantile(ratio, (LOW, HIGH))
        return Total(spend, min(float(low), 1.0) * spend, max(float(high), 1.0) * spend)

    def spend_when_active(self, segment: int) -> float | None:
        """What a customer of this segment who was active brought in the days ahead, money: the mean of the cut-offs."""
        if self.table.empty:
            return None
        active = self.table[(self.table.segment == segment) & (self.table.state == ACTIVE)]
        return None if active.empty else float((active.spend / active.customers).mean())

    def as_json(self) -> list[dict[str, Any]]:
        """One record a cut-off and group."""
        return self.table.to_dict("records")
