"""What is of an order holds for all its lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from training.reading.plan import Plan

if TYPE_CHECKING:
    import ibis.expr.types as ir


def blanks(table: ir.Table, plan: Plan) -> dict[str, ir.IntegerValue]:
    """How many lines of orders have no customer, date and so on, as sums."""
    return {f"blank_{name}": flag.sum() for name, flag in _blank(table, plan).items()}


def _blank(table: ir.Table, plan: Plan) -> dict[str, ir.BooleanValue]:
    layout = plan.layout
    if not layout.order:
        return {}
    names = [f"who_{at}" for at in range(len(layout.customer))]
    names += [f"status_{at}" for at in range(len(layout.status))]
    given = {"currency": layout.currency, "country": layout.country, "refund_who": layout.refund_customer}
    names += [name for name, columns in given.items() if columns]
    blank = {name: table[name].isnull() & table.invoice.notnull() for name in names if name in table.columns}
    return blank | {"date": table.date.isnull() & table.invoice.notnull() & table.date_text.isnull()}


def filled_by_order(table: ir.Table, plan: Plan, counts: Mapping[str, int]) -> dict[str, ir.Value]:
    """An order's customer, date, status and the like also on those of its lines whose cell is blank, if it has one.

    `counts` are the sums of `blanks`. What is not among the columns stays as it is in the table.
    """
    filled: dict[str, ir.Value] = {}
    if not plan.layout.order:
        return filled
    for name, blank in _blank(table, plan).items():
        if counts[f"blank_{name}"]:
            least, most = (
                each.over(group_by=table.invoice) for each in (table[name].min(), table[name].max())
            )
            filled[name] = (blank & (least == most)).ifelse(most, table[name])
    if "against" in table.columns:
        filled["against"] = _any_of_order(table, table.against)
    if "paid" in table.columns:
        filled["paid"] = _any_of_order(table, table.paid)
    if "has_line" in table.columns:
        filled["summary"] = ~table.has_line & _any_of_order(table, table.has_line)
    return filled


def _any_of_order(table: ir.Table, flag: ir.BooleanValue) -> ir.BooleanValue:
    over = flag.cast("int64").max().over(group_by=table.invoice) == 1
    return table.invoice.isnull().ifelse(flag, over)
