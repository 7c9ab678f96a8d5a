"""What lines say that stand below the sample: a column may turn out to be a status."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from training.reading.kept import rows_of
from training.reading.plan import Plan
from training.reading.request import Request
from training.reading.sample import FEW_VALUES, Rows, ask_if_status, may_be_status

if TYPE_CHECKING:
    import ibis.expr.types as ir


def check_later_status(tables: Sequence[ir.Table], sample: Rows, plan: Plan, request: Request) -> None:
    """Raise InputError for a column of `tables` that is a status, as only its values below the sample tell.

    Only columns that may be one are looked at, and none where more values than a status has turn up.
    """
    names = may_be_status(sample, plan, request)
    if not names:
        return
    parts = [_different(part, name) for part in tables for name in names]
    values: dict[str, set[str]] = defaultdict(set)
    for row in rows_of(reduce(lambda above, below: above.union(below), parts)):
        values[row["name"]].add(row["value"].strip())
    for name, different in values.items():
        if len(different) <= FEW_VALUES:
            ask_if_status(name, different - {""})


def _different(table: ir.Table, name: str) -> ir.Table:
    """The different values of a column, one more than a status has at most."""
    import ibis

    values = table.select(name=ibis.literal(name), value=table[name].cast("string"))
    return values.filter(values.value.notnull()).distinct().limit(2 * FEW_VALUES)
