"""Whose line it is: customers under their one label, and lines of nobody, as steps of the funnel."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from contract.words import counted
from training.errors import InputError
from training.reading import people
from training.reading.cells import SCIENTIFIC
from training.reading.facts import Facts
from training.reading.kept import kept, one_row, rows_of
from training.reading.placeholders import TOTAL_CELL
from training.reading.plan import Plan
from training.reading.request import Request
from training.reading.typed import ROW

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

FEW_IDS = 1_000
LOOK_AT = 200_000  # customers, of which one is likely to be nobody


def lost_digits(table: ir.Table, plan: Plan) -> dict[str, ir.Value]:
    """Lines whose customer or order has lost digits, and one of them, as sums."""
    damaged = {column: table[column].re_search(SCIENTIFIC).fill_null(False) for column in _ids(plan)}
    return {f"n_{column}": table.copies.sum(where=wrong) for column, wrong in damaged.items()} | {
        f"x_{column}": table[column].min(where=wrong) for column, wrong in damaged.items()
    }


def _ids(plan: Plan) -> dict[str, str]:
    columns = {f"who_{place}": name for place, name in enumerate(plan.layout.customer)}
    return columns | ({"invoice": plan.layout.order[0]} if plan.layout.order else {})


def check_digits(sums: Mapping[str, Any], plan: Plan) -> None:
    """Raise InputError where a spreadsheet has lost digits of customers or orders, by the sums of `lost_digits`."""
    for column, name in _ids(plan).items():
        if sums[f"n_{column}"]:
            raise InputError(
                f"{counted(sums[f'n_{column}'], 'line')} with a number like {sums[f'x_{column}']} in {name}: a "
                "spreadsheet wrote it so, its last digits are lost, and different ones look alike. Expected every "
                "digit. Export the file again without opening it in a spreadsheet, or format that column as text "
                "before saving."
            )


def known_people(
    table: ir.Table, facts: Facts, request: Request
) -> tuple[ir.Table, dict[str, ir.Value], Facts]:
    """(The table, kept, maybe with a column more; whose its lines are, as customer_id and `step`; the facts).

    Lines of nobody have the step missing_customer or placeholders.
    """
    import ibis

    layout = facts.plan.layout
    columns = [f"who_{place}" for place in range(len(layout.customer))]
    guests: dict[str, frozenset[str]] = {}
    totals: frozenset[str] = frozenset()
    for place, column in enumerate(columns):
        found = _nobody(table, column, columns, layout.customer[place], facts, request)
        guests[column] = found.guests | found.totals
        totals |= found.totals
    notes = []
    label: ir.StringValue | None = None
    if len(columns) > 1:
        labels = _labels(table, _real(table, guests))
        others = {key: label for key, label in labels.items() if key[1] != label}
        if others:
            table = _labelled(table, _real(table, guests), others)
            label = table.customer_label
        if several := _with_several_ids(labels):
            notes.append(
                f"{counted(several, 'customer')} known under more than one id or e-mail address: each is one customer"
            )
    first = ibis.coalesce(*_real(table, guests).values()) if label is None else label
    raw = ibis.coalesce(*(table[column] for column in columns))
    is_total = _total_cells(table)
    if totals:
        is_total = is_total | raw.isin(sorted(totals))
    nobody = is_total | (raw.notnull() & first.isnull())
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
    return table, {"customer_id": first, "step": step}, facts.noted(*notes)


def _real(table: ir.Table, guests: Mapping[str, frozenset[str]]) -> dict[str, ir.StringValue]:
    """The columns of customers, without those who are nobody."""
    return {
        column: table[column].isin(sorted(nobody)).ifelse(None, table[column]) if nobody else table[column]
        for column, nobody in guests.items()
    }


def _total_cells(table: ir.Table) -> ir.BooleanValue:
    """Whether another cell of a line without a customer says that it is a total; such words are few."""
    return reduce(
        or_, (table[name].re_search(TOTAL_CELL).fill_null(False) for name in ("date_text", "invoice"))
    )


def _nobody(
    table: ir.Table, column: str, columns: Sequence[str], name: str, facts: Facts, request: Request
) -> people.Nobody:
    by_id = (
        table.filter(table[column].notnull())
        .group_by(value=table[column])
        .aggregate(lines=table.copies.sum())
    )
    ids = _Ids(by_id)
    if len(columns) == 1 and name not in request.columns.values():
        _ask_about_names(ids, name, facts)
    return _nobody_among(ids, request, [(table, column, other) for other in columns if other != column])


def nobody_in(by_id: ir.Table, request: Request) -> people.Nobody:
    """Customers' ids (`value`) with their `lines` -> those that stand for nobody, and those that name a total."""
    return _nobody_among(_Ids(by_id), request, ())


