"""What each customer did before: orders and money by month, and segments on earlier days, held compactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contract.names import STATES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MONTHS_A_YEAR = 12
NOBODY = -1  # the segment of who was no customer on a day


@dataclass(frozen=True, eq=False)
class Months:
    """Orders and money by month of n customers.

    starts: (n + 1,) where each customer's rows begin; month: since year 0; orders, money: of that month.
    """

    starts: np.ndarray
    month: np.ndarray
    orders: np.ndarray
    money: np.ndarray

    def of(self, index: int) -> list[dict[str, Any]]:
        """One record per month with an order or a return, earliest first."""
        own = slice(self.starts[index], self.starts[index + 1])
        rows = zip(self.month[own].tolist(), self.orders[own].tolist(), self.money[own].tolist(), strict=True)
        return [
            {
                "month": f"{month // MONTHS_A_YEAR:04}-{month % MONTHS_A_YEAR + 1:02}",
                "orders": orders,
                "money": money,
            }
            for month, orders, money in rows
        ]


@dataclass(frozen=True, eq=False)
class PastSegments:
    """Segment and place in STATES of n customers on earlier days, by the day; -1 where there is none."""

    segment: Mapping[str, np.ndarray]
    state: Mapping[str, np.ndarray]

    def of(self, index: int, names: Mapping[int, str]) -> list[dict[str, Any]]:
        """One record per day on which this was a customer, earliest first."""
        return [
            {
                "as_of": day,
                "segment": int(segment[index]),
                "name": names[int(segment[index])],
                "state": STATES[self.state[day][index]],
            }
            for day, segment in sorted(self.segment.items())
            if segment[index] != NOBODY
        ]


def read_months(path: Path, rows: Mapping[str, int]) -> Months:
    """The file of months that a training left; `rows` is the index of each customer."""
    import pyarrow.compute as pc
    from pyarrow import parquet

    table = parquet.read_table(path, read_dictionary=["customer_id"])
    index = _indices(table["customer_id"], rows)
    order = np.flatnonzero(index >= 0)
    order = order[np.argsort(index[order], kind="stable")]
    year, month = (part(table["month"]).to_numpy() for part in (pc.year, pc.month))
    counts = np.bincount(index[order], minlength=len(rows))
    return Months(
        np.concatenate([[0], np.cumsum(counts)]),
        (MONTHS_A_YEAR * year + month - 1).astype(np.int32)[order],
        table["orders"].to_numpy()[order],
        table["money"].to_numpy()[order],
    )


def past_segments(table: pd.DataFrame, rows: Mapping[str, int]) -> PastSegments:
    """The table of earlier days that a training left; `rows` is the index of each customer."""
    index = np.array([rows[customer] for customer in table.customer_id])
    days = [name.removesuffix(" segment") for name in table if name.endswith(" segment")]

    def placed(values: np.ndarray) -> np.ndarray:
        column = np.full(len(rows), NOBODY, dtype=np.int8)
        column[index] = values
        return column

    segment = {day: placed(table[f"{day} segment"].fillna(NOBODY).to_numpy(np.int8)) for day in days}
    places = {state: place for place, state in enumerate(STATES)}
    state = {
        day: placed(table[f"{day} state"].astype(object).map(places).fillna(NOBODY).to_numpy(np.int8))
        for day in days
    }
    return PastSegments(segment, state)


def _indices(customers: pa.ChunkedArray, rows: Mapping[str, int]) -> np.ndarray:
    """The index of each row's customer, -1 for who is none; ids are looked up once each."""
    parts = []
    for chunk in customers.chunks:
        places = np.array(
            [rows.get(customer, -1) for customer in chunk.dictionary.to_pylist()], dtype=np.int64
        )
        parts.append(places[chunk.indices.to_numpy()])
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
