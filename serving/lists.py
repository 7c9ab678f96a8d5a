"""Questions to a snapshot about lists of customers: one filter for pages, lists, and files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from contract.lists.selections import Selection
from contract.names import FEATURES
from serving import queries
from serving.neighbours import neighbourhood
from serving.snapshot import Snapshot

PAGING_NAMES = ("page", "per_page")


def filters_of(
    pairs: Iterable[tuple[str, str]], others: Iterable[str] = PAGING_NAMES
) -> list[tuple[str, str]]:
    """The names and values of a query string that a list is asked with, without those of `others`."""
    return [(name, value) for name, value in pairs if name not in others]


def customers(snapshot: Snapshot, selection: Selection, page: int, per_page: int) -> dict[str, Any]:
    """A page of a list, how many it holds, and what they brought and are expected to bring."""
    shown = {column.name: column for column in selection.table.columns}
    columns = [shown[name] for name in selection.fields]
    return {
        "model_version": snapshot.version,
        "as_of": snapshot.as_of,
        "matches": len(selection),
        "money": selection.total("Monetary"),
        "share_of_money": selection.share_of_money,
        "expected_spend": selection.total("expected_spend"),
        "value_at_risk": selection.table.at_risk(selection.mask),
        "page": page,
        "per_page": per_page,
        "pages": -(-len(selection) // per_page),
        "columns": [
            {"name": column.name, "label": column.label, "unit": column.unit, "kind": column.kind}
            for column in columns
        ],
        "customers": selection.page(page, per_page),
        **({"without_kept": text} if (text := selection.table.without_kept) else {}),
    }


def customer(snapshot: Snapshot, typed: str) -> dict[str, Any] | None:
    """All that is known of one customer: also what would move them to another segment, and what they did before.

    None where there is no such customer.
    """
    index = queries.find(snapshot, typed)
    if index is None:
        return None
    table = snapshot.all_customers
    (row,) = table.rows(np.array([index]), [column.name for column in table.columns])
    return {
        "model_version": snapshot.version,
        "as_of": snapshot.as_of,
        **row,
        **_neighbours(snapshot, index),
        "months": None if snapshot.months is None else snapshot.months.of(index),
        "past": None if snapshot.past_segments is None else snapshot.past_segments.of(index, table.segments),
    }


def _neighbours(snapshot: Snapshot, index: int) -> dict[str, Any]:
    values = np.array([_number(snapshot.customers[name][index]) for name in FEATURES])
    if (
        snapshot.distances is None
        or not np.isfinite(values).all()
        or len(snapshot.all_customers.segments) < 2
    ):
        return {"nearest": None, "moves": []}
    return neighbourhood(snapshot.distances, values, dict(snapshot.all_customers.segments))


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
