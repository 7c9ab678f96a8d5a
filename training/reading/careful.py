"""Lines as a plan says they are written -> canonical lines, each with the step of the funnel that sets it aside, if any.

The order of the steps: nobody's lines, placeholders and totals, unreadable cells, dates far away, status, currency.
What is of an order (its customer, date, status, money) is told to all its lines first.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

from training.errors import InputError
from training.reading import dates, faraway, money, people, status
from training.reading.cells import SCIENTIFIC, identifier
from training.reading.folding import fold
from training.reading.header_words import ORDER_OR_LINE
from training.reading.kept import forget, kept, one_row, rows_of
from training.reading.layout import Money
from training.reading.plan import Plan, says_total
from training.reading.request import Request
from training.reading.texts import text_of
from training.reading.understanding import Understanding, counted

if TYPE_CHECKING:
    import ibis.expr.types as ir

DECIMAL = "decimal(33, 9)"
EMPTY = ("", "0", "false", "no", "0.0", "0.00")
SET_ASIDE = ("missing_customer", "placeholders", "unreadable", "set_aside", "status", "other_currency")
ROW = "row"
LOOK_AT = 200_000  # customers, of which one is likely to be nobody
CASELESS = (
    "username",
    "buyer",
    "nutzername",
)  # in the name of a column: the same name in another case is the same


@dataclass(frozen=True)
class Facts:
    """What was found out on the way, for the block of what was understood."""

    plan: Plan
    date_order: str
    decimal: str
    notes: tuple[str, ...] = ()
    status: tuple[tuple[str, int, bool], ...] = ()
    currency: str = ""
    customers: str = ""

    def noted(self, *notes: str) -> Facts:
        """The same with more notes."""
        return replace(self, notes=(*self.notes, *notes))


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
        value = identifier(part[name])
        caseless = any(word in fold(name) for word in CASELESS) and bool(layout.name)
        return value.lower() if caseless else value.contains("@").ifelse(value.lower(), value)

    date_text, date_type = moment_text(part, layout.date, layout.time)
    found = {
        ROW: ibis.row_number().cast("int64"),
        **{f"who_{place}": person(name) for place, name in enumerate(layout.customer)},
        "invoice": identifier(column(layout.order)),
        "date": dates.timestamp(date_type, date_order, forms),
        "date_text": date_text,
        **{f"n_{at}": money.number(part[name], DECIMAL, decimal) for at, name in enumerate(number_columns)},
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


def without_duplicates(table: ir.Table) -> ir.Table:
    """Exact duplicates as one row, with the number of its `copies`."""
    told = (ROW, "date_text")
    names = [name for name in table.columns if name not in told]
    return table.group_by(names).aggregate(
        copies=table.count(), row=table[ROW].min(), date_text=table.date_text.min()
    )


def interpret(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """Typed cells of `cells`, kept -> canonical lines with `step`, `kind`, `refunded` and `copies`, and the facts."""
    plan = facts.plan
    _check_digits(table, plan)
    table, facts = _believable(table, facts, request)
    filled = kept(_filled(table, plan))
    table, facts = _known_people(filled, facts, request)
    counting, facts = _counting(table, facts, request)
    table, facts = _one_currency(counting, facts, request)
    facts = _order_or_line(table, facts, request)
    lines = kept(_with_money(table, facts.plan))
    forget(filled, counting)
    return lines, facts


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


def _check_digits(table: ir.Table, plan: Plan) -> None:
    """Raise InputError where a spreadsheet has lost digits of customers or orders."""
    columns = {f"who_{place}": name for place, name in enumerate(plan.layout.customer)}
    if plan.layout.order:
        columns["invoice"] = plan.layout.order[0]
    damaged = {column: table[column].re_search(SCIENTIFIC).fill_null(False) for column in columns}
    found = one_row(
        table.aggregate(
            **{f"n_{column}": table.copies.sum(where=wrong) for column, wrong in damaged.items()},
            **{f"x_{column}": table[column].min(where=wrong) for column, wrong in damaged.items()},
        )
    )
    for column, name in columns.items():
        if found[f"n_{column}"]:
            raise InputError(
                f"{counted(found[f'n_{column}'], 'line')} with a number like {found[f'x_{column}']} in {name}: a spreadsheet "
                "wrote it so, its last digits are lost, and different ones look alike. Expected every digit. Export the "
                "file again without opening it in a spreadsheet, or format that column as text before saving."
            )


def _believable(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
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


def _filled(table: ir.Table, plan: Plan) -> ir.Table:
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


def _known_people(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """Add customer_id and `step` for lines of nobody: missing_customer and placeholders."""
    import ibis

    layout = facts.plan.layout
    columns = [f"who_{place}" for place in range(len(layout.customer))]
    guests: dict[str, frozenset[str]] = {}
    totals: frozenset[str] = frozenset()
    for place, column in enumerate(columns):
        found = _nobody(table, column, columns, layout.customer[place], facts, request)
        guests[column] = found.guests | found.totals
        totals |= found.totals
    real = {
        column: table[column].isin(sorted(guests[column])).ifelse(None, table[column]) for column in columns
    }
    raw = ibis.coalesce(*(table[column] for column in columns))
    table = table.mutate(**{f"real_{column}": value for column, value in real.items()}, raw_who=raw)
    names = [f"real_{column}" for column in columns]
    first = ibis.coalesce(*(table[name] for name in names))
    notes = []
    if len(columns) > 1:
        table, linked = _linked(table, names)
        first = table.customer_label
        if linked:
            notes.append(
                f"{counted(linked, 'customer')} known under more than one id or e-mail address: each is one customer"
            )
    is_total = table.raw_who.isin(sorted(totals)) | _total_cells(table)
    nobody = is_total | (table.raw_who.notnull() & first.isnull())
    if "summary" in table.columns:
        nobody = nobody | table.summary
    step = ibis.cases(
        (nobody.fill_null(False), "placeholders"),
        (first.isnull(), "missing_customer"),
        else_=ibis.null("string"),
    )
    told = sorted({value for column in columns for value in guests[column] - totals})
    if told:
        notes.append(
            f"{', '.join(told[:5])} {'stands' if len(told) == 1 else 'stand'} for nobody in "
            f"{' and '.join(name for place, name in enumerate(layout.customer) if guests[f'who_{place}'])} "
            "(--guests none counts such ids as customers)"
        )
    return table.mutate(customer_id=first, step=step), facts.noted(*notes)


def _total_cells(table: ir.Table) -> ir.BooleanValue:
    """Whether another cell of a line without a customer says that it is a total; such words are few."""
    words = "^(?i:(?:grand |sub-?|over-?all )?totals?|summe|gesamt(?:summe)?|итого|totale|totaal|suma|razem)[ :.]*(?:[(].*[)])?$"
    return table.date_text.re_search(words).fill_null(False) | table.invoice.re_search(words).fill_null(False)


def _nobody(
    table: ir.Table, column: str, columns: Sequence[str], name: str, facts: Facts, request: Request
) -> people.Nobody:
    by_id = (
        table.filter(table[column].notnull())
        .group_by(value=table[column])
        .aggregate(lines=table.copies.sum())
    )
    if len(columns) == 1 and name not in request.columns.values():
        _ask_about_names(by_id, name, facts)
    return nobody_in(by_id, request, [(table, column, other) for other in columns if other != column])


def nobody_in(
    by_id: ir.Table, request: Request, beside: Sequence[tuple[ir.Table, str, str]] = ()
) -> people.Nobody:
    """Customers' ids (`value`) with their `lines` -> those that stand for nobody, and those that name a total.

    `beside` are tables with their column of these ids and one of other ids, which may be e-mail addresses.
    """
    odd = by_id.filter(by_id.value.re_search(people.MAY_BE_NOBODY)).order_by(descending(by_id.lines))
    candidates = {row["value"]: row["lines"] for row in rows_of(odd.limit(LOOK_AT))}
    doubtful = [value for value in candidates if people.may_be_guest(value)]
    if not doubtful:
        return people.nobody(candidates, 0, [], [], request.guests)
    others = by_id.filter(~by_id.value.isin(doubtful))
    most = one_row(others.aggregate(most=others.lines.max()))["most"]
    sample = [row["value"] for row in rows_of(others.order_by("value").limit(5_000))]
    shared: list[str] = []
    for table, column, other in beside:
        several = table.filter(table[column].isin(doubtful) & table[other].contains("@"))
        many = several.group_by(value=several[column]).aggregate(different=several[other].nunique())
        shared += [row["value"] for row in rows_of(many) if row["different"] > 1]
    return people.nobody(candidates, most, sample, shared, request.guests)


def _ask_about_names(by_id: ir.Table, name: str, facts: Facts) -> None:
    sample = [row["value"] for row in rows_of(by_id.order_by("value").limit(1_000))]
    if not facts.plan.layout.name and people.are_names(sample):
        raise InputError(
            f'{name} holds names, such as "{sample[0]}", and two people may share one. Expected a number or an e-mail '
            f'address of each customer. Map that column with --column customer=NAME, or say --column customer="{name}" '
            "if every name is one customer."
        )


def descending(column: ir.Value) -> ir.Value:
    """From the largest to the smallest."""
    import ibis

    return ibis.desc(column)


def _linked(table: ir.Table, names: Sequence[str]) -> tuple[ir.Table, int]:
    """Add customer_label: ids that occur together have one; and how many ids had more than themselves."""
    import ibis

    pairs = (
        table.group_by(list(names))
        .aggregate(first=table[ROW].min())
        .order_by("first")
        .select(*names)
        .to_pyarrow()
    )
    labels = people.one_label(zip(*(pairs[name].to_pylist() for name in names), strict=True))
    of_first = ibis.coalesce(*(table[name] for name in names))
    place = ibis.cases(*((table[name].notnull(), at) for at, name in enumerate(names)), else_=-1)
    changed = {key: label for key, label in labels.items() if key[1] != label}
    if not changed:
        return table.mutate(customer_label=of_first), 0
    import pyarrow as pa

    keys = pa.table(
        {
            "label_place": pa.array([key[0] for key in changed], pa.int64()),
            "label_value": [key[1] for key in changed],
            "label": list(changed.values()),
        }
    )
    known = table.mutate(first_value=of_first, first_place=place.cast("int64"))
    joined = _joined(known, keys)
    return joined.mutate(customer_label=ibis.coalesce(joined.label, joined.first_value)), len(
        set(changed.values())
    )


def _joined(known: ir.Table, keys: object) -> ir.Table:
    import ibis

    labels = ibis.memtable(keys)
    return known.left_join(
        labels, [known.first_place == labels.label_place, known.first_value == labels.label_value]
    )


def _counting(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """Add to `step`: unreadable dates, dates far away, and lines whose status does not count."""
    import ibis

    plan, layout = facts.plan, facts.plan.layout
    steps: list[tuple[ir.BooleanValue, str]] = [
        (table.step.notnull(), ""),
        (table.date.isnull() & ~table.far, "unreadable"),
        (table.far, "set_aside"),
    ]
    table = table.mutate(value=_value(table, plan, plan.money), negative=_value(table, plan, plan.money) < 0)
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
            (column.isin(verdicts.against()) & ~no_status).fill_null(False) if verdicts.against() else _no()
        )
        told += [(value, lines[value], bool(counts)) for value, counts in verdicts.by_value.items()]
    if "against" in table.columns:
        sets.append(table.against.fill_null(False))
    if "paid" in table.columns:
        sets.append(~table.paid)
    row_kind: Callable[[], ir.StringValue] = lambda: ibis.null("string")  # noqa: E731
    if layout.kinds and "row_kind" in table.columns:
        table, kind_told = _with_kinds(table, plan, open_lines)
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


def _no() -> ir.BooleanValue:
    import ibis

    return ibis.literal(False)


def _with_kinds(
    table: ir.Table, plan: Plan, open_lines: ir.BooleanValue
) -> tuple[ir.Table, list[tuple[str, int, bool]]]:
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


def _one_currency(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """Add to `step`: lines in another currency than the one asked for. Raises InputError for several."""
    import ibis

    written = ibis.coalesce(table.currency, table.sign)
    lines: dict[str, int] = {}
    spellings: dict[str, list[str]] = {}
    for row in rows_of(
        table.filter(table.step.isnull())
        .group_by(written=written)
        .aggregate(lines=lambda t: t.copies.sum(), first=lambda t: t.row.min())
        .order_by("first")
    ):
        if row["written"]:
            code = money.code(row["written"])
            lines[code] = lines.get(code, 0) + row["lines"]
            spellings.setdefault(code, []).append(row["written"])
    different = money.same(set(lines))
    if request.currency:
        wanted = money.code(request.currency)
        others = [text for code in different - {wanted} for text in spellings[code]]
        if lines and wanted not in different:
            raise InputError(
                f"--currency {request.currency} was given, but money is in {_counted(lines)}. Expected that currency in "
                "the data. Name one of these, or leave the option out."
            )
        if others:
            other = written.isin(others).fill_null(False) & table.step.isnull()
            table = table.mutate(step=other.ifelse("other_currency", table.step))
        return table, replace(facts, currency=wanted)
    if len(different) > 1:
        best = max((code for code in lines if code in different), key=lambda code: lines[code])
        raise InputError(
            f"Money is in several currencies: {_counted(lines)}. Expected one, because amounts of different currencies "
            f"cannot be added up. Name the one to count with --currency {best}; lines in others are set aside."
        )
    found = next(iter(different), "")
    before = request.before.currency
    if found and before and len(money.same({found, before})) > 1:
        raise InputError(
            f"Money is in {found}, but the model was trained on {before}. Expected the same currency, because the model "
            f"compares amounts. Convert the amounts, or train a model on these data."
        )
    return table, replace(facts, currency=found or before)


def _counted(lines: Mapping[str, int]) -> str:
    ordered = sorted(lines.items(), key=lambda item: -item[1])
    return ", ".join(f"{code} ({counted(count, 'line')})" for code, count in ordered)


def _value(table: ir.Table, plan: Plan, way: Money) -> ir.DecimalValue:
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


def _order_or_line(table: ir.Table, facts: Facts, request: Request) -> Facts:
    """Whether a money column holds the order's total or the line's, as name and numbers say it. Raises InputError."""
    plan = facts.plan
    way = plan.money
    if plan.layout.name or not plan.layout.order:
        return facts
    if way.times:
        return _unit_or_line(table, facts, request)
    name = way.plus[0]
    if (
        {"amount", "total"} & request.columns.keys()
        or fold(name) not in ORDER_OR_LINE
        and not says_total(name)
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
    if constant and values > 1 and total:
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
    used = table.filter(table.step.isnull() & (n_quantity > 1) & (n_price > 0))
    question = InputError(
        f"{price} looks like the money of the whole line and not of one piece: it grows with {quantity}. Expected the "
        f"price of one. Say --column price={price} if it is for one piece, or --column amount={price} if it is for the line."
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


def _with_money(table: ir.Table, plan: Plan) -> ir.Table:
    """Canonical lines: money of the line, or of the order on its first line; what was refunded of it; the kind."""
    import ibis

    layout, way = plan.layout, plan.money
    zero = ibis.literal(0).cast("decimal(38, 9)")
    if layout.refunded:
        table = table.mutate(given_back=_value(table, plan, layout.refunded[0]).abs().fill_null(zero))
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
        amount, missing, part, sign = table.value, table.value.isnull(), _no(), table.value
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
    named = plan.factors or (dict(zip(("quantity", "price"), way.times, strict=True)) if len(way.times) == 2 else {})
    quantity, price = (table[f"n_{at[named[role]]}"] if role in named else None for role in ("quantity", "price"))
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


def understood(facts: Facts, forms: Sequence[tuple[str, int]], request: Request) -> Understanding:
    """The facts of a reading as a block of words."""
    plan, layout = facts.plan, facts.plan.layout
    way = plan.money
    made = " × ".join(way.times) if way.times else " + ".join(way.plus)
    made += "".join(f" - {name}" for name in way.minus)
    per = "the order's, counted once" if way.per == "order" else "the line's"
    back = f"; less {', '.join(layout.refunded[0].plus)}" if layout.refunded else ""
    columns = {
        "customer": ", else ".join(layout.customer),
        "date": " with ".join((*layout.date[:1], *layout.time[:1])),
        "status": ", ".join((*layout.status, *layout.against)),
        "currency": ", ".join(layout.currency[:1]),
        "stock_code": ", ".join(layout.item[:1]),
        "country": ", ".join(layout.country[:1]),
    }
    written = ", ".join(
        f"{form}" + (f" ({counted(lines, 'line')})" if len(forms) > 1 else "") for form, lines in forms
    )
    order = (
        f"{layout.order[0]}"
        if layout.order
        else "no order number was found: a customer's lines of one day are one order (--column invoice=NAME)"
    )
    ordered = f", {facts.date_order}" if any("by numbers" in form for form, _ in forms) else ""
    zone = (
        f", on the clock of {request.timezone}"
        if request.timezone
        else ", as the shop's own clock shows them"
    )
    return Understanding(
        layout=f"{layout.name} (--layout none reads it as any table)" if layout.name else "",
        columns={role: name for role, name in columns.items() if name},
        money=f"{made}, {per}{back}",
        order=order,
        dates=f"{written}{ordered}{zone}" if written else "",
        currency=facts.currency,
        customers=facts.customers,
        status=facts.status,
        notes=(*facts.notes, *((layout.unknown,) if layout.unknown else ())),
        mapping={
            "columns": dict(request.columns),
            "date_order": facts.date_order,
            "decimal": facts.decimal,
            "currency": facts.currency,
            "layout": request.layout,
            "timezone": request.timezone,
            "status_counts": list(request.status_counts),
            "guests": request.guests,
            "far_dates": request.far_dates,
        },
    )