class _Ids:
    """Customers' ids with their lines, of which the first ones are at hand; all of them, where they are few."""

    def __init__(self, by_id: ir.Table) -> None:
        self.table = by_id
        self.first = {row["value"]: row["lines"] for row in rows_of(by_id.order_by("value").limit(FEW_IDS))}
        self.are_few = len(self.first) < FEW_IDS

    def candidates(self) -> dict[str, int]:
        """Ids that may stand for nobody."""
        if self.are_few:
            return {
                value: lines for value, lines in self.first.items() if re.search(people.MAY_BE_NOBODY, value)
            }
        by_id = self.table
        odd = by_id.filter(by_id.value.re_search(people.MAY_BE_NOBODY)).order_by(descending(by_id.lines))
        return {row["value"]: row["lines"] for row in rows_of(odd.limit(LOOK_AT))}

    def others(self, doubtful: Sequence[str]) -> tuple[int, list[str]]:
        """(The lines of the most frequent other id, some other ids)."""
        if self.are_few:
            others = {value: lines for value, lines in self.first.items() if value not in doubtful}
            return max(others.values(), default=0), list(others)
        rest = self.table.filter(~self.table.value.isin(doubtful))
        most = one_row(rest.aggregate(most=rest.lines.max()))["most"]
        return most, [row["value"] for row in rows_of(rest.order_by("value").limit(5_000))]


def _nobody_among(ids: _Ids, request: Request, beside: Sequence[tuple[ir.Table, str, str]]) -> people.Nobody:
    """`beside` are tables with their column of these ids and one of other ids, which may be e-mail addresses."""
    candidates = ids.candidates()
    doubtful = [value for value in candidates if people.may_be_guest(value)]
    if not doubtful:
        return people.nobody(candidates, 0, [], [], request.guests)
    most, sample = ids.others(doubtful)
    shared: list[str] = []
    for table, column, other in beside:
        several = table.filter(table[column].isin(doubtful) & table[other].contains("@"))
        many = several.group_by(value=several[column]).aggregate(different=several[other].nunique())
        shared += [row["value"] for row in rows_of(many) if row["different"] > 1]
    return people.nobody(candidates, most, sample, shared, request.guests)


def _ask_about_names(ids: _Ids, name: str, facts: Facts) -> None:
    sample = list(ids.first)
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


def _labels(table: ir.Table, real: Mapping[str, ir.StringValue]) -> dict[tuple[int, str], str]:
    """Ids that occur together have one label: (place of the column, id) -> the label, an id of any of the columns."""
    looked_at = table.select(**real, first_row=table[ROW])
    pairs = rows_of(
        looked_at.group_by(list(real)).aggregate(first=looked_at.first_row.min()).order_by("first")
    )
    return people.one_label([row[name] for name in real] for row in pairs)


def _with_several_ids(labels: Mapping[tuple[int, str], str]) -> int:
    """How many customers have more than one id in one and the same column."""
    ids = Counter((label, place) for (place, _), label in labels.items())
    return len({label for (label, _), number in ids.items() if number > 1})


def _labelled(
    table: ir.Table, real: Mapping[str, ir.StringValue], labels: Mapping[tuple[int, str], str]
) -> ir.Table:
    """Add customer_label, kept."""
    import ibis
    import pyarrow as pa

    keys = pa.table(
        {
            "label_place": pa.array([key[0] for key in labels], pa.int64()),
            "label_value": [key[1] for key in labels],
            "label": list(labels.values()),
        }
    )
    place = ibis.cases(*((value.notnull(), at) for at, value in enumerate(real.values())), else_=-1)
    known = table.mutate(first_value=ibis.coalesce(*real.values()), first_place=place.cast("int64"))
    joined = _joined(known, keys)
    label = ibis.coalesce(joined.label, joined.first_value)
    return kept(joined.select(*table.columns, customer_label=label))


def _joined(known: ir.Table, keys: pa.Table) -> ir.Table:
    import ibis

    backend = known.get_backend()
    if backend.name == "duckdb":
        name = ibis.util.gen_name("labels")
        backend.con.register(name, keys)
        labels = backend.table(name)
    else:
        labels = ibis.memtable(keys)
    return known.left_join(
        labels, [known.first_place == labels.label_place, known.first_value == labels.label_value]
    )
