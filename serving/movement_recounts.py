"""Who moved between two dates, counted anew where a customer was taken out of the tables since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from contract.names import MOST_GONE_LISTED
from contract.words import counted, verb

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]


def recounted_movement(
    movement: Record | None, customers: pd.DataFrame, moves: pd.DataFrame | None
) -> Record | None:
    """What a training says of movement, with the numbers of its tables: the same object where nobody was taken out.

    None where it cannot be counted anew, because the training left no table of moves. Its sentences count customers
    and money, so they give way to one that says so.
    """
    if movement is None or not _lost_customers(movement, len(customers)):
        return movement
    if moves is None:
        return None
    present = _present(customers, moves)
    cells = [new for cell in movement["moves"] if (new := _cell(cell, movement, present))]
    lost = _total(movement["moves"]) - _total(cells)
    sentence = (
        f"{counted(lost, 'customer')} {verb(lost, 'was', 'were')} taken out after the training "
        "(`segments forget`). The numbers are without them, and what the training said in sentences is left out."
    )
    return {**movement, "moves": cells, "sentences": [sentence]}


def _lost_customers(movement: Record, customers: int) -> bool:
    """Whether the moves count anybody who is in no table and no list any more."""
    moves, best = movement["moves"], movement["best"]
    gone = _total([move for move in moves if move["to_segment"] is None])
    left = _total([move for move in moves if move["from_segment"] == best and move["to_segment"] != best])
    listed = movement.get("gone")
    return (
        _total(moves) - gone > customers
        or left > len(movement["fallen"])
        or (listed is not None and min(gone, MOST_GONE_LISTED) > len(listed))
    )


def _total(moves: list[Record]) -> int:
    return sum(int(move["customers"]) for move in moves)


def _present(customers: pd.DataFrame, moves: pd.DataFrame) -> dict[tuple[int | None, int], tuple[int, float]]:
    """(from, to) -> customers and what they have spent, of those who are customers at the later date."""
    both = customers[["customer_id", "segment", "Monetary"]].merge(moves, on="customer_id", how="left")
    groups = both.groupby(["from_segment", "segment"], dropna=False)["Monetary"].agg(["size", "sum"])
    return {
        (None if np.isnan(start) else int(start), int(end)): (int(size), float(money))
        for (start, end), size, money in groups.itertuples()
    }


def _cell(
    cell: Record, movement: Record, present: Mapping[tuple[int | None, int], tuple[int, float]]
) -> Record | None:
    """A move with the numbers of the tables; None where nobody is left who took it."""
    start, end = cell["from_segment"], cell["to_segment"]
    rows = _listed(cell, movement)
    if end is None:
        number, after = cell["customers"] if rows is None else len(rows), 0.0
    else:
        number, after = present.get((start, end), (0, 0.0))
    if number == cell["customers"]:
        return cell
    before = cell["Monetary_before"] if start is None else None
    if rows is not None:
        before = float(sum(row["Monetary_before"] for row in rows))
    new = {**cell, "customers": number, "Monetary_before": before, "Monetary_after": after}
    return new if number else None


def _listed(cell: Record, movement: Record) -> list[Record] | None:
    """The records of those who took a move, where the training listed all of them."""
    start, end = cell["from_segment"], cell["to_segment"]
    if start == movement["best"] != end:
        return [row for row in movement["fallen"] if row["to_segment"] == end]
    gone = [move for move in movement["moves"] if move["to_segment"] is None]
    if end is None and "gone" in movement and _total(gone) <= MOST_GONE_LISTED:
        return [row for row in movement["gone"] if row["from_segment"] == start]
    return None
