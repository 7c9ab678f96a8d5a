"""Who came, rose, fell and became late since the date that the movement table compares with, and their money."""

from __future__ import annotations

from typing import Any

from contract.lists.filters import BECAME_LATE, CAME, FELL, ROSE
from contract.lists.problems import ListError
from contract.lists.selections import select
from serving.snapshot import Snapshot

TITLES = {  # of the ways that customers move
    CAME: "came",
    ROSE: "rose",
    FELL: "fell",
    BECAME_LATE: "became late",
}


def changes(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One record for each way that is known: customers and their money."""
    rows = []
    for way, title in TITLES.items():
        try:
            selection = select(snapshot.all_customers, [("moved", way)])
        except ListError:  # of a version that does not know who moved
            continue
        rows.append(
            {"moved": way, "title": title, "customers": len(selection), "money": selection.total("Monetary")}
        )
    return rows
