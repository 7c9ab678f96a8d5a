"""Canonical lines: money of the line, or of the order on its first line; what was refunded of it; the kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.reading.amounts import value_of
from training.reading.kept import forget, kept_with
from training.reading.plan import Plan
from training.reading.typed import ROW

if TYPE_CHECKING:
    import ibis.expr.types as ir

MONEY = "decimal(38, 9)"


@dataclass(frozen=True)
class Worth:
    """What a line is worth, as expressions: `bears` says that it has money, `sign_of` the sign of it, `part` that it is
    another line's."""

    bears: ir.BooleanValue
    amount: ir.DecimalValue
    part: ir.BooleanValue
    sign_of: ir.DecimalValue


def with_money(table: ir.Table, plan: Plan) -> ir.Table:
    """Typed cells, kept, with their customer, step and `value` -> canonical lines, kept.

    No window function may stand in another one, so that what one gives is kept before the next one needs it.
    """
    steps = [table]
    if plan.money.per == "order":
        steps.append(kept_with(table, {"bears": _bears(table)}))
        if plan.layout.deducted or plan.layout.refunded:
            steps.append(kept_with(steps[-1], {"sign_of": _worth(steps[-1], plan).sign_of}))
    if plan.layout.deducted and plan.layout.refunded:
        worth = _worth(steps[-1], plan)
        steps.append(kept_with(steps[-1], {"deducted": _deducted(steps[-1], worth, plan)}))
    lines = _canonical(steps[-1], plan)
    forget(*steps[1:])
    return lines


def _order(table: ir.Table) -> ir.StringValue:
    """The order of a line; a line without one is its own."""
    import ibis

    return ibis.coalesce(table.invoice, ibis.literal("row ") + table[ROW].cast("string"))


def _bears(table: ir.Table) -> ir.BooleanValue:
    """Whether a line is the first of its order that has money other than 0, else the first that has any."""
    import ibis

    amount = _counted(table)
    rank = ibis.cases(((amount != 0).fill_null(False), table[ROW]), (amount.notnull(), table[ROW] + 10**15))
    return (rank == rank.min().over(group_by=_order(table))).fill_null(False)


def _counted(table: ir.Table) -> ir.DecimalValue:
    return (table.step.isnull() & table.value.notnull()).ifelse(table.value, None)


def _worth(table: ir.Table, plan: Plan) -> Worth:
    """Each line with its own money, or the order's on the line that `bears` it."""
    import ibis

    if plan.money.per == "line":
        return Worth(table.value.notnull(), table.value, ibis.literal(False), table.value)
    of_order = (
        table.sign_of
        if "sign_of" in table.columns
        else table.bears.ifelse(_counted(table), None).max().over(group_by=_order(table))
    )
    return Worth(table.bears, table.bears.ifelse(table.value, _zero()), ~table.bears, of_order)


def _deducted(table: ir.Table, worth: Worth, plan: Plan) -> ir.DecimalValue:
    """Money without what is off the whole order, which its first line in use bears."""
    if not plan.layout.deducted:
        return worth.amount
    if "deducted" in table.columns:
        return table.deducted
    off = value_of(table, plan, plan.layout.deducted[0]).abs().fill_null(_zero())
    of_order = _in_use(table, worth).ifelse(off, None).max().over(group_by=_order(table))
    first = _first_in_use(table, worth) & (worth.sign_of > 0).fill_null(False)
    return first.ifelse(worth.amount - of_order.fill_null(_zero()), worth.amount)


def _step(table: ir.Table, worth: Worth) -> ir.StringValue:
    return (table.step.isnull() & worth.sign_of.isnull()).ifelse("unreadable", table.step)


def _in_use(table: ir.Table, worth: Worth) -> ir.BooleanValue:
    return table.step.isnull() & worth.sign_of.notnull()


def _first_in_use(table: ir.Table, worth: Worth) -> ir.BooleanValue:
    """Whether a line is the first of its order that counts."""
    first = _in_use(table, worth).ifelse(table[ROW], None).min().over(group_by=_order(table))
    return (first == table[ROW]).fill_null(False)


def _refunded(table: ir.Table, worth: Worth, amount: ir.DecimalValue, plan: Plan) -> ir.DecimalValue:
    """What was given back of a line, or of an order on one of its lines; at most what it was worth."""
    import ibis

    if not plan.layout.refunded:
        return _zero()
    given_back = value_of(table, plan, plan.layout.refunded[0]).abs().fill_null(_zero())
    most = ibis.greatest(amount.fill_null(_zero()), _zero())
    if plan.layout.refunded[0].per == "line":
        return ibis.least(given_back, most)
    in_use = _in_use(table, worth)
    order = _order(table)
    of_order = in_use.ifelse(given_back, None).max().over(group_by=order)
    if plan.money.per == "line":
        whole = in_use.ifelse(most, None).sum().over(group_by=order)
        bears = _first_in_use(table, worth)
    else:
        whole, bears = worth.sign_of, table.bears & in_use
    least = ibis.least(of_order.fill_null(_zero()), whole.fill_null(_zero()))
    return bears.fill_null(False).ifelse(least, _zero())


ALSO = ("customer_id", "invoice", "date", "stock_code", "country", "copies", ROW, "date_text")


def _canonical(table: ir.Table, plan: Plan) -> ir.Table:
    worth = _worth(table, plan)
    amount = _deducted(table, worth, plan)
    is_refund = (table.role == "refund").fill_null(False)
    columns = {
        **_factors(table, plan),
        "amount": is_refund.ifelse(-amount.abs(), amount).cast(MONEY),
        "refunded": _refunded(table, worth, amount, plan).fill_null(_zero()).cast(MONEY),
        "step": _step(table, worth),
        "kind": _kind(worth, is_refund),
    }
    useful = (*ALSO, *columns)
    without = [
        name
        for name in table.columns
        if name not in useful and not name.startswith(("bad_", "other_", "keep_"))
    ]
    return kept_with(table, columns, without)


def _kind(worth: Worth, is_refund: ir.BooleanValue) -> ir.StringValue:
    """What a line is, where its money does not say that."""
    import ibis

    return ibis.cases(
        (is_refund, "refund"),
        (worth.part & (worth.sign_of > 0), "part"),
        (worth.part & (worth.sign_of < 0), "refund"),
        (worth.part, "worthless"),
        else_=ibis.null("string"),
    )


def _factors(table: ir.Table, plan: Plan) -> dict[str, ir.DecimalValue]:
    """Quantity and price, where the source has them; else 1 and null."""
    import ibis

    times = plan.money.times
    named = plan.factors or (dict(zip(("quantity", "price"), times, strict=True)) if len(times) == 2 else {})
    given = {role: table[f"n_{plan.numbers.index(name)}"] for role, name in named.items()}
    return {
        "quantity": given.get("quantity", ibis.literal(1)).try_cast("decimal(15, 3)"),
        "price": given.get("price", ibis.null()).try_cast("decimal(18, 6)"),
    }


def _zero() -> ir.DecimalValue:
    import ibis

    return ibis.literal(0).cast(MONEY)
