"""Plain files and typed tables that Spark types while it reads them, each line once: `scan` for this engine.

A text file qualifies by its first lines, as for `scan`; each later cell must have the same form, or the query fails,
and `read.read` must read the source with care. Typed sources qualify when dates and numbers are typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.reading import spark_files, textfile
from training.reading.address import is_address
from training.reading.cells import IDENTIFIERS, canonical_columns
from training.reading.facts import Facts
from training.reading.header_words import names_article
from training.reading.kept import rows_of
from training.reading.later import check_later_status
from training.reading.plan import Plan, plan_of
from training.reading.request import Request
from training.reading.sample import is_plain
from training.reading.scan import (
    DATES,
    FORM_NAMES,
    KINDS,
    NUMBER,
    PARQUET_SAMPLE_ROWS,
    Scan,
    may_be_single,
    plain_form,
)
from training.reading.sources import files
from training.reading.spark import connect, failures, frame

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from pyspark.sql import Column, DataFrame

GROUPING = (*IDENTIFIERS, "date", "quantity", "price", "amount", "stock_code", "country")
ISO = {  # a form of `scan.DATES` by strptime -> what its cells are rewritten to, so that Spark reads them as a moment
    "%Y-%m-%d %H:%M:%S": None,
    "%Y-%m-%dT%H:%M:%S": None,
    "%Y-%m-%d %H:%M": "$0:00",
    "%Y-%m-%d": None,
    "%m/%d/%Y %H:%M": "$3-$1-$2 $4:$5:00",
    "%d/%m/%Y %H:%M": "$3-$2-$1 $4:$5:00",
    "%m/%d/%Y": "$3-$1-$2",
    "%d/%m/%Y": "$3-$2-$1",
}
SLASHED = "^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})(?: ([0-9]{1,2}):([0-9]{2}))?$"


def scan(
    sources: Sequence[str | Path], request: Request, table: str | None, query: str | None
) -> Scan | None:
    """Sources -> the lines as `read` gives them on Spark, not read yet; None for those that want care.

    A later cell that is not as plain as the first ones makes a query raise one of `failures()`. Raises InputError as
    `read` does for what cannot be mended.
    """
    if not request.is_plain:
        return None
    paths = [] if table or query or any(map(is_address, sources)) else files(sources)
    are_typed = {path.suffix.lower() == ".parquet" for path in paths}
    if are_typed == {False}:
        return _text(paths, request)
    return None if len(are_typed) > 1 else _typed(sources, request, table, query)


def _text(paths: list[Path], request: Request) -> Scan | None:
    layouts = [spark_files.text_layout(path) for path in paths]
    layout = layouts[0]
    if any(other != layout for other in layouts):
        return None
    sample = textfile.sample(paths[0], textfile.sniff(paths[0]))
    request = request.on(layout.header)
    plan = plan_of(layout.header, request, str(paths[0]), sample)
    if not plan.is_plain or not is_plain(sample, plan, request):
        return None
    form = plain_form(sample, plan.roles, request.date_order, request.decimal)
    if form is None:
        return None
    lines = spark_files.view(_with_types(spark_files.text(paths, layout), plan, form[0], layout), connect())
    if not _has_no_later_status(lines, sample, plan, request):
        return None
    facts = Facts(plan, form[1] or "day-first", "point", currency=request.before.currency)
    written = FORM_NAMES["%Y" if form[0].startswith("%Y") else "either"]
    table = _narrow(lines.select(**canonical_columns(lines, plan.roles)), request)
    return Scan(table, facts, ((written, 0),), may_be_single(sample, plan), tuple(paths))


def _typed(
    sources: Sequence[str | Path], request: Request, table: str | None, query: str | None
) -> Scan | None:
    where, tables = spark_files.opened(sources, table, query)
    if len(tables) > 1:
        return None
    (lines,) = tables
    sample = [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in rows_of(lines.limit(PARQUET_SAMPLE_ROWS))
    ]
    request = request.on(lines.columns)
    plan = plan_of(lines.columns, request, where, sample)
    if not plan.is_plain or not is_plain(sample, plan, request) or not _are_typed(lines, plan):
        return None
    if len(sample) == PARQUET_SAMPLE_ROWS and not _has_no_later_status(lines, sample, plan, request):
        return None
    facts = Facts(plan, "day-first", "point", currency=request.before.currency)
    narrow = _narrow(lines.select(**canonical_columns(lines, plan.roles)), request)
    return Scan(narrow, facts, (("typed", 0),), may_be_single(sample, plan))


def _are_typed(lines: ir.Table, plan: Plan) -> bool:
    kinds = {role: lines[plan.roles[role]].type() for role in KINDS if role in plan.roles}
    dated = kinds["date"].is_timestamp() or kinds["date"].is_date()
    return dated and not any(kind.is_string() for kind in kinds.values())


def _has_no_later_status(lines: ir.Table, sample: list[dict[str, str]], plan: Plan, request: Request) -> bool:
    """Whether later lines could be looked at, and hold no status. Raises InputError where they hold one."""
    try:
        check_later_status([lines], sample, plan, request)
    except failures():
        return False
    return True


def _with_types(data: DataFrame, plan: Plan, form: str, layout: spark_files.TextLayout) -> DataFrame:
    """Texts with dates and numbers typed. A query fails on a cell of another form, or of another encoding."""
    kinds = {plan.roles[role]: kind for role, kind in KINDS.items() if role in plan.roles}
    columns = {name: _cell(name, kinds.get(name, ""), form) for name in layout.header}
    first = plan.roles["customer"]
    columns[first] = _or_fail(~spark_files.is_undecodable(layout), columns[first], "another encoding")
    return data.select([column.alias(name) for name, column in columns.items()])


def _cell(name: str, kind: str, form: str) -> Column:
    """A column of text as it is, or as this kind; blank cells are null."""
    from pyspark.sql import functions as F

    text = F.col(f"`{name}`")
    if not kind:
        return text
    is_date = kind == "TIMESTAMP"
    written = _as_iso(text, form) if is_date else text
    value = written.try_cast("timestamp_ntz" if is_date else kind)
    is_usual = text.rlike(f"^(?:{_pattern(form) if is_date else NUMBER})$") & value.isNotNull()
    return F.when(text != "", _or_fail(is_usual, value, f"another form in {name}"))


def _pattern(form: str) -> str:
    """The regular expression of a form of dates."""
    names = {
        pattern: (name.format("%m", "%d"), name.format("%d", "%m")) for pattern, (name, _) in DATES.items()
    }
    return next(pattern for pattern, alike in names.items() if form in alike)


def _as_iso(text: Column, form: str) -> Column:
    from pyspark.sql import functions as F

    iso = ISO[form]
    if iso is None:
        return text
    return F.regexp_replace(text, SLASHED if "/" in form else "^.*$", iso)


def _or_fail(condition: Column, value: Column, reason: str) -> Column:
    from pyspark.sql import functions as F

    return F.when(condition, value).otherwise(F.raise_error(F.lit(reason)))


def _narrow(lines: ir.Table, request: Request) -> ir.Table:
    """Lines whose other columns are two hashes of 64 bits: enough to know exact duplicates, and less to send round.

    Names of articles stay on lines that may be gift cards: those with something negative.
    """
    others = [name for name in lines.columns if name not in GROUPING]
    if request.duplicates == "keep" and not others:
        return lines
    from pyspark.sql import functions as F

    data = frame(lines)
    amount = F.least(*[F.coalesce(F.col(name), F.lit(0)) for name in ("quantity", "price", "amount")])
    articles = [F.when(amount < 0, F.col(f"`{name}`")).alias(name) for name in others if names_article(name)]
    texts = (
        [] if request.duplicates == "keep" else [_hash(others, seed).alias(f"hash_{seed}") for seed in (0, 1)]
    )
    return spark_files.view(data.select(*GROUPING, *articles, *texts), connect())


def _hash(names: Sequence[str], seed: int) -> Column:
    """A hash of these texts; a cell that is null is not one that is empty."""
    from pyspark.sql import functions as F

    cells = [F.col(f"`{name}`") for name in names]
    return F.xxhash64(F.lit(seed), *cells, *[cell.isNull() for cell in cells])
