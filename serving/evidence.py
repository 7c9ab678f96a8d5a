"""What such customers did next, in the words of the page: segment by state, and how far the segments told it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from contract.names import STATES
from contract.words import ALTERNATIVES, amount, counted, day, number, percent
from serving import queries
from serving.snapshot import Snapshot

CERTAIN_FROM_ERRORS = 2.0  # standard errors from which a difference is said to be one


def after(evidence: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the page shows of a group's evidence: share who bought again, money for each buyer, and the statistics."""
    if evidence is None:
        return None
    return {
        "days": evidence["days"],
        "bought_again": evidence["bought_again"],
        "mean_spend": evidence["mean_spend"],
        "spend_of_buyers": _spend_of_buyers(evidence),
        "statistics": _statistics(evidence),
    }


def of_segments(snapshot: Snapshot) -> dict[int, dict[str, Any] | None]:
    """`after` of each segment, by its number."""
    groups = (snapshot.evidence or {}).get("segments", {})
    return {int(number): after(evidence) for number, evidence in groups.items()}


def grid(snapshot: Snapshot) -> dict[str, Any] | None:
    """Segment by state for the page, most valuable segment first; None of a version that does not know states."""
    if queries.no_states(snapshot):
        return None
    answer = queries.states(snapshot)
    cells = [cell | {"after": after(cell["evidence"])} for cell in answer["cells"]]
    rows = [
        {"segment": segment, "cells": list(own)}
        for segment, own in groupby(cells, key=lambda cell: cell["segment"])
    ]
    return answer | {
        "rows": rows,
        "totals": [_total(cells, state) for state in STATES],
        "first": _first(cells),
        "when": _dates(answer["cut_offs"]),
    }


def foretold(snapshot: Snapshot) -> str | None:
    """How much of later spend the segments told, beside plain RFM, in plain words; None where it is not known."""
    if snapshot.forward is None:
        return None
    told, ahead, top = (snapshot.forward[name] for name in ("eta_squared", "ahead", "top_share"))
    dates = [row["cut_off"] for row in snapshot.forward["by_cut_off"]]
    beside = "; ".join(
        f"{words} told {percent(told[f'{name}_log'])}, {_compared(**ahead[name])}"
        for name, words in ALTERNATIVES.items()
        if name in ahead
    )
    return (
        f"Held against the past: from what was known {_dates(dates)}, the segments told "
        f"{percent(told['segments_log'])} of the differences in what customers spent in the "
        f"{snapshot.forward['days']} days after. {beside[:1].upper()}{beside[1:]}. The most valuable segment brought "
        f"{percent(top['segments'])} of that spend."
    )


def _first(cells: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The list to begin with: who is late in the most valuable segment that has such customers."""
    return next((cell for cell in cells if cell["state"] == "late" and cell["customers"]), None)


def _total(cells: Sequence[Mapping[str, Any]], state: str) -> dict[str, Any]:
    own = [cell for cell in cells if cell["state"] == state]
    return {
        "state": state,
        "customers": sum(cell["customers"] for cell in own),
        "revenue": sum(cell["revenue"] for cell in own),
    }


def _statistics(evidence: Mapping[str, Any]) -> str:
    times = counted(evidence["cut_offs"], "earlier date")
    share, share_error = percent(evidence["bought_again"]), number(100 * evidence["bought_again_se"])
    return (
        f"At {times} there were {number(round(evidence['customers']))} such customers on average. {share} of them "
        f"(standard error {share_error} percentage points) bought again within {evidence['days']} days. They spent "
        f"{amount(evidence['mean_spend'])} per customer (standard error {amount(evidence['mean_spend_se'])}), those "
        f"who bought nothing included: {amount(_spend_of_buyers(evidence))} for each who bought, "
        f"{amount(evidence['total_spend'])} in all."
    )


def _spend_of_buyers(evidence: Mapping[str, Any]) -> float:
    return evidence["mean_spend"] / evidence["bought_again"] if evidence["bought_again"] else 0.0


def _dates(cut_offs: Sequence[str]) -> str:
    """When: cut-offs come latest first."""
    if not cut_offs:
        return ""
    if len(cut_offs) == 1:
        return f"on {day(cut_offs[0])}"
    return f"at {len(cut_offs)} dates from {day(cut_offs[-1])} to {day(cut_offs[0])}"


def _compared(difference: float, standard_error: float) -> str:
    if abs(difference) <= CERTAIN_FROM_ERRORS * standard_error:
        return "which cannot be told apart from that"
    return "which is less" if difference > 0 else "which is more"
