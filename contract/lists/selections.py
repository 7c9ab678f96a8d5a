"""A list as it was asked for: its filter, its order and its columns, and what it holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from contract.lists.customers import CustomerTable, Indices, Mask
from contract.lists.filters import Filter, Pairs, filter_of
from contract.lists.problems import ListError, shown

DEFAULT_SORT = "-Monetary"
VIEW_NAMES = ("sort", "fields")  # names that say how a list is shown, not who is in it


@dataclass(frozen=True, eq=False)
class Selection:
    """Some customers of a table, in an order, with some of its columns.

    filter: what was asked for; mask: (n,) who that is, None for all; indices: the same in the list's order."""

    table: CustomerTable
    filter: Filter
    mask: Mask | None
    indices: Indices
    fields: Sequence[str]

    def __len__(self) -> int:
        return len(self.indices)

    def total(self, name: str) -> float | None:
        """The sum of a column over the customers of the list; None of a column that the version does not have."""
        return self.table.total(name, self.mask)

    @property
    def share_of_money(self) -> float:
        """Their share of all money that was spent."""
        whole = self.table.total("Monetary", None)
        return (self.total("Monetary") or 0.0) / whole if whole else 0.0

    @property
    def ids(self) -> list[str]:
        """The customers' ids, in the list's order."""
        return [str(customer) for customer in self.table.texts["customer_id"].at(self.indices)]

    def page(self, page: int, per_page: int) -> list[dict[str, object]]:
        """One page of the list, as rows."""
        first = (page - 1) * per_page
        return self.table.rows(self.indices[first : first + per_page], self.fields)


def select(table: CustomerTable, pairs: Pairs, later: Collection[int] = ()) -> Selection:
    """The list that names and values ask for: a filter's, and `sort` and `fields`. Raises ListError.

    later: segments of a later version that may be asked for, too, see `filter_of`.
    """
    pairs = list(pairs)
    view = {name: _once(pairs, name) for name in VIEW_NAMES}
    wanted = filter_of([pair for pair in pairs if pair[0] not in VIEW_NAMES], table, later)
    name, falling = _sort(view["sort"] or DEFAULT_SORT, table)
    fields = _fields(view["fields"], table)
    mask = wanted.marks(table)
    return Selection(table, wanted, mask, table.sorted(mask, name, falling), fields)


def _once(pairs: Sequence[tuple[str, str]], name: str) -> str:
    values = [value for own, value in pairs if own == name]
    if len(values) > 1:
        raise ListError(f"{name} was given {len(values)} times. Expected it once.")
    return values[0] if values else ""


def _sort(text: str, table: CustomerTable) -> tuple[str, bool]:
    """The column to sort by, and whether it falls."""
    falling = text.startswith("-")
    return table.column(text.removeprefix("-"), "sort: column").name, falling


def _fields(text: str, table: CustomerTable) -> list[str]:
    """The columns of a comma-separated list; all where it is empty."""
    if not text:
        return [column.name for column in table.columns]
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ListError(f"fields {shown(text)} names no column. Expected names with commas between them.")
    return list(dict.fromkeys(table.column(name, "fields: column").name for name in names))
