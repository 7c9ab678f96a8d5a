"""What is of an order holds for all its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.reading.kept import one_row
from training.reading.plan import Plan

if TYPE_CHECKING:
    import ibis.expr.types as ir


def filled_by_order(table: ir.Table, plan: Plan) -> ir.Table:
    """An order's customer, date, status and the like also on those of its lines whose cell is blank, if it has one."""
    layout = plan.layout
    if not layout.order:
        return table
    names = [f"who_{at}" for at in range(len(layout.customer))]
    names += [f"status_{at}" for at in range(len(layout.status))]
    names += ["currency", "country", "refund_who", "date"]
    names = [name for name in names if name in table.columns]
    blank = {name: table[name].isnull() & table.invoice.notnull() for name in names}
    blank["date"] = blank["date"] & table.date_text.isnull()
    counts = one_row(table.aggregate(**{name: blank[name].sum() for name in names}))
    filled = {}
    for name in names:
        if counts[name]:
            least, most = (
                each.over(group_by=table.invoice) for each in (table[name].min(), table[name].max())
            )
            filled[name] = (blank[name] & (least == most)).ifelse(most, table[name])
    if "against" in table.columns:
        filled["against"] = _any_of_order(table, table.against)
    if "paid" in table.columns:
        filled["paid"] = _any_of_order(table, table.paid)
    if "has_line" in table.columns:
        filled["summary"] = ~table.has_line & _any_of_order(table, table.has_line)
    return table.mutate(**filled)


def _any_of_order(table: ir.Table, flag: ir.BooleanValue) -> ir.BooleanValue:
    over = flag.cast("int64").max().over(group_by=table.invoice) == 1
    return table.invoice.isnull().ifelse(flag, over)
