"""Files that DuckDB can type by itself, read anew by each query: nothing is stored, and it is by far the quickest way.

A text file qualifies when its first lines are plain (ISO dates, or slashes whose order is known; numbers with a decimal
point), a Parquet file when dates and numbers are typed. `read.read` reads everything else, and gives the
same lines (but for numbers like 1_000, a thousand here and unreadable there): whoever runs a query on a scan must go
back to it when the query fails.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import InputError
from training.reading import bombs, memory, textfile
from training.reading.cells import IDENTIFIERS, MISSING, SCIENTIFIC, canonical_columns, identifier
from training.reading.clocks import notes_of, on_clock, zones
from training.reading.customers import nobody_in
from training.reading.dates import NO_DAYS
from training.reading.facts import Facts
from training.reading.faraway import believed, is_one_period
from training.reading.kept import one_row, rows_of
from training.reading.later import check_later_status
from training.reading.people import MAY_BE_NOBODY
from training.reading.plan import Plan, plan_of
from training.reading.request import Request
from training.reading.sample import has_single_lines, is_plain, may_be_of_the_order
from training.reading.sources import files
from training.reading.understanding import Example

if TYPE_CHECKING:
    import ibis.expr.types as ir

PARQUET_SAMPLE_ROWS = 500
KINDS = {
    "date": "TIMESTAMP",
    "quantity": "DECIMAL(15, 3)",
    "price": "DECIMAL(18, 6)",
    "amount": "DECIMAL(33, 9)",
}
DIGITS = "^(?:[A-Z]?[0-9]+[A-Z]*|[0-9]+[.]0+)$"  # an identifier that means itself, or itself without .0
NUMBERS = ("quantity", "price", "amount")
NUMBER = r"[+-]?[0-9]+([.][0-9]+)?"
DATES = {  # how strptime calls a form, and the order of day and month that must be known for it
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}": ("%Y-%m-%d %H:%M:%S", None),
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}": ("%Y-%m-%dT%H:%M:%S", None),
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}": ("%Y-%m-%d %H:%M", None),
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}": ("%Y-%m-%d", None),
    r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{2}": ("{}/{}/%Y %H:%M", "either"),
    r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}": ("{}/{}/%Y", "either"),
}
FORM_NAMES = {"%Y": "YYYY-MM-DD", "either": "day, month and year by numbers"}
# strptime takes 10-12-01 for the year 10 and `infinity` for 1900: dates outside want a closer look.
BELIEVABLE = datetime(1901, 1, 1), datetime(2999, 12, 31)


@dataclass(frozen=True)
class Scan:
    """Lines that DuckDB types as it reads them, not read yet, and how they were understood."""

    table: ir.Table
    facts: Facts
    forms: tuple[tuple[str, int], ...] = ()
    single: bool = False  # right only if no order has several lines
    texts: tuple[Path, ...] = ()  # text files, whose lines have numbers


def scan(sources: Sequence[str | Path], request: Request) -> Scan | None:
    """Files, folders, patterns -> the lines as `read` gives them, not read yet; None for other sources.

    Identifiers are still as they are stored: ask `settled` of the moments. A later line that is not as plain as the
    first ones makes a query raise duckdb.Error. Raises InputError as `read` does for what cannot be mended.
    """
    if any("://" in str(source) for source in sources) or not request.is_plain:
        return None
    paths = files(sources)
    if {path.suffix.lower() for path in paths} == {".parquet"}:
        return _parquet(paths, request)
    if any(path.suffix.lower() in (".parquet", ".xlsx") for path in paths):
        return None
    return _text(paths, request)


def scan_lines(
    sources: Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    date_order: str | None = None,
    decimal: str | None = None,
) -> ir.Table | None:
    """The table of `scan`."""
    found = scan(sources, Request(dict(columns or {}), date_order, decimal))
    return found.table if found else None


def settled(found: ir.Table, request: Request, single: bool = False) -> ir.Table | None:
    """What `cleaning.moments` makes of a scan, with its identifiers as `read` gives them.

    None when only the careful reading gives the right answer: a date is not BELIEVABLE or years away from the others;
    one identifier is written in two ways (17850 and 17850.0), so that exact duplicates among such lines look different;
    digits were lost; an order has one customer or date and lines without; a customer stands for
    nobody; an order has several lines, where `single` says that none may.
    """
    are_digits, are_alike = _are_digits(found)
    meant = {name: _digits(found[name]) if are_digits else identifier(found[name]) for name in IDENTIFIERS}
    odd = {} if are_digits else _odd_texts(found, meant)
    twice = {} if are_alike else _written_twice(found, meant)
    nobody = {"maybe_nobody": meant["customer_id"].re_search(MAY_BE_NOBODY).sum()}
    facts = one_row(found.aggregate(**odd, **twice, **nobody, **_odd_dates(found)))
    if any(facts.get(name) for name in ("dates", "ids", "damaged", "case")) or _has_halves(found, meant):
        return None
    plain = found.mutate(**meant)
    step = (plain.step.isnull() & plain.customer_id.isnull()).ifelse("missing_customer", plain.step)
    plain = plain.mutate(step=step)
    if single and not _has_single_lines(plain):
        return None
    if facts["first"] and not (is_one_period(facts["first"], facts["last"]) or _is_near(plain)):
        return None
    return plain if not facts["maybe_nobody"] or _are_customers(plain, request) else None


def _odd_dates(found: ir.Table) -> dict[str, ir.Value]:
    """The first and last date, and how many are not BELIEVABLE."""
    dates = (~found.date.between(*BELIEVABLE)).sum().fill_null(0)
    return {"dates": dates, "first": found.date.min(), "last": found.date.max()}


def _are_digits(found: ir.Table) -> tuple[bool, bool]:
    """Whether all identifiers are digits, with letters around them at most: then little can be odd about them.

    And whether then no column has some that end with .0 and some that do not.
    """
    sums = {}
    for name in IDENTIFIERS:
        text = found[name].cast("string")
        sums[f"odd_{name}"] = (~text.re_search(DIGITS)).sum()
        sums[f"dotted_{name}"] = text.contains(".").sum()
        sums[f"not_ended_{name}"] = (~text.endswith(".0")).sum()
    row = one_row(found.aggregate(**sums))
    are_digits = not any(row[f"odd_{name}"] for name in IDENTIFIERS)
    are_alike = all(not (row[f"dotted_{name}"] and row[f"not_ended_{name}"]) for name in IDENTIFIERS)
    return are_digits, are_digits and are_alike


def _digits(column: ir.Value) -> ir.StringValue:
    """What `identifier` makes of DIGITS, for less."""
    return column.cast("string").re_replace("[.]0+$", "")


def _written_twice(found: ir.Table, meant: Mapping[str, ir.StringValue]) -> dict[str, ir.Value]:
    """How many identifiers are written in more than one way."""
    twice = [found[name].nunique(where=meant[name].notnull()) - meant[name].nunique() for name in IDENTIFIERS]
    return {"ids": sum(twice)}


def _has_halves(found: ir.Table, meant: Mapping[str, ir.StringValue]) -> bool:
    """Whether an order has lines that are used, which have a customer and a date, and lines that are not."""
    used = found.step.isnull() & meant["customer_id"].notnull()
    lines = found.select(order=meant["invoice"], used=used)
    orders = (
        lines.filter(lines.order.notnull())
        .group_by("order")
        .aggregate(any_used=lines.used.any(), all_used=lines.used.all())
    )
    return bool(one_row(orders.aggregate(halves=(orders.any_used & ~orders.all_used).sum()))["halves"])


def _odd_texts(found: ir.Table, meant: Mapping[str, ir.StringValue]) -> dict[str, ir.Value]:
    """Counts of identifiers that have lost digits, or are addresses in capitals."""
    who = meant["customer_id"]
    texts = [found[name] for name in IDENTIFIERS if found[name].type().is_string()]
    return {
        "damaged": sum((column.re_search(SCIENTIFIC).sum().fill_null(0) for column in texts), start=0),
        "case": (who.contains("@") & (who != who.lower())).sum(),
    }


def _has_single_lines(found: ir.Table) -> bool:
    used = found.filter(found.step.isnull() & found.invoice.notnull())
    orders = used.group_by("invoice").aggregate(lines=used.lines.sum())
    return one_row(orders.aggregate(most=orders.lines.max()))["most"] <= 1


def _is_near(found: ir.Table) -> bool:
    """Whether no date is a default, or years away from the others."""
    days = found.filter(found.date.notnull()).mutate(day=lambda t: t.date.date())
    counts = {
        row["day"]: row["lines"] for row in rows_of(days.group_by("day").aggregate(lines=days.lines.sum()))
    }
    try:
        return believed(counts).is_whole and not any(day in NO_DAYS for day in counts)
    except InputError:
        return False


def _are_customers(found: ir.Table, request: Request) -> bool:
    by_id = (
        found.filter(found.customer_id.notnull())
        .group_by(value="customer_id")
        .aggregate(lines=lambda t: t.lines.sum())
    )
    none = nobody_in(by_id, request)
    return not (none.guests or none.totals)


def _text(paths: list[Path], request: Request) -> Scan | None:
    dialects = [textfile.sniff(path) for path in paths]
    dialect = dialects[0]
    packed = {path.suffix.lower() == ".gz" for path in paths}
    written_alike = all(other == dialect for other in dialects) and len(packed) == 1
    if not written_alike or dialect.encoding != "utf-8-sig" or not dialect.header_is_first_line:
        return None
    sample = textfile.sample(paths[0], dialect)
    request = request.on(dialect.header)
    plan = plan_of(dialect.header, request, str(paths[0]), sample)
    if not plan.is_plain or not is_plain(sample, plan, request):
        return None
    roles = plan.roles
    found = plain_form(sample, roles, request.date_order, request.decimal)
    if found is None:
        return None
    form, order = found
    for path in paths:
        if packed == {True}:
            bombs.check_gzip(path)
    kinds = {roles[role]: kind for role, kind in KINDS.items() if role in roles}
    table = memory.connect().read_csv(
        [glob.escape(str(path)) for path in paths],
        columns={name: kinds.get(name, "VARCHAR") for name in dialect.header},
        delim=dialect.delimiter,
        quote='"',
        escape='"',
        header=True,
        compression="gzip" if packed == {True} else "none",
        timestampformat=form,
    )
    if not _is_whole(paths) and not _has_no_later_status(table, sample, plan, request):
        return None
    written = FORM_NAMES["%Y" if form.startswith("%Y") else "either"]
    facts = Facts(plan, order or "day-first", "point", currency=request.before.currency)
    return Scan(
        table.select(**canonical_columns(table, roles)),
        facts,
        ((written, 0),),
        may_be_single(sample, plan),
        tuple(paths),
    )


def blank_example(found: Scan) -> tuple[Example, ...]:
    """The first cell of a scan without a date or a number, of a line with a customer; nothing where its line has none.

    All other cells that cannot be used make a scan fail.
    """
    roles = found.facts.plan.roles
    names = [roles[role] for role in ("date", *NUMBERS) if role in roles]
    for path in found.texts:
        for line, cells in textfile.numbered(path):
            if cells[roles["customer"]].strip().lower() in MISSING:
                continue
            if blank := next((name for name in names if not cells[name]), ""):
                return (Example("unreadable", line, blank, ""),)
    return ()


def _is_whole(paths: Sequence[Path]) -> bool:
    """Whether the sample of text files holds all of their lines."""
    return len(paths) == 1 and paths[0].suffix.lower() != ".gz" and paths[0].stat().st_size < textfile.SAMPLE


def _has_no_later_status(table: ir.Table, sample: list[dict[str, str]], plan: Plan, request: Request) -> bool:
    """Whether later lines could be looked at, and hold no status. Raises InputError where they hold one."""
    import duckdb

    try:
        check_later_status([table], sample, plan, request)
    except duckdb.Error:
        return False
    return True


def may_be_single(sample: list[dict[str, str]], plan: Plan) -> bool:
    """Whether the scan is right only if no order has several lines, as in these."""
    return may_be_of_the_order(plan) and has_single_lines(sample, plan)


def plain_form(
    sample: list[dict[str, str]], roles: Mapping[str, str], date_order: str | None, decimal: str | None
) -> tuple[str, str | None] | None:
    """(How strptime calls the form of the dates in a `sample` of lines, the order of day and month, if it matters).

    None when these are not plain, or leave a question open that only all lines can answer."""
    numbers = [row[roles[role]] for row in sample for role in NUMBERS if role in roles]
    dates = [row[roles["date"]] for row in sample]
    if decimal == "comma" or not all(re.fullmatch(NUMBER, text) for text in numbers if text):
        return None
    if decimal is None and not any(re.search(textfile.surely_decimal(".", ","), text) for text in numbers):
        return None
    for pattern, (form, order) in DATES.items():
        if all(re.fullmatch(pattern, text) for text in dates if text) and any(dates):
            if order is None:
                return form, None
            first, second = (max(int(text.split("/")[at]) for text in dates if text) for at in (0, 1))
            known = "month-first" if second > 12 else "day-first" if first > 12 else None
            known = date_order if date_order in ("day-first", "month-first") else known
            if known is None:
                return None
            return form.format(*(("%m", "%d") if known == "month-first" else ("%d", "%m"))), known
    return None


def _parquet(paths: list[Path], request: Request) -> Scan | None:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        first, *others = (parquet.read_schema(path).remove_metadata() for path in paths)
        if any(other != first for other in others):
            return None
        table = memory.connect().read_parquet([glob.escape(str(path)) for path in paths])
        table = on_clock(table, paths, request.timezone)
        sample = [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in rows_of(table.limit(PARQUET_SAMPLE_ROWS))
        ]
    except (OSError, pa.ArrowInvalid, duckdb.Error):  # `read` says what is wrong
        return None
    request = request.on(table.columns)
    plan = plan_of(table.columns, request, str(paths[0]), sample)
    if not plan.is_plain or not is_plain(sample, plan, request):
        return None
    roles = plan.roles
    typed = all(not table[roles[role]].type().is_string() for role in KINDS if role in roles)
    dated = table[roles["date"]].type()
    if not typed or not (dated.is_timestamp() or dated.is_date()):
        return None
    if len(sample) == PARQUET_SAMPLE_ROWS and not _has_no_later_status(table, sample, plan, request):
        return None
    facts = Facts(plan, "day-first", "point", tuple(notes_of(zones(paths))), currency=request.before.currency)
    return Scan(
        table.select(**canonical_columns(table, roles)), facts, (("typed", 0),), may_be_single(sample, plan)
    )
