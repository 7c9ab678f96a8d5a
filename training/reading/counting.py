"""Which lines count: not those without a date that can be, and not those whose status or kind says no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contract.words import counted
from training.reading import dates, faraway, status
from training.reading.amounts import value_of
from training.reading.customers import descending
from training.reading.facts import Facts
from training.reading.folding import fold
from training.reading.kept import forget, kept, kept_with, rows_of
from training.reading.plan import Plan
from training.reading.request import Request

if TYPE_CHECKING:
    import ibis.expr.types as ir


def period(table: ir.Table) -> dict[str, ir.Value]:
    """The first and the last date, and the texts that say that there is none, as sums."""
    none = table.date_text.re_search(dates.NO_DAY_TEXT).fill_null(False) & table.date.isnull()
    return {"first": table.date.min(), "last": table.date.max(), "no_days": none.sum()}


def far_away(
    table: ir.Table, facts: Facts, request: Request, sums: Mapping[str, Any]
) -> tuple[ir.BooleanValue, Facts]:
    """Whether a line's date is none that a line can have; `sums` are those of `period`."""
    import ibis

    far = (
        table.date_text.re_search(dates.NO_DAY_TEXT).fill_null(False) & table.date.isnull()
        if sums["no_days"]
        else ibis.literal(False)
    )
    if request.far_dates == "keep" or not sums["first"] or faraway.is_one_period(sums["first"], sums["last"]):
        return far, facts
    days = {
        row["day"]: row["lines"]
        for row in rows_of(
            table.filter(table.date.notnull())
            .mutate(day=lambda t: t.date.date())
            .group_by("day")
            .aggregate(lines=lambda t: t.copies.sum())
        )
    }
    span = faraway.believed(days)
    day = table.date.date()
    far = far | day.isin(list(dates.NO_DAYS)).fill_null(False)
    if span.is_whole:
        return far, facts
    far = far | ((day < span.first) | (day > span.last)).fill_null(False)
    note = (
        f"{counted(span.outside, 'line')} years before {span.first} or after {span.last}: set aside "
        "(--far-dates keep uses them)"
    )
    return far, facts.noted(note)


def counting_lines(
    table: ir.Table, whose: Mapping[str, ir.Value], facts: Facts, request: Request
) -> tuple[ir.Table, Facts]:
    """Add customer_id and step, which `whose` gives; to step also unreadable dates, dates far away, and lines whose
    status does not count."""
    import ibis

    plan, layout = facts.plan, facts.plan.layout
    steps: list[tuple[ir.BooleanValue, str]] = [
        (whose["step"].notnull(), ""),
        (table.date.isnull() & ~table.far, "unreadable"),
        (table.far, "set_aside"),
    ]
    value = value_of(table, plan, plan.money)
    told: list[tuple[str, int, bool]] = []
    notes: list[str] = []
    open_lines = whose["step"].isnull() & table.date.notnull() & ~table.far
    sets: list[ir.BooleanValue] = []
    for at, name in enumerate(layout.status):
        column = table[f"status_{at}"]
        lines = {
            row["value"]: row["lines"]
            for row in rows_of(
                table.filter(open_lines & column.notnull())
                .group_by(value=column)
                .aggregate(lines=lambda t: t.copies.sum())
                .order_by(descending(ibis._.lines), "value")
                .limit(1_000)
            )
        }
        verdicts = status.judge(lines, layout, request.status_counts)
        unknown = {value: lines[value] for value in verdicts.unknown()}
        if (
            unknown
            and not layout.name
            and len(unknown) == len(lines)
            and fold(name) in ("state", "estado", "stato")
        ):
            notes.append(f"{name} is not taken for a status: none of its values is a known one")
            continue
        if unknown:
            raise status.ask(unknown, name)
        no_status = (value < 0).fill_null(False) & column.isin(verdicts.back()) if not layout.kinds else False
        sets.append(
            (column.isin(verdicts.against()) & ~no_status).fill_null(False)
            if verdicts.against()
            else ibis.literal(False)
        )
        told += [(value, lines[value], bool(counts)) for value, counts in verdicts.by_value.items()]
    if "against" in table.columns:
        sets.append(table.against.fill_null(False))
    if "paid" in table.columns:
        sets.append(~table.paid)
    row_role: ir.StringValue = ibis.null("string")
    customer = whose["customer_id"]
    if layout.kinds and "row_kind" in table.columns:
        row_role, kind_told = _roles_of_kinds(table, plan, value)
        told += kind_told
        sets.append((row_role == "other").fill_null(False))
        if "refund_who" in table.columns:  # a refund's customer is its own
            is_refund = (row_role == "refund").fill_null(False)
            customer = is_refund.ifelse(table.refund_who, customer)
    for flag in sets:
        steps.append((flag, "status"))
    step = ibis.cases(
        *((flag, whose["step"] if name == "" else name) for flag, name in steps), else_=ibis.null("string")
    )
    table = kept_with(table, {"customer_id": customer, "value": value, "step": step, "role": row_role})
    if "refund_of" in table.columns:
        dead = table.filter(table.step == "status").select(dead_invoice="invoice").distinct()
        dead = dead.filter(dead.dead_invoice.notnull())
        joined = table.left_join(dead, table.refund_of == dead.dead_invoice)
        without = joined.mutate(
            step=(joined.step.isnull() & joined.dead_invoice.notnull()).ifelse("status", joined.step)
        )
        before, table = table, kept(without)
        forget(before)
    return table, replace(facts.noted(*notes), status=tuple(told))


def _roles_of_kinds(
    table: ir.Table, plan: Plan, value: ir.DecimalValue
) -> tuple[ir.StringValue, list[tuple[str, int, bool]]]:
    """The role of a line by its kind (sale, refund or other), and the kinds with their lines and whether they count."""
    import ibis

    kinds = plan.layout.kinds
    assert kinds is not None
    values = {
        row["value"]: row["lines"]
        for row in rows_of(
            table.filter(table.row_kind.notnull() & table.date.notnull())
            .group_by(value="row_kind")
            .aggregate(lines=lambda t: t.copies.sum())
        )
    }
    roles = {
        word: role
        for role, words in (("sale", kinds.sales), ("refund", kinds.refunds), ("other", kinds.others))
        for word in map(fold, words)
    }
    by_value = {value: roles.get(fold(value)) for value in values}
    if unknown := {value: values[value] for value, role in by_value.items() if role is None}:
        raise status.ask(unknown, kinds.column)
    role = (
        ibis.cases(
            *((table.row_kind == value, name) for value, name in by_value.items() if name),
            else_=ibis.null("string"),
        )
        if by_value
        else ibis.null("string")
    )
    if kinds.sales_are_positive:
        role = ((value < 0).fill_null(False) & (role == "sale")).ifelse("other", role)
    return role, [(word, values[word], name != "other") for word, name in by_value.items()]
