"""The list of customers as a page: what was asked for, what it holds, and the links that ask for another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from contract.lists.columns import FLAG, ID, KEPT, TEXT, Column
from contract.lists.customers import CustomerTable
from contract.lists.filters import BOUNDED
from contract.lists.selections import DEFAULT_SORT, Selection, select
from contract.names import FEATURES
from contract.words import NOTHING, WORDS, number, percent, whole
from serving.pages.changes import TITLES
from serving.snapshot import Snapshot

PER_PAGE = 25
SHOWN = (
    "customer_id",
    "segment_name",
    "state",
    "Monetary",
    "Frequency",
    "Recency",
    "expected_spend",
    "value_at_risk",
    "is_anomaly",
)
UNASKED = ("page", "sort", "fields", "since", "version")  # names of an address that are no filter
BOUNDS_SHOWN = (
    "monetary",
    "frequency",
    "recency",
)  # bounds that stand on the page; the others are one click away
MOST_VALUES = 40  # of a kept column that are offered to choose from

FORMS = {  # that a list can be downloaded in
    "plain": "spreadsheets",
    "mailchimp": "Mailchimp",
    "klaviyo": "Klaviyo",
    "google": "Google Customer Match",
    "meta": "Meta Custom Audiences",
}

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Asked:
    """An address's names and values, and the addresses that differ from it in one of them."""

    pairs: tuple[tuple[str, str], ...]

    @property
    def filters(self) -> list[tuple[str, str]]:
        """Those that say who is wanted; what was left empty asks nothing."""
        return [(name, value) for name, value in self.pairs if name not in UNASKED and value.strip()]

    def values(self, name: str) -> list[str]:
        return [value for own, value in self.pairs if own == name and value.strip()]

    def first(self, name: str, otherwise: str = "") -> str:
        return next(iter(self.values(name)), otherwise)

    def with_(self, **changed: str | int | None) -> str:
        """The query string with other values of some names, the first page of it where none is named."""
        names = {"page", *changed}
        kept = [(name, value) for name, value in self.pairs if name not in names and value.strip()]
        added = [(name, str(value)) for name, value in changed.items() if value not in (None, "")]
        return urlencode([*kept, *added])

    @property
    def audience(self) -> str:
        """The same list, order and columns as a query string for a download."""
        return urlencode([(name, value) for name, value in self.view if name not in ("since", "version")])

    @property
    def view(self) -> list[tuple[str, str]]:
        """What the list is asked with: filters, and the columns as one value."""
        fields = ",".join(self.values("fields"))
        sort = self.first("sort")
        return [
            *self.filters,
            *([("sort", sort)] if sort else []),
            *([("fields", fields)] if fields else []),
        ]


def listed(table: CustomerTable, asked: Asked) -> Selection:
    """The list that an address asks for, with the usual columns where it names none. Raises ListError."""
    pairs = asked.view
    if not asked.values("fields"):
        pairs = [*pairs, ("fields", ",".join(usual(table)))]
    return select(table, pairs)


def usual(table: CustomerTable) -> list[str]:
    """The columns that are shown where none is named: the first of SHOWN that there are, and those the shop kept."""
    names = [column.name for column in table.columns]
    return [name for name in SHOWN if name in names] + _kept_once(table)


