"""Canonical lines: money of the line, or of the order on its first line; what was refunded of it; the kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.reading.amounts import value_of
from training.reading.plan import Plan
from training.reading.typed import ROW

if TYPE_CHECKING:
    import ibis.expr.types as ir

MONEY = "decimal(38, 9)"


def with_money(table: ir.Table, plan: Plan) -> ir.Table:
    """Typed cells with their customer, step and `value` -> canonical lines."""
    import ibis

    one_line = ibis.literal("row ") + table[ROW].cast("string")
    table = table.mutate(own_invoice=ibis.coalesce(table.invoice, one_line))
    table = _of_order(table) if plan.money.per == "order" else _of_line(table)
    missing = table.step.isnull() & table.sign_of.isnull()
    table = table.mutate(step=missing.ifelse("unreadable", table.step))
    if plan.layout.deducted:
        table = _with_deductions(table, plan)
    table = table.mutate(given_back=_given_back(table, plan))
    return _canonical(table.mutate(refunded=_refunded(table, plan)), plan)


def _of_line(table: ir.Table) -> ir.Table:
    """Each line with its own money; `bears` says that it has some, `sign_of` its size, `part` that it is another's."""
    import ibis

    return table.mutate(
        bears=table.value.notnull(), amount=table.value, part=ibis.literal(False), sign_of=table.value
    )


def _of_order(table: ir.Table) -> ir.Table:
    """The order's money on the first of its lines that has money other than 0, else the first that has any."""
    import ibis

    counted = (table.step.isnull() & table.value.notnull()).ifelse(table.value, None)
    table = table.mutate(counted=counted)
    rank = ibis.cases(
        ((table.counted != 0).fill_null(False), table[ROW]), (table.counted.notnull(), table[ROW] + 10**15)
    )
    table = table.mutate(rank=rank)
    bears = (table.rank == table.rank.min().over(group_by=table.own_invoice)).fill_null(False)
    table = table.mutate(bears=bears)
    of_order = table.bears.ifelse(table.counted, None).max().over(group_by=table.own_invoice)
    return table.mutate(amount=table.bears.ifelse(table.value, _zero()), part=~table.bears, sign_of=of_order)


def _with_deductions(table: ir.Table, plan: Plan) -> ir.Table:
    """Money without what is off the whole order, which its first line in use bears."""
    off = value_of(table, plan, plan.layout.deducted[0]).abs().fill_null(_zero())
    of_order = table.step.isnull().ifelse(off, None).max().over(group_by=table.own_invoice)
    first = _first_in_use(table) & (table.sign_of > 0).fill_null(False)
    return table.mutate(amount=first.ifelse(table.amount - of_order.fill_null(_zero()), table.amount))


def _first_in_use(table: ir.Table) -> ir.BooleanValue:
    """Whether a line is the first of its order that counts."""
    first = table.step.isnull().ifelse(table[ROW], None).min().over(group_by=table.own_invoice)
    return (first == table[ROW]).fill_null(False)


def _given_back(table: ir.Table, plan: Plan) -> ir.DecimalValue:
    if not plan.layout.refunded:
        return _zero()
    return value_of(table, plan, plan.layout.refunded[0]).abs().fill_null(_zero())


def _refunded(table: ir.Table, plan: Plan) -> ir.DecimalValue:
    """What was given back of a line, or of an order on one of its lines; at most what it was worth."""
    import ibis

    if not plan.layout.refunded:
        return _zero()
    worth = ibis.greatest(table.amount.fill_null(_zero()), _zero())
    if plan.layout.refunded[0].per == "line":
        return ibis.least(table.given_back, worth)
    in_use = table.step.isnull()
    of_order = in_use.ifelse(table.given_back, None).max().over(group_by=table.own_invoice)
    if plan.money.per == "line":
        whole = in_use.ifelse(worth, None).sum().over(group_by=table.own_invoice)
        bears = _first_in_use(table)
    else:
        whole, bears = table.sign_of, table.bears & in_use
    least = ibis.least(of_order.fill_null(_zero()), whole.fill_null(_zero()))
    return bears.fill_null(False).ifelse(least, _zero())


def _canonical(table: ir.Table, plan: Plan) -> ir.Table:
    is_refund = (table.role == "refund").fill_null(False)
    others = [name for name in table.columns if name.startswith(("bad_", "other_", "keep_"))]
    return table.select(
        "customer_id",
        "invoice",
        "date",
        **_factors(table, plan),
        amount=is_refund.ifelse(-table.amount.abs(), table.amount).cast(MONEY),
        stock_code=table.stock_code,
        country=table.country,
        refunded=table.refunded.fill_null(_zero()).cast(MONEY),
        step=table.step,
        kind=_kind(table, is_refund),
        copies=table.copies.cast("int64"),
        row=table[ROW],
        date_text=table.date_text,
        **{name: table[name] for name in others},
    )


def _kind(table: ir.Table, is_refund: ir.BooleanValue) -> ir.StringValue:
    """What a line is, where its money does not say that."""
    import ibis

    return ibis.cases(
        (is_refund, "refund"),
        (table.part & (table.sign_of > 0), "part"),
        (table.part & (table.sign_of < 0), "refund"),
        (table.part, "worthless"),
        else_=ibis.null("string"),
    )


def _factors(table: ir.Table, plan: Plan) -> dict[str, ir.DecimalValue]:
    """Quantity and price, where the source has them; else 1 and null."""
    import ibis

    times = plan.money.times
    named = plan.factors or (dict(zip(("quantity", "price"), times, strict=True)) if len(times) == 2 else {})
    given = {role: table[f"n_{plan.numbers.index(name)}"] for role, name in named.items()}
    return {
        "quantity": given.get("quantity", ibis.literal(1)).cast("decimal(15, 3)"),
        "price": given.get("price", ibis.null()).cast("decimal(18, 6)"),
    }


def _zero() -> ir.DecimalValue:
    import ibis

    return ibis.literal(0).cast(MONEY)
