"""Which lines count: not those without a date that can be, and not those whose status or kind says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from contract.words import counted
from training.reading import dates, faraway, status
from training.reading.amounts import value_of
from training.reading.customers import descending
from training.reading.facts import Facts
from training.reading.folding import fold
from training.reading.kept import kept, rows_of
from training.reading.plan import Plan
from training.reading.request import Request

if TYPE_CHECKING:
    import ibis.expr.types as ir


def believable(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """Add `far`: the date is none that a line can have."""
    days = {
        row["day"]: row["lines"]
        for row in rows_of(
            table.filter(table.date.notnull())
            .mutate(day=lambda t: t.date.date())
            .group_by("day")
            .aggregate(lines=lambda t: t.copies.sum())
        )
    }
    span = faraway.believed(days, request.far_dates == "keep")
    far = table.date_text.re_search(dates.NO_DAY_TEXT).fill_null(False) & table.date.isnull()
    if request.far_dates != "keep":
        day = table.date.date()
        far = far | day.isin(list(dates.NO_DAYS)).fill_null(False)
        if not span.is_whole:
            far = far | ((day < span.first) | (day > span.last)).fill_null(False)
    note = (
        [f"{counted(span.outside, 'line')} years before {span.first} or after {span.last}: set aside "
         "(--far-dates keep uses them)"]
        if span.outside
        else []
    )  # fmt: skip
    return table.mutate(far=far), facts.noted(*note)


def counting_lines(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """Add to `step`: unreadable dates, dates far away, and lines whose status does not count."""
    import ibis

    plan, layout = facts.plan, facts.plan.layout
    steps: list[tuple[ir.BooleanValue, str]] = [
        (table.step.notnull(), ""),
        (table.date.isnull() & ~table.far, "unreadable"),
        (table.far, "set_aside"),
    ]
    table = table.mutate(
        value=value_of(table, plan, plan.money), negative=value_of(table, plan, plan.money) < 0
    )
    told: list[tuple[str, int, bool]] = []
    notes: list[str] = []
    open_lines = table.step.isnull() & table.date.notnull() & ~table.far
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
        no_status = (
            table.negative.fill_null(False) & column.isin(verdicts.back()) if not layout.kinds else False
        )
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
    row_kind: Callable[[], ir.StringValue] = lambda: ibis.null("string")  # noqa: E731
    if layout.kinds and "row_kind" in table.columns:
        table, kind_told = _with_kinds(table, plan)
        told += kind_told
        sets.append((table.row_role == "other").fill_null(False))
        row_kind = lambda: table.row_role  # noqa: E731
    for flag in sets:
        steps.append((flag, "status"))
    step = ibis.cases(
        *((flag, table.step if name == "" else name) for flag, name in steps), else_=ibis.null("string")
    )
    table = table.mutate(step=step, role=row_kind())
    if "refund_of" in table.columns:
        dead = table.filter(table.step == "status").select(dead_invoice="invoice").distinct()
        dead = dead.filter(dead.dead_invoice.notnull())
        joined = table.left_join(dead, table.refund_of == dead.dead_invoice)
        table = joined.mutate(
            step=(joined.step.isnull() & joined.dead_invoice.notnull()).ifelse("status", joined.step)
        )
    return kept(table), replace(facts.noted(*notes), status=tuple(told))


def _with_kinds(table: ir.Table, plan: Plan) -> tuple[ir.Table, list[tuple[str, int, bool]]]:
    """Add row_role: sale, refund or other; a refund's customer is its own."""
    import ibis

    kinds = plan.layout.kinds
    assert kinds is not None
    values = {
        row["value"]: row["lines"]
        for row in rows_of(
            table.filter(table.row_kind.notnull() & table.date.notnull())
            .group_by(value="row_kind")
            .aggregate(lines=lambda t: t.copies.sum(), usable=lambda t: (t.step.isnull()).sum())
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
        role = (table.negative.fill_null(False) & (role == "sale")).ifelse("other", role)
    table = table.mutate(row_role=role)
    if "refund_who" in table.columns:
        is_refund = (table.row_role == "refund").fill_null(False)
        table = table.mutate(customer_id=is_refund.ifelse(table.refund_who, table.customer_id))
    return table, [(value, values[value], name != "other") for value, name in by_value.items()]