def content(selection: Selection, asked: Asked, page: int) -> dict[str, Any]:
    """What the page is filled with."""
    table = selection.table
    pages = max(-(-len(selection) // PER_PAGE), 1)
    number = min(page, pages)
    chosen = [column for name in selection.fields for column in table.columns if column.name == name]
    return {
        "asked": asked,
        "rows": selection.page(number, PER_PAGE),
        "columns": chosen,
        "all_columns": table.columns,
        "heads": [head(column, asked) for column in chosen],
        "matches": len(selection),
        "customers": len(table),
        "money_spent": selection.total("Monetary"),
        "share_of_money": selection.share_of_money,
        "expected": selection.total("expected_spend"),
        "at_risk": table.at_risk(selection.mask),
        "page": number,
        "pages": pages,
        "bounds": _bounds(table, asked),
        "moved": TITLES if "moved" in table.texts else {},
        "kept": _kept(table),
        "without_kept": table.without_kept,
        "segments_of_list": table.segments,
        "sorts": _sorts(table),
        "forms": FORMS,
    }


def head(column: Column, asked: Asked) -> dict[str, Any]:
    """The head of a column: its label, whether the list is sorted by it, and the address that sorts by it."""
    sort = asked.first("sort", DEFAULT_SORT)
    now = sort.removeprefix("-") == column.name
    falling = sort.startswith("-")
    first_falls = column.kind not in (ID, TEXT, KEPT)
    falls_next = not falling if now else first_falls
    return {
        "name": column.name,
        "label": WORDS[column.name].column if column.name in FEATURES else column.label,
        "is_number": column.kind not in (ID, TEXT, KEPT, FLAG),
        "sorted": ("descending" if falling else "ascending") if now else None,
        "query": asked.with_(sort=f"{'-' if falls_next else ''}{column.name}"),
    }


def _bounds(table: CustomerTable, asked: Asked) -> list[dict[str, Any]]:
    """The numbers that a list can be bounded by, those that are seldom used last."""
    labels = {column.name: column.label for column in table.columns}
    rows = [
        {
            "name": name,
            "label": labels[column],
            "least": asked.first(f"min_{name}"),
            "most": asked.first(f"max_{name}"),
        }
        | {"first": name in BOUNDS_SHOWN}
        for name, column in BOUNDED.items()
        if column in labels
    ]
    return sorted(rows, key=lambda row: not row["first"])


def _kept(table: CustomerTable) -> dict[str, list[str]]:
    """The values of each column that the shop kept, where they are few enough to choose from."""
    return {
        name: table.texts[name].values.to_pylist()
        for name in _kept_once(table)
        if 0 < len(table.texts[name].values) <= MOST_VALUES
    }


def _kept_once(table: CustomerTable) -> list[str]:
    """The columns that the shop kept, one of each name: `--keep Country` keeps what stands in `country` as well."""
    small = [name.casefold() for name in table.kept]
    return [name for place, name in enumerate(table.kept) if small.index(small[place]) == place]


def _sorts(table: CustomerTable) -> list[tuple[str, str]]:
    """Orders that are asked for often: how to say them, and their value."""
    names = {column.name for column in table.columns}
    often = [
        ("most spent", "-Monetary"),
        ("most expected", "-expected_spend"),
        ("most at risk", "-value_at_risk"),
        ("longest away", "-Recency"),
        ("most unusual", "-anomaly_score"),
    ]
    return [(title, value) for title, value in often if value.removeprefix("-") in names]


def one(snapshot: Snapshot, customer: dict[str, Any], segments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A customer's page: the five numbers beside those of the segment and of the shop."""
    segment = next((own for own in segments if own["segment"] == customer["segment"]), None)
    return {
        "customer": customer,
        "segment": segment,
        "compared": {
            name: compared(customer[name], segment[f"median_{name}"] if segment else None)
            for name in FEATURES
        },
        "without_kept": snapshot.all_customers.without_kept,
        "kept_columns": {
            column.label: customer[column.name]
            for column in snapshot.all_customers.columns
            if column.kind == KEPT and customer.get(column.name)
        },
    }


def compared(value: float | None, typical: float | None) -> str:
    """How a customer's number stands to the typical one: "3.2 times as much", "12% less", "about the same"."""
    if value is None or typical is None:
        return NOTHING
    if value == typical:
        return "the same"
    if typical <= 0:
        return "above" if value > typical else "below"
    ratio = value / typical
    if 0.9 < ratio < 1.1:
        return "about the same"
    if ratio >= 1.95:
        return f"{whole(ratio) if ratio >= 10 else number(ratio)} times as much"
    if ratio < 0.01:
        return "far below"
    return f"{percent(ratio - 1)} more" if ratio > 1 else f"{percent(1 - ratio)} less"
