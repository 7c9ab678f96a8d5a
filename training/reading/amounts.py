"""Money by one way of making it, as one expression."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING

from training.reading.layout import Money
from training.reading.plan import Plan
from training.reading.typed import DECIMAL

if TYPE_CHECKING:
    import ibis.expr.types as ir


def value_of(table: ir.Table, plan: Plan, way: Money) -> ir.DecimalValue:
    """Money by one way, null where nothing is written, or a cell cannot be read or is beyond all money."""
    import ibis

    at = {name: number for number, name in enumerate(plan.numbers)}
    zero = ibis.literal(0).cast(DECIMAL)
    if way.times:
        factors = [table[f"n_{at[name]}"] for name in way.times]
        value = factors[0].try_cast("decimal(19, 6)")
        for factor in factors[1:]:
            value = value * factor.try_cast("decimal(18, 6)")
        if len(factors) == 1:
            value = factors[0]
        named: Sequence[str] = way.times
    else:
        parts = [table[f"n_{at[name]}"] for name in way.plus]
        value = reduce(operator.add, (part.fill_null(zero) for part in parts))
        value = reduce(operator.or_, (part.notnull() for part in parts)).ifelse(value, None)
        named = way.plus
    value = _without_share(table, value, [(f"n_{at[name]}", 100) for name in way.percent])
    value = _without_share(table, value, [(f"n_{at[name]}", 1) for name in way.fraction])
    for name in way.minus:
        value = value - table[f"n_{at[name]}"].fill_null(zero).abs()
    deductions = (*way.minus, *way.percent, *way.fraction)
    bad = reduce(operator.or_, (table[f"bad_{at[name]}"] for name in (*named, *deductions)))
    return bad.ifelse(None, value).try_cast("decimal(38, 9)")


def _without_share(
    table: ir.Table, value: ir.DecimalValue, shares: Sequence[tuple[str, int]]
) -> ir.DecimalValue:
    """Money without shares of it: each a column, and how much of it is all."""
    import ibis

    one = ibis.literal(1).cast("decimal(12, 8)")
    for column, whole in shares:
        part = table[column].fill_null(ibis.literal(0).cast(DECIMAL)).abs().try_cast("decimal(9, 6)")
        share = part * ibis.literal(Decimal(1) / whole).cast(
            "decimal(3, 2)"
        )  # no division: it would be a float's
        value = value.try_cast("decimal(20, 6)") * (one - share).cast("decimal(18, 6)")
    return value
