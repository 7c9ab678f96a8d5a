"""The first page: how many customers and how much money, what changed, and the three lists to act on today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving import evidence, queries
from serving.pages.changes import changes
from serving.snapshot import Snapshot

LISTS = 3
LEAST_CUSTOMERS = 5  # of a list, where there is one with so many


@dataclass(frozen=True)
class Aim:
    """What a list is for: the state of its customers, and what to do with them in a word."""

    state: str
    title: str


AIMS = (Aim("late", "Win back"), Aim("due", "Remind"), Aim("one-time", "Ask for a second order"))


def content(snapshot: Snapshot) -> dict[str, Any]:
    """What the page is filled with."""
    grid = snapshot.once(evidence.grid)
    return {
        "changes": snapshot.once(changes),
        "since": (snapshot.movement or {}).get("from_as_of"),
        "no_movement": queries.no_movement(snapshot),
        "lists": worth_acting_on(grid["cells"]) if grid else [],
        "no_states": queries.no_states(snapshot),
    }


def worth_acting_on(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lists to begin with, one for each aim: of the segments' cells in its state, the one with most at stake.

    At stake is the value at risk where it is known, else what the customers have spent. Where a state has nobody, the
    next cells of those who are late or due take the place.
    """
    taken: list[dict[str, Any]] = []
    for aim in AIMS:
        own = [cell for cell in cells if cell["state"] == aim.state and cell["customers"]]
        own = [cell for cell in own if cell["customers"] >= LEAST_CUSTOMERS] or own
        if own:
            taken.append({**sorted(own, key=_at_stake)[-1], "title": aim.title})
    others = [
        cell
        for cell in cells
        if cell["customers"] and not _among(cell, taken) and cell["state"] in _left_off()
    ]
    more = sorted(others, key=_at_stake, reverse=True)[: LISTS - len(taken)]
    return taken + [{**cell, "title": _title(cell["state"])} for cell in more]


def _at_stake(cell: Mapping[str, Any]) -> tuple[float, float]:
    return cell.get("value_at_risk") or 0.0, cell["revenue"]


def _among(cell: Mapping[str, Any], taken: Sequence[Mapping[str, Any]]) -> bool:
    return any(cell["segment"] == own["segment"] and cell["state"] == own["state"] for own in taken)


def _left_off() -> tuple[str, ...]:
    return tuple(aim.state for aim in AIMS[:2])


def _title(state: str) -> str:
    return next(aim.title for aim in AIMS if aim.state == state)
