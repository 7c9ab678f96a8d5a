"""Who moved from which segment to which, between the dates that the training compared or between any two versions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from serving import queries
from serving.archive import Training
from serving.moves import Moves, calendar_days
from serving.snapshot import Snapshot

FALLEN_SHOWN = 20


def since_the_training_looked(snapshot: Snapshot, order: Sequence[int]) -> dict[str, Any] | None:
    """The two dates that the training compared under its model; None where it could not."""
    if snapshot.movement is None:
        return None
    movement = queries.movement(snapshot, 1, FALLEN_SHOWN)
    names = {profile["segment"]: profile["name"] for profile in snapshot.profiles}
    return {
        "days": calendar_days(movement["from_as_of"], movement["to_as_of"]),
        "from_as_of": movement["from_as_of"],
        "to_as_of": movement["to_as_of"],
        "sentences": movement["sentences"],
        "same_model": True,
        "fallen": movement["customers"],
        "fallen_total": movement["total"],
        "best_name": movement["best_name"],
        "advice": movement["advice"],
        "gone": movement["gone"],
        "address": {},
        **matrix(movement["moves"], order, names, names),
    }


def between_versions(moves: Moves, order: Sequence[int], champion: int) -> dict[str, Any]:
    """Two versions of the registry; their lists are asked with `since` and `version`."""
    before, after = moves.before, moves.after
    known = [*order, *(number for number in before.names if number not in order)]
    version = {} if after.version == champion else {"version": after.version}
    return {
        "days": moves.days,
        "from_as_of": before.as_of,
        "to_as_of": after.as_of,
        "sentences": [],
        "same_model": False,
        "gone": moves.gone,
        "address": {"since": before.version, **version},
        **matrix(moves.cells, known, before.names, after.names),
    }


def matrix(
    moves: Sequence[Mapping[str, Any]],
    order: Sequence[int],
    names_before: Mapping[int, str],
    names_after: Mapping[int, str],
) -> dict[str, Any]:
    """The moves as a table: rows and columns in the `order` of segments, most valuable first; New and Gone last."""
    by_ends = {(move["from_segment"], move["to_segment"]): move for move in moves}
    starts = [start for start in (*order, None) if any(own == start for own, _ in by_ends)]
    ends = [end for end in (*order, None) if any(own == end for _, own in by_ends)]
    return {
        "gone_total": sum(move["customers"] for move in moves if move["to_segment"] is None),
        "ends": [{"segment": end, "name": None if end is None else names_after.get(end, "")} for end in ends],
        "rows": [
            _row(start, [by_ends.get((start, end)) for end in ends], order, names_before) for start in starts
        ],
    }


def _row(
    start: int | None,
    moves: Sequence[Mapping[str, Any] | None],
    order: Sequence[int],
    names: Mapping[int, str],
) -> dict[str, Any]:
    """A row of the matrix: the moves from one segment, None where nobody took one."""
    total = sum(move["customers"] for move in moves if move)
    return {
        "segment": start,
        "name": None if start is None else names.get(start, ""),
        "customers": total,
        "present": sum(move["customers"] for move in moves if move and move["to_segment"] is not None),
        "cells": [move and _cell(move, total, order) for move in moves],
    }


def _cell(move: Mapping[str, Any], total: int, order: Sequence[int]) -> dict[str, Any]:
    """A move as the matrix shows it; its colour, in percent, is the stronger, the more of the row took it."""
    start, end, share = move["from_segment"], move["to_segment"], move["customers"] / total
    return {
        "start": start,
        "end": end,
        "customers": move["customers"],
        "share": share,
        "money": money_of(move),
        "way": _way(start, end, order),
        "strength": round(25 + 75 * math.sqrt(share)),
    }


def money_of(move: Mapping[str, Any]) -> float:
    """What the customers of a move have spent: by the later date, and those who are gone by the earlier one."""
    return float(move["Monetary_before"] if move["to_segment"] is None else move["Monetary_after"])


def choices(trainings: Sequence[Training]) -> list[dict[str, Any]]:
    """The versions that can be compared, latest first."""
    return [{"version": own.version, "as_of": own.as_of} for own in trainings]


def _way(start: int | None, end: int | None, order: Sequence[int]) -> str:
    """From one segment to another, given their `order`, most valuable first."""
    if start is None:
        return "new"
    if start == end:
        return "stayed"
    return "rose" if end is not None and order.index(end) < order.index(start) else "fell"
