"""What `cleaning.moments` makes of plain lines that DuckDB scans: the same without exact duplicates, by digests.

Exact duplicates stand in one moment of one order of one customer. There a list holds a digest of each line, and only
where one stands twice the lines are counted again: to group by every text takes more than all the rest. The lists
should fit into the memory; of lines that are many times as much, `cleaning.moments` finds the duplicates sooner.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import Parameter, Signature
from typing import TYPE_CHECKING

from training.cleaning import KINDS, MOMENT, plain_lines, taken_by, with_kinds
from training.reading.kept import forget, kept

if TYPE_CHECKING:
    import ibis.expr.types as ir

PURCHASE = KINDS.index("purchase")
# Columns, and the kind of lines whose money they sum.
SUMS = {"purchased": "purchase", "returned": "cancellation", "minus": "minus"}
LISTS = ("digest", "moneys")


def scanned_moments(lines: ir.Table) -> ir.Table:
    """Plain lines of a scan -> what `cleaning.moments` makes of them without their exact duplicates.

    Raises duckdb.Error where a line is not as plain as the first ones, or the lists do not fit into the memory.
    """
    every = with_kinds(plain_lines(lines, keep_duplicates=True))
    every = every.mutate(money=(every.kind == PURCHASE).ifelse(every.amount, taken_by(every)))
    sums = {"money": every.money.sum(), "number": every.count(), "country": every.country.max()}
    groups = every.group_by(*MOMENT, "kind").aggregate(**sums, **_lists(every))
    groups = kept(_with_lists_where_repeated(groups))
    try:
        return kept(_with_columns_of_kinds(_counted_once(groups)))
    finally:
        forget(groups)


def _lists(lines: ir.Table) -> dict[str, ir.ArrayValue]:
    """The LISTS of a group of lines, as aggregates: of each line that is used its digest and its money."""
    counted = lines.kind.notnull()
    digest = _digest(
        [lines[name] for name in lines.columns if name not in (*MOMENT, "kind", "copies", "money")]
    )
    return {
        "digest": digest.collect(where=counted, include_null=True),
        "moneys": lines.money.collect(where=counted, include_null=True),
    }


def _with_lists_where_repeated(groups: ir.Table) -> ir.Table:
    """Groups of lines, whose LISTS stay where some of their lines are equal, and are null elsewhere."""
    import ibis

    flagged = groups.mutate(is_repeated=_different(groups.digest) < groups.digest.length())
    lists = {name: ibis.ifelse(flagged.is_repeated, flagged[name], None) for name in LISTS}
    return flagged.mutate(**lists).drop("is_repeated")


def _counted_once(groups: ir.Table) -> ir.Table:
    """Kept groups with LISTS where lines are equal -> without lists, the `money` and number of `different` lines."""
    numbered = groups.mutate(row=groups.rowid())
    repeated = numbered.filter(numbered.digest.notnull())
    lines = repeated.select("row", **{name: repeated[name].unnest() for name in LISTS}).distinct()
    once = lines.group_by("row").aggregate(money_once=lines.moneys.sum(), number_once=lines.count())
    joined = numbered.drop(*LISTS).left_join(once, "row")
    return joined.mutate(
        money=joined.number_once.isnull().ifelse(joined.money, joined.money_once),
        different=joined.number_once.fill_null(joined.number),
    )


def _with_columns_of_kinds(groups: ir.Table) -> ir.Table:
    """A row for each moment and kind of line -> a row for each moment, with columns for the kinds."""
    of_kind = {kind: groups.kind == number for number, kind in enumerate(KINDS)}
    money = {name: groups.money.sum(where=of_kind[kind]).fill_null(0) for name, kind in SUMS.items()}
    numbers = {
        f"{kind}_lines": groups.different.sum(where=where).fill_null(0) for kind, where in of_kind.items()
    }
    return groups.group_by(*MOMENT).aggregate(
        country=groups.country.max(), **money, lines=groups.number.sum(), **numbers
    )


def _digest(columns: Sequence[ir.Value]) -> ir.IntegerValue:
    """DuckDB's digest of several columns, of 64 bits; that of Ibis takes one column, and gives text on the way."""
    import ibis

    def digest() -> int:
        raise NotImplementedError

    names = [f"column_{number}" for number, _ in enumerate(columns)]
    parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    vars(digest)["__signature__"] = Signature(parameters)
    kinds = tuple(column.type() for column in columns)
    return ibis.udf.scalar.builtin(digest, name="hash", signature=(kinds, "uint64"))(*columns)


def _different(digests: ir.ArrayValue) -> ir.IntegerValue:
    """The number of different values in a list, as DuckDB counts it: Ibis would first make a list of them."""
    import ibis

    def different(values: object) -> int:
        raise NotImplementedError

    signature = ((digests.type(),), "int64")
    return ibis.udf.scalar.builtin(different, name="list_unique", signature=signature)(digests)
