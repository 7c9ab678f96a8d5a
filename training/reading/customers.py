"""Whose line it is: customers under their one label, and lines of nobody, as steps of the funnel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contract.words import counted
from training.errors import InputError
from training.reading import people
from training.reading.cells import SCIENTIFIC
from training.reading.facts import Facts
from training.reading.kept import one_row, rows_of
from training.reading.plan import Plan
from training.reading.request import Request
from training.reading.typed import ROW

if TYPE_CHECKING:
    import ibis.expr.types as ir

LOOK_AT = 200_000  # customers, of which one is likely to be nobody


def check_digits(table: ir.Table, plan: Plan) -> None:
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
                f"{counted(found[f'n_{column}'], 'line')} with a number like {found[f'x_{column}']} in {name}: a "
                "spreadsheet wrote it so, its last digits are lost, and different ones look alike. Expected every "
                "digit. Export the file again without opening it in a spreadsheet, or format that column as text "
                "before saving."
            )


def known_people(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
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
    totals = "(?:grand |sub-?|over-?all )?totals?|summe|gesamt(?:summe)?|итого|totale|totaal|suma|razem"
    words = f"^(?i:{totals})[ :.]*(?:[(].*[)])?$"
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
