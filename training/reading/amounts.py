"""The money of each line: its own, or the order's once; and questions about columns that may be either."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING

from training.errors import InputError
from training.reading import money
from training.reading.facts import Facts
from training.reading.folding import fold
from training.reading.header_words import ORDER_OR_LINE
from training.reading.kept import one_row
from training.reading.layout import Money
from training.reading.plan import Plan, says_total
from training.reading.request import Request
from training.reading.typed import DECIMAL, ROW

if TYPE_CHECKING:
    import ibis.expr.types as ir


def value_of(table: ir.Table, plan: Plan, way: Money) -> ir.DecimalValue:
    """Money by one way, null where nothing is written or a cell cannot be read."""
    import ibis

    at = {name: number for number, name in enumerate(plan.numbers)}
    zero = ibis.literal(0).cast(DECIMAL)
    if way.times:
        factors = [table[f"n_{at[name]}"] for name in way.times]
        value = factors[0].cast("decimal(19, 6)")
        for factor in factors[1:]:
            value = value * factor.cast("decimal(18, 6)")
        if len(factors) == 1:
            value = factors[0]
        named: Sequence[str] = way.times
    else:
        parts = [table[f"n_{at[name]}"] for name in way.plus]
        value = reduce(operator.add, (part.fill_null(zero) for part in parts))
        value = reduce(operator.or_, (part.notnull() for part in parts)).ifelse(value, None)
        named = way.plus
    for name in way.minus:
        value = value - table[f"n_{at[name]}"].fill_null(zero).abs()
    bad = reduce(operator.or_, (table[f"bad_{at[name]}"] for name in (*named, *way.minus)))
    return bad.ifelse(None, value).cast("decimal(38, 9)")


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
    used = table.filter(table.step.isnull() & table.invoice.notnull() & table.value.notnull())
    orders = used.group_by("invoice").aggregate(
        lines=used.count(),
        least=used.value.min(),
        most=used.value.max(),
        customers=used.customer_id.nunique(),
    )
    several = orders.filter(orders.lines > 1)
    found = one_row(
        several.aggregate(
            orders=several.count(),
            same=(several.least == several.most).sum(),
            different=several.most.nunique(),
        )
    )
    if not found["orders"]:
        return facts
    total = says_total(name) or any(
        word in fold(name) for word in ("total", "gesamt", "summe", "suma", "итог")
    )
    constant = found["same"] == found["orders"]
    values = one_row(used.aggregate(n=used.value.nunique()))["n"]
    options = f"--column amount={name} if it is the line's, --column total={name} if it is the order's"
    if constant and values > 1 and total and table.get_backend().name == "duckdb":
        order = replace(plan.layout, money=(replace(way, per="order"),))
        return replace(facts, plan=replace(plan, layout=order)).noted(
            f"{name} has one value on all lines of each order, so it is the order's, and counts once (--column "
            f"amount={name} takes it for the line's)"
        )
    explicit = fold(name) not in ORDER_OR_LINE
    if constant or (explicit and total):
        why = (
            "has one value on all lines of each order that has several"
            if constant
            else "says that it is the order's total, but differs between lines of one order"
        )
        raise InputError(
            f"{name} {why}: it may be the line's money or the order's. Expected one that name and numbers agree on. "
            f"Say {options}."
        )
    return facts


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
    plan = facts.plan
    quantity, price = plan.money.times
    at = {name: number for number, name in enumerate(plan.numbers)}
    others = [
        name
        for name in table.columns
        if name.startswith("other_") and _is_money_name(name.removeprefix("other_"))
    ]
    for other in others[:3]:
        total = money.number(table[other], DECIMAL, facts.decimal)
        lines = table.mutate(
            total=total, p=table[f"n_{at[price]}"], qp=table[f"n_{at[quantity]}"] * table[f"n_{at[price]}"]
        ).filter(table.step.isnull())
        orders = lines.group_by("invoice").aggregate(
            total=lines.total.max(), least=lines.total.min(), p=lines.p.sum(), qp=lines.qp.sum()
        )
        by_line = one_row(
            lines.aggregate(
                price=((lines.total == lines.p) & (lines.p != lines.qp)).sum(),
                both=(lines.total == lines.qp).sum(),
                differ=(lines.p != lines.qp).sum(),
            )
        )
        by_order = one_row(
            orders.aggregate(
                price=((orders.total == orders.p) & (orders.p != orders.qp)).sum(),
                differ=(orders.p != orders.qp).sum(),
            )
        )
        if any(found["differ"] and 2 * found["price"] > found["differ"] for found in (by_line, by_order)):
            return True
    return False


def _is_money_name(name: str) -> bool:
    from training.reading.header_words import names

    return any(fold(name) in group for role in ("amount", "total") for group in names(role))


def with_money(table: ir.Table, plan: Plan) -> ir.Table:
    """Canonical lines: money of the line, or of the order on its first line; what was refunded of it; the kind."""
    import ibis

    layout, way = plan.layout, plan.money
    zero = ibis.literal(0).cast("decimal(38, 9)")
    if layout.refunded:
        table = table.mutate(given_back=value_of(table, plan, layout.refunded[0]).abs().fill_null(zero))
    else:
        table = table.mutate(given_back=zero)
    table = table.mutate(
        own_invoice=ibis.coalesce(table.invoice, ibis.literal("row ") + table[ROW].cast("string"))
    )
    usable = table.step.isnull()
    if way.per == "order":
        table = table.mutate(counted=(usable & table.value.notnull()).ifelse(table.value, None))
        # The first of its lines that has money other than 0, else the first that has any.
        rank = ibis.cases(
            ((table.counted != 0).fill_null(False), table[ROW]),
            (table.counted.notnull(), table[ROW] + 10**15),
        )
        table = table.mutate(rank=rank)
        table = table.mutate(best=table.rank.min().over(group_by=table.own_invoice))
        bears = (table.rank == table.best).fill_null(False)
        table = table.mutate(
            bears=bears, of_order=bears.ifelse(table.counted, None).max().over(group_by=table.own_invoice)
        )
        amount = table.bears.ifelse(table.value, zero)
        missing = table.of_order.isnull()
        part = ~table.bears
        sign = table.of_order
    else:
        table = table.mutate(bears=table.value.notnull())
        amount, missing, part, sign = table.value, table.value.isnull(), ibis.literal(False), table.value
    table = table.mutate(
        amount=amount.cast("decimal(38, 9)"),
        step=(table.step.isnull() & missing).ifelse("unreadable", table.step),
        part=part,
        sign_of=sign,
    )
    per = layout.refunded[0].per if layout.refunded else "line"
    refunded = table.given_back
    if per == "order":
        in_use = table.step.isnull()
        gives = in_use.ifelse(table.given_back, None).max().over(group_by=table.own_invoice)
        table = table.mutate(back_of_order=gives)
        in_use = table.step.isnull()
        if way.per == "line":
            whole = (
                (in_use & (table.amount > 0))
                .ifelse(table.amount, None)
                .sum()
                .over(group_by=table.own_invoice)
            )
            first = in_use.ifelse(table[ROW], None).min().over(group_by=table.own_invoice) == table[ROW]
        else:
            whole, first = table.of_order, table.bears
        refunded = (
            (first & in_use)
            .fill_null(False)
            .ifelse(ibis.least(table.back_of_order.fill_null(zero), whole.fill_null(zero)), zero)
        )
    else:
        refunded = (
            ibis.least(table.given_back, ibis.greatest(table.amount.fill_null(zero), zero))
            if layout.refunded
            else zero
        )
    role = table.role
    refund = (role == "refund").fill_null(False)
    kind = ibis.cases(
        (refund, "refund"),
        (table.part & (table.sign_of > 0), "part"),
        (table.part & (table.sign_of < 0), "refund"),
        (table.part, "worthless"),
        else_=ibis.null("string"),
    )
    at = {name: number for number, name in enumerate(plan.numbers)}
    named = plan.factors or (
        dict(zip(("quantity", "price"), way.times, strict=True)) if len(way.times) == 2 else {}
    )
    quantity, price = (
        table[f"n_{at[named[role]]}"] if role in named else None for role in ("quantity", "price")
    )
    factors = {
        "quantity": (ibis.literal(1) if quantity is None else quantity).cast("decimal(15, 3)"),
        "price": (ibis.null() if price is None else price).cast("decimal(18, 6)"),
    }
    others = [name for name in table.columns if name.startswith(("other_", "keep_"))]
    bads = [name for name in table.columns if name.startswith("bad_")]
    return table.select(
        "customer_id",
        "invoice",
        "date",
        **factors,
        amount=refund.ifelse(-table.amount.abs(), table.amount).cast("decimal(38, 9)"),
        stock_code=table.stock_code,
        country=table.country,
        refunded=refunded.fill_null(zero).cast("decimal(38, 9)"),
        step=table.step,
        kind=kind,
        copies=table.copies.cast("int64"),
        row=table[ROW],
        date_text=table.date_text,
        **{name: table[name] for name in (*bads, *others)},
    )
