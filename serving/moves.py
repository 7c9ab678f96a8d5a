"""Who moved between two versions of the registry: one row a customer, and the matrix of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from contract.lists.customers import NOBODY_BEFORE
from contract.lists.filters import ways
from contract.names import MOST_GONE_LISTED
from serving.archive import Training

if TYPE_CHECKING:
    import pandas as pd

GONE = "Gone"


@dataclass(frozen=True)
class Moves:
    """The customers of the version `after`, each with where they were in the version `before`.

    rows: customer_id and the columns of contract.lists.customers.MOVEMENT_COLUMNS, one row a customer of `after`;
    cells: customers and money for each two segments that customers moved between, None for New and Gone; gone: the
    customers of `before` that `after` does not have, biggest spenders first, at most MOST_GONE_LISTED.
    """

    before: Training
    after: Training
    rows: pd.DataFrame
    cells: list[dict[str, Any]]
    gone: list[dict[str, Any]]

    @property
    def days(self) -> int:
        """Calendar days from one as-of date to the other."""
        return calendar_days(self.before.as_of, self.after.as_of)

    def as_json(self) -> dict[str, Any]:
        """The matrix as the API gives it."""
        return {
            "from_version": self.before.version,
            "to_version": self.after.version,
            "from_as_of": self.before.as_of,
            "to_as_of": self.after.as_of,
            "days": self.days,
            "moves": self.cells,
            "gone": self.gone,
        }


def calendar_days(start: str, end: str) -> int:
    """Days of the calendar between two moments, whatever the time of day."""
    return (date.fromisoformat(end[:10]) - date.fromisoformat(start[:10])).days


def moves_between(
    before: Training, after: Training, customers_before: pd.DataFrame, customers_after: pd.DataFrame
) -> Moves:
    """Two versions with their tables of scored customers to who moved from which segment to which.

    Segments are the same where their numbers are: a retraining keeps the numbers of the segments that are. Rose and
    fell go by the median Monetary of the segments.
    """
    then = customers_before.set_index("customer_id")
    now = then.reindex(customers_after["customer_id"])
    was = now["segment"].to_numpy(dtype=np.float64)
    is_now = customers_after["segment"].to_numpy(dtype=np.float64)
    rows = customers_after[["customer_id"]].assign(
        from_segment=was,
        from_name=[
            before.names.get(int(number), "") if number == number else NOBODY_BEFORE for number in was
        ],
        from_state=now["state"].to_numpy() if "state" in now else None,
        moved=ways(_change(was, is_now, _worth(before) | _worth(after))),
    )
    gone = then[~then.index.isin(customers_after["customer_id"])]
    money = customers_after["Monetary"].to_numpy(dtype=np.float64)
    cells = _cells(before, after, was, is_now, now["Monetary"].to_numpy(), money, gone)
    return Moves(before, after, rows, cells, _listed(gone, before.names))


def _listed(gone: pd.DataFrame, names: Mapping[int, str]) -> list[dict[str, Any]]:
    first = gone.sort_values("Monetary", ascending=False, kind="stable").head(MOST_GONE_LISTED)
    return [
        {
            "customer_id": customer,
            "from_segment": int(segment),
            "from_name": names.get(int(segment), ""),
            "Monetary_before": float(money),
        }
        for customer, segment, money in zip(first.index, first["segment"], first["Monetary"], strict=True)
    ]


def _change(was: np.ndarray, is_now: np.ndarray, worth: Mapping[int, float]) -> np.ndarray:
    """By how much a customer's segment is worth more than before; nan for who was in none."""
    return np.where(np.isfinite(was), _valued(is_now, worth) - _valued(was, worth), np.nan)


def _valued(segments: np.ndarray, worth: Mapping[int, float]) -> np.ndarray:
    return np.array([worth.get(int(number), 0.0) if number == number else 0.0 for number in segments])


def _worth(training: Training) -> dict[int, float]:
    return {int(own["segment"]): float(own["median_Monetary"] or 0.0) for own in training.profiles}


def _cells(
    before: Training,
    after: Training,
    was: np.ndarray,
    is_now: np.ndarray,
    money_before: np.ndarray,
    money_after: np.ndarray,
    gone: pd.DataFrame,
) -> list[dict[str, Any]]:
    cells = []
    for start in (*before.names, None):
        own = np.isnan(was) if start is None else was == start
        for end in after.names:
            both = own & (is_now == end)
            if both.any():
                spent = float(np.nansum(money_before[both])), float(money_after[both].sum())
                cells.append(_cell(before, after, start, end, int(both.sum()), *spent))
        left = gone[gone["segment"] == start] if start is not None else gone[:0]
        if len(left):
            cells.append(_cell(before, after, start, None, len(left), float(left["Monetary"].sum()), 0.0))
    return cells


def _cell(
    before: Training, after: Training, start: int | None, end: int | None, customers: int, *money: float
) -> dict[str, Any]:
    return {
        "from_segment": start,
        "from_name": NOBODY_BEFORE if start is None else before.names[start],
        "to_segment": end,
        "to_name": GONE if end is None else after.names[end],
        "customers": customers,
        "Monetary_before": money[0],
        "Monetary_after": money[1],
    }
