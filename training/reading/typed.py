"""A source's own columns as typed cells, and exact duplicates among them as one."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from training.reading import dates, money
from training.reading.cells import identifier
from training.reading.folding import fold
from training.reading.kept import kept_distinct
from training.reading.plan import Plan
from training.reading.request import Request
from training.reading.texts import text_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

DECIMAL = "decimal(33, 9)"
EMPTY = ("", "0", "false", "no", "0.0", "0.00")
ROW = "row"
CASELESS = (
    "username",
    "buyer",
    "nutzername",
)  # in the name of a column: the same name in another case is the same


def cells(
    part: ir.Table, plan: Plan, request: Request, date_order: str, decimal: str, forms: Sequence[str]
) -> ir.Table:
    """A source's own columns -> typed cells: who_0.., invoice, date, n_0.. (numbers) and what else the plan names."""
    import ibis

    layout, number_columns = plan.layout, plan.numbers
    used = {*layout.customer, *layout.order[:1], *layout.date[:1], *layout.time[:1], *number_columns}
    used |= {*layout.item[:1], *layout.country[:1]}

    def column(names: Sequence[str]) -> ir.Value:
        return part[names[0]] if names else ibis.null("string")

    def text(names: Sequence[str]) -> ir.StringValue:
        return text_of(column(names)).nullif("")

    def person(name: str) -> ir.StringValue:
        if not part[name].type().is_string():
            return identifier(part[name])
        if layout.name and any(word in fold(name) for word in CASELESS):
            return identifier(part[name].lower())
        return identifier(part[name].contains("@").ifelse(part[name].lower(), part[name]))

    date_text, date_type = moment_text(part, layout.date, layout.time)
    found = {
        ROW: row_numbers(part),
        **{f"who_{place}": person(name) for place, name in enumerate(layout.customer)},
        "invoice": identifier(column(layout.order)),
        "date": dates.timestamp(date_type, date_order, forms),
        "date_text": date_text,
        **{
            f"n_{at}": money.number(_bare(part[name], name in plan.percents), DECIMAL, decimal)
            for at, name in enumerate(number_columns)
        },
        **{
            f"percent_{at}": text_of(part[name]).endswith("%")
            for at, name in enumerate(number_columns)
            if name in plan.percents
        },
        **{f"bad_{at}": text_of(part[name]).nullif("").notnull() for at, name in enumerate(number_columns)},
        **{f"status_{at}": text((name,)) for at, name in enumerate(layout.status)},
        "sign": money.sign(text_of(column(_priced(plan)))).nullif("")
        if column(_priced(plan)).type().is_string()
        else ibis.null("string"),
        "currency": text(layout.currency).upper(),
        "stock_code": text(layout.item) if layout.name else _label(column(layout.item)),
        "country": text(layout.country) if layout.name else _label(column(layout.country)),
    }
    if layout.against:
        cancelled = [~text_of(part[name]).lower().isin(EMPTY).fill_null(True) for name in layout.against]
        found["against"] = reduce(operator.or_, cancelled)
    if layout.paid:
        found["paid"] = text(layout.paid).notnull()
    if layout.line:
        found["has_line"] = text(layout.line).notnull()
    if layout.kinds:
        found["row_kind"] = text((layout.kinds.column,))
    if layout.refund_customer:
        found["refund_who"] = person(layout.refund_customer[0])
    if layout.refund_of:
        found["refund_of"] = identifier(column(layout.refund_of))
    for name in request.keep:
        found[f"keep_{name}"] = text((name,))
    found |= {f"other_{name}": part[name].cast("string") for name in part.columns if name not in used}
    table = part.select(**found)
    return table.mutate(
        **{f"bad_{at}": table[f"bad_{at}"] & table[f"n_{at}"].isnull() for at in range(len(number_columns))}
    )


def _bare(column: ir.Value, may_be_percent: bool) -> ir.Value:
    """A column of numbers; without a percent sign behind them, where one may be."""
    if may_be_percent and column.type().is_string():
        return column.re_replace("[ \u00a0]*%[ \u00a0]*$", "")
    return column


def row_numbers(part: ir.Table) -> ir.IntegerValue:
    """The numbers of rows, from 0; on Spark, whose rows have no order, 0."""
    import ibis

    if part.get_backend().name == "duckdb":
        return ibis.row_number().cast("int64")
    return ibis.literal(0, "int64")


def without_duplicates(table: ir.Table) -> ir.Table:
    """Exact duplicates as one row, with the number of its `copies`; kept."""
    return kept_distinct(table, (ROW, "date_text"))


def _priced(plan: Plan) -> tuple[str, ...]:
    way = plan.money
    return (way.times[-1],) if way.times else way.plus[:1]


def _label(column: ir.Value) -> ir.StringValue:
    return (column if column.type().is_string() else text_of(column)).nullif("")


def moment_text(part: ir.Table, date: Sequence[str], time: Sequence[str]) -> tuple[ir.StringValue, ir.Value]:
    """(The text of a date, with that of its time, if this is in another column; the same, or what is typed)."""
    day = part[date[0]]
    if not time or day.type().is_timestamp():
        return text_of(day).nullif(""), day
    day_text, time_text = text_of(day), text_of(part[time[0]])
    is_clock = time_text.re_search("^[0-9]{1,2}[:h][0-9]{2}") & ~day_text.contains(":")
    whole = is_clock.ifelse(day_text + " " + time_text, day_text)
    holds_day = time_text.re_search("^[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}[T ].*:")
    text = holds_day.ifelse(time_text, whole).fill_null(day_text).nullif("")
    return text, text
