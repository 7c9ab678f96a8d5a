"""Questions about a column of money that may be either: the order's or the line's, of one piece or of all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from training.errors import InputError
from training.reading import money
from training.reading.facts import Facts
from training.reading.folding import fold
from training.reading.header_words import ORDER_OR_LINE
from training.reading.kept import one_row
from training.reading.plan import other_money, says_total
from training.reading.request import Request
from training.reading.typed import DECIMAL

if TYPE_CHECKING:
    import ibis.expr.types as ir

SAY_TOTAL = ("total", "gesamt", "summe", "suma", "итог")


def order_or_line(table: ir.Table, facts: Facts, request: Request) -> Facts:
    """Whether a money column holds the order's total or the line's, as name and numbers say it. Raises InputError."""
    plan = facts.plan
    way = plan.money
    if plan.layout.name or not plan.layout.order:
        return facts
    if way.times:
        return _unit_or_line(table, facts, request)
    name = way.plus[0]
    if {"amount", "total"} & request.columns.keys() or (
        fold(name) not in ORDER_OR_LINE and not says_total(name)
    ):
        return facts
    found = _orders_of_several_lines(table)
    if not found["orders"]:
        return facts
    total = says_total(name) or any(word in fold(name) for word in SAY_TOTAL)
    constant = found["same"] == found["orders"]
    if constant and found["values"] > 1 and total and table.get_backend().name == "duckdb":
        order = replace(plan.layout, money=(replace(way, per="order"),))
        return replace(facts, plan=replace(plan, layout=order)).noted(
            f"{name} has one value on all lines of each order, so it is the order's, and counts once (--column "
            f"amount={name} takes it for the line's)"
        )
    if constant or (total and fold(name) not in ORDER_OR_LINE):
        raise _order_or_line_question(name, constant)
    return facts


def _orders_of_several_lines(table: ir.Table) -> dict[str, int]:
    """How many orders have several lines, how many of these one value on all, and 1 value or more (2)."""
    used = table.filter(table.step.isnull() & table.invoice.notnull() & table.value.notnull())
    orders = used.group_by("invoice").aggregate(
        lines=used.count(), least=used.value.min(), most=used.value.max()
    )
    several = orders.lines > 1
    found = one_row(
        orders.aggregate(
            orders=several.sum(),
            same=(several & (orders.least == orders.most)).sum(),
            least=orders.least.min(),
            most=orders.most.max(),
        )
    )
    return found | {"values": 1 + (found["least"] != found["most"])}


def _order_or_line_question(name: str, constant: bool) -> InputError:
    why = (
        "has one value on all lines of each order that has several"
        if constant
        else "says that it is the order's total, but differs between lines of one order"
    )
    return InputError(
        f"{name} {why}: it may be the line's money or the order's. Expected one that name and numbers agree on. "
        f"Say --column amount={name} if it is the line's, --column total={name} if it is the order's."
    )


def _unit_or_line(table: ir.Table, facts: Facts, request: Request) -> Facts:
    """Ask where a unit price is really a line's total: quantity times it disagrees with what else is known."""
    plan = facts.plan
    if {"price", "amount"} & request.columns.keys():
        return facts
    quantity, price = plan.money.times
    at = {name: number for number, name in enumerate(plan.numbers)}
    n_quantity, n_price = table[f"n_{at[quantity]}"], table[f"n_{at[price]}"]
    used = table.filter(table.step.isnull() & (n_quantity > 0) & (n_price > 0))
    question = InputError(
        f"{price} looks like the money of the whole line and not of one piece: it grows with {quantity}. Expected the "
        f"price of one. Say --column price={price} if it is for one piece, or --column amount={price} if for the line."
    )
    if _grows_with_quantity(used, f"n_{at[quantity]}", f"n_{at[price]}") or _is_in_totals(table, facts):
        raise question
    return facts


def _grows_with_quantity(used: ir.Table, quantity: str, price: str) -> bool:
    """Whether of articles sold in several quantities the price grows with the quantity, more often than it is one."""
    used = used.filter(used.stock_code.notnull())
    each = used.mutate(unit=used[price].cast("float64") / used[quantity].cast("float64"))
    articles = each.group_by("stock_code").aggregate(
        quantities=each[quantity].nunique(), prices=each[price].nunique(), units=each.unit.round(2).nunique()
    )
    several = articles.filter(articles.quantities > 1)
    found = one_row(
        several.aggregate(
            all=several.count(),
            line=((several.units == 1) & (several.prices > 1)).sum(),
            unit=(several.prices == 1).sum(),
        )
    )
    return found["line"] > 0 and found["line"] > 2 * found["unit"] and 2 * found["line"] >= found["all"]


def _is_in_totals(table: ir.Table, facts: Facts) -> bool:
    """Whether another column of numbers is the sum of the prices of each order, and not of quantity times price."""
    quantity, price = (f"n_{facts.plan.numbers.index(name)}" for name in facts.plan.money.times)
    return any(
        _holds_prices(
            table.mutate(
                total=money.number(table[other], DECIMAL, facts.decimal),
                p=table[price],
                qp=table[quantity] * table[price],
            ).filter(table.step.isnull())
        )
        for other in other_money(table.columns)
    )


def _holds_prices(lines: ir.Table) -> bool:
    """Whether `total` is mostly the price `p`, or the sum of an order's prices, where that is not the product `qp`."""
    by_line = lines.aggregate(
        price=((lines.total == lines.p) & (lines.p != lines.qp)).sum(), differ=(lines.p != lines.qp).sum()
    )
    orders = lines.group_by("invoice").aggregate(total=lines.total.max(), p=lines.p.sum(), qp=lines.qp.sum())
    by_order = orders.aggregate(
        price=((orders.total == orders.p) & (orders.p != orders.qp)).sum(),
        differ=(orders.p != orders.qp).sum(),
    )
    return any(
        found["differ"] and 2 * found["price"] > found["differ"]
        for found in map(one_row, (by_line, by_order))
    )
