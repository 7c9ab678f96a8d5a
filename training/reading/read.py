"""Any shop's transactions as one canonical table, read with care: whatever the source, whatever the form of its cells.

Everything is read as text, or as the types it was stored with, and typed by one Ibis expression of
portable functions, so DuckDB, Spark and a warehouse give the same rows.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from contract.words import counted
from training.errors import InputError
from training.reading import dates, money, sixdigits, textfile, workbook
from training.reading.address import is_address, shown
from training.reading.blank_lines import check_blank_lines, with_orders_above
from training.reading.careful import interpret
from training.reading.clocks import on_clock, on_one_zone, zones
from training.reading.columns import CELLS, ROLES, known
from training.reading.database import open_table
from training.reading.facts import Facts, understood
from training.reading.kept import forget, kept, one_row, rows_of
from training.reading.later import check_later_status
from training.reading.plan import Plan, has_open_question, plan_of
from training.reading.request import Request
from training.reading.sample import check_hidden_status
from training.reading.sources import check_same_columns, files
from training.reading.texts import text_of
from training.reading.typed import cells, moment_text, without_duplicates
from training.reading.understanding import Example, Understanding

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

TEXTS = (".csv", ".tsv", ".txt", ".gz")
SLASHED = ("day-first", "month-first")  # orders of dates like 1/2/2010
CANONICAL = ("customer_id", "invoice", "date", "quantity", "price", "amount", "stock_code", "country")


@dataclass(frozen=True)
class Lines:
    """Canonical lines, and what was understood of their source.

    The columns are customer_id, invoice (text), date (timestamp), quantity (decimal(15,3)), price (decimal(18,6)),
    amount, refunded (decimal(38,9), in the shop's currency), stock_code, country (text); `step` says which step of
    the funnel sets a line aside, `kind` what it is where its money does not say that, `copies` how many exact
    duplicates it stands for; then the other columns of the source as text, each prefixed `other_`,
    and those to keep, `keep_`.
    """

    table: ir.Table
    understanding: Understanding


def read_lines(
    sources: Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    date_order: str | None = None,
    decimal: str | None = None,
    table: str | None = None,
    query: str | None = None,
    connection: Backend | None = None,
    engine: str = "duckdb",
) -> ir.Table:
    """The table of `read` in canonical columns and `other_` ones only: every line, whatever its step."""
    request = Request(
        dict(columns or {}), date_order, decimal, layout="none", blank_lines="nobody", duplicates="keep"
    )
    lines = read(sources, request, table=table, query=query, connection=connection, engine=engine).table
    names = [*CANONICAL, *(name for name in lines.columns if name.startswith("other_"))]
    ordered = kept(lines.order_by("row").select(names))
    forget(lines)
    return ordered


def read(
    sources: Sequence[str | Path],
    request: Request,
    *,
    table: str | None = None,
    query: str | None = None,
    connection: Backend | None = None,
    engine: str = "duckdb",
) -> Lines:
    """Files, folders, patterns or one database table -> one row a purchased line, in canonical columns.

    What `request` does not say is recognised, or asked about in an InputError. With a database address
    (`duckdb://shop.db`), `table` names its table or view, or `query` a file with one SELECT; the database is only read
    (see `database`), and `release` lets go of it. Files are loaded once into
    `connection`, by default a new DuckDB in memory. With `engine` "spark" the sources are Parquet, text or Spark's
    own tables, and stay with Spark in the same way.

    Raises InputError for sources that cannot be read, columns that are missing or ambiguous, and data that leave a
    question open that changes the answer.
    """
    import ibis

    _check("role", request.columns, ROLES)
    _check("date order", [request.date_order], (None, "day-first", "month-first", "year-first"))
    _check("decimal mark", [request.decimal], (None, "point", "comma"))
    _check("engine", [engine], ("duckdb", "spark"))
    _check("--far-dates", [request.far_dates], ("aside", "keep"))
    _check("--blank-lines", [request.blank_lines], ("auto", "above", "nobody"))
    source = _opened(sources, request, table, query, connection, engine)
    request = request.on(source.names)
    sample = source.sample()
    plan = plan_of(source.names, request, source.where, sample)
    if engine == "spark":
        _check_for_spark(plan, request, source.where)
    check_hidden_status(sample, plan, request)
    if len(sample) == CELLS or len(source.tables) > 1:
        check_later_status(source.tables, sample, plan, request)
    _check_kept(request.keep, source)
    moment_sums = _moment_sums(source.tables, plan)
    date_order, decimal = _marks(source.tables, moment_sums, plan, request)
    forms, six_order = sixdigits.decided(
        dates.forms_in(moment_sums), request.date_order, request.before.date_order
    )
    parts = [cells(part, plan, request, date_order, decimal, forms) for part in source.tables]
    whole = reduce(lambda above, below: above.union(below), _numbered(parts, source))
    facts = Facts(plan, six_order or date_order, decimal, source.notes)
    is_filled = request.blank_lines == "above" and bool(source.files)
    if is_filled:
        whole, facts = with_orders_above(whole, facts, [rows for _, rows in source.files])
    cells_above = whole
    whole, facts = on_one_clock(whole, facts, request)
    if request.duplicates == "drop":
        whole = without_duplicates(whole)
    else:
        whole = kept(whole.mutate(copies=ibis.literal(1, "int64")))
    if is_filled:
        forget(cells_above)
    check_blank_lines(whole, plan, request, is_ordered=bool(source.files))
    lines, facts = interpret(whole, facts, request)
    block = understood(facts, _forms(whole), request)
    if engine != "spark":
        block = replace(block, examples=tuple(_examples(lines, plan, source)))
    forget(whole)
    source.close()
    return Lines(lines, block)


@dataclass(frozen=True)
class Source:
    """What was opened: tables of one kind of columns each, and the files in them with their numbers of lines."""

    where: str
    tables: list[ir.Table]
    files: tuple[tuple[Path, int], ...] = ()
    own: Backend | None = None
    notes: tuple[str, ...] = ()
    has_header: bool = True

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return list(self.tables[0].columns)

    def sample(self) -> list[dict[str, str]]:
        """Some of its lines, as text."""
        rows = rows_of(self.tables[0].limit(CELLS))
        return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]

    def close(self) -> None:
        """Forget the tables that were loaded."""
        if self.own is not None:
            for part in self.tables:
                self.own.drop_table(part.op().name)


def _opened(
    sources: Sequence[str | Path],
    request: Request,
    table: str | None,
    query: str | None,
    connection: Backend | None,
    engine: str,
) -> Source:
    import ibis

    if engine == "spark":
        from training.reading import spark_files

        return Source(*spark_files.opened(sources, table, query))
    addresses = [str(source) for source in sources if is_address(source)]
    if addresses:
        if len(sources) > 1:
            raise InputError(
                f"{shown(addresses[0])} is a database, and not the only source. Expected one address. "
                "Give it alone, with --table NAME or --query FILE.sql."
            )
        opened = on_one_zone(open_table(addresses[0], table or "", query or ""), request.timezone)
        return Source(f"{query or table} of {shown(addresses[0])}", [opened])
    if table or query:
        raise InputError(
            f"--{'table' if table else 'query'} {table or query} was given without a database. "
            "Expected an address such as duckdb://shop.db."
        )
    connection = connection or ibis.duckdb.connect()
    paths = files(sources)
    tables, counts, notes = _gather(paths, request, connection)
    return Source(str(paths[0]), tables, counts, connection, notes, request.header)


def _check_for_spark(plan: Plan, request: Request, where: str) -> None:
    """Raise InputError for what needs the order of lines, which Spark does not keep."""
    if (
        plan.layout.name
        or plan.money.per == "order"
        or plan.layout.refunded
        or plan.layout.deducted
        or request.keep
        or request.timezone
    ):
        what = plan.layout.name or "an order's money, an order's discount, refunds, --keep or --timezone"
        raise InputError(
            f"{where} needs {what}, which is read from the order of lines. Expected plain lines with --engine spark, "
            "which keeps no order. Leave --engine spark out, or give Parquet that another program made of it."
        )


def _numbered(parts: Sequence[ir.Table], source: Source) -> list[ir.Table]:
    """The parts with rows numbered through; a part's lines are those of its files, one after the other."""
    if len(parts) == 1:
        return list(parts)
    counts = [part.count().to_pyarrow().as_py() for part in source.tables]
    return [part.mutate(row=part.row + sum(counts[:at])) for at, part in enumerate(parts)]


def _moment_sums(tables: Sequence[ir.Table], plan: Plan) -> dict[str, int]:
    """What the different texts of dates say of their order and forms; each has its time where this is elsewhere."""
    texts = [part.select(text=moment_text(part, plan.layout.date, plan.layout.time)[0]) for part in tables]
    different = reduce(lambda above, below: above.union(below), texts).distinct()
    sums = textfile.sums_of_orders(different.text) | dates.sums_of_forms(different.text)
    return one_row(different.aggregate(**sums))


def _marks(
    tables: Sequence[ir.Table], moment_sums: Mapping[str, int], plan: Plan, request: Request
) -> tuple[str, str]:
    """(The order of day and month, the decimal mark): what the user says, else what the data say."""
    numbers = _texts(tables, plan.numbers)
    decimal = request.decimal
    if numbers is not None and decimal is None:
        bare = numbers.select(text=money.bare(numbers.text)).distinct()
        decimal = _decided(lambda: textfile.decimal_mark(bare), request.before.decimal)
    # Where nothing is text, there is nothing to decide, and any answer will do.
    order = request.date_order
    if order not in SLASHED:
        before = request.before.date_order
        order = _decided(lambda: textfile.date_order(moment_sums), before if before in SLASHED else "")
    return order, decimal or "point"


def _decided(decide: Callable[[], str], before: str) -> str:
    """What the data decide; where they leave it open, what was so in a model's training. Raises InputError."""
    try:
        return decide()
    except InputError:
        if before:
            return before
        raise


def _check_kept(keep: Sequence[str], source: Source) -> None:
    if lacking := [name for name in keep if name not in source.names]:
        raise InputError(
            f"--keep names {', '.join(lacking)}, which {source.where} does not have. Found: {', '.join(source.names)}. "
            "Expected names of its columns. Correct them."
        )


def on_one_clock(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """The times of a table on one clock, where one is asked for; and a note where zones were left out."""
    written = dates.zone(table.date_text)
    if not request.timezone:
        return table, facts
    names = [row["zone"] for row in rows_of(table.select(zone=written).distinct()) if row["zone"]]
    return table.mutate(date=dates.in_zone(table.date, written, names, request.timezone)), facts


def _forms(table: ir.Table) -> list[tuple[str, int]]:
    """(Form of dates, its lines), the most frequent first."""
    import ibis

    branches = [(table.date_text.re_search(pattern), name) for name, pattern in dates.FORMS.items()]
    form = ibis.cases(*branches, else_="another form")
    counted = table.filter(table.date.notnull()).group_by(form=form).aggregate(lines=lambda t: t.copies.sum())
    return sorted(((row["form"], row["lines"]) for row in rows_of(counted)), key=lambda item: -item[1])


def _examples(lines: ir.Table, plan: Plan, source: Source) -> Iterator[Example]:
    """One cell of each kind that could not be used: of dates, of each column of numbers, and of dates far away."""
    wrong = {
        plan.layout.date[0]: (lines.step == "unreadable") & lines.date.isnull(),
        **{
            name: (lines.step == "unreadable") & lines[f"bad_{at}"]
            for at, name in enumerate(plan.numbers)
            if f"bad_{at}" in lines.columns
        },
    }
    found = lines.aggregate(
        **{f"x_{at}": lines.row.min(where=each) for at, each in enumerate(wrong.values())},
        far=lines.row.min(where=lines.step == "set_aside"),
        blank=lines.row.min(where=lines.step == "unreadable"),
    )
    rows = rows_of(found)[0]
    told = False
    for at, name in enumerate(wrong):
        if (row := rows[f"x_{at}"]) is not None:
            told = True
            yield source_example("unreadable", row, name, source)
    if rows["blank"] is not None and not told:
        yield source_example("unreadable", rows["blank"], plan.numbers[0], source)
    if rows["far"] is not None:
        yield source_example("set_aside", rows["far"], plan.layout.date[0], source)


def source_example(step: str, row: int, column: str, source: Source) -> Example:
    """The cell of a row, with the line of the file that it is on."""
    import ibis

    at = row
    for part in source.tables:
        numbered = part.mutate(segments_row=ibis.row_number())
        cell = rows_of(
            numbered.filter(numbered.segments_row == at).select(cell=numbered[column].cast("string"))
        )
        if cell:
            break
        at -= part.count().to_pyarrow().as_py()
    value = (cell[0]["cell"] or "") if cell else ""
    return Example(step, _line(source, row), column, value.strip()[:60])


def _line(source: Source, row: int) -> int:
    """The line of a file that a row starts on; 0 where it is not known."""
    left = row
    for path, count in source.files:
        if left < count:
            return textfile.line_of(path, left, source.has_header) if path.name.lower().endswith(TEXTS) else 0
        left -= count
    return 0


def _check(what: str, given: Iterable[str | None], allowed: Iterable[str | None]) -> None:
    for value in given:
        if value not in allowed:
            raise InputError(
                f'Unknown {what} "{value}". Expected one of: {", ".join(filter(None, allowed))}.'
            )


def _gather(
    paths: Sequence[Path], request: Request, connection: Backend
) -> tuple[list[ir.Table], tuple[tuple[Path, int], ...], tuple[str, ...]]:
    """Files with the same columns -> temporary tables, one for each way in which the columns are typed.

    Also each file with its number of rows, in the order of the tables; and notes on what was left out.
    """
    notes: list[str] = []
    tables: dict[frozenset, ir.Table] = {}
    counts: dict[frozenset, list[tuple[Path, int]]] = {}
    names: tuple[str, ...] = ()
    for path in paths:
        table, remarks = _load(path, request, connection)
        if remarks:
            notes.append(
                f"{counted(len(remarks), 'remark')} below the table of {path.name}: {remarks[0][:60]}"
            )
        names = names or table.columns
        check_same_columns(table.columns, path, names, paths[0])
        types = frozenset(table.schema().items())
        counts.setdefault(types, []).append((path, table.count().to_pyarrow().as_py()))
        if types in tables:
            whole = tables[types].op().name
            connection.raw_sql(f'INSERT INTO "{whole}" BY NAME SELECT * FROM "{table.op().name}"')
            connection.drop_table(table.op().name)
        else:
            tables[types] = table
    return list(tables.values()), tuple(file for group in counts.values() for file in group), tuple(notes)


def _load(path: Path, request: Request, connection: Backend) -> tuple[ir.Table, tuple[str, ...]]:
    """One file -> a temporary table with its own columns and types; text stays text. And remarks below it."""
    if path.suffix.lower() == ".parquet":
        return _load_parquet(path, request, connection), ()
    if path.suffix.lower() == ".xlsx":
        return _load_workbook(path, request, connection), ()
    return textfile.load_with_remarks(path, connection, request.header)


def _load_parquet(path: Path, request: Request, connection: Backend) -> ir.Table:
    import duckdb
    import ibis
    import pyarrow as pa

    try:
        view = connection.read_parquet(glob.escape(str(path)))
        typed = connection.create_table(ibis.util.gen_name("parquet"), view, temp=True)
        if not zones([path]):
            return typed
        on_its_clock = kept(on_clock(typed, [path], request.timezone))
        forget(typed)
        return on_its_clock
    except (duckdb.Error, pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{path} cannot be opened as Parquet: {str(error).splitlines()[0].rstrip('.')}. "
            "Expected a complete Parquet file. Copy or write it again."
        ) from None


def _load_workbook(path: Path, request: Request, connection: Backend) -> ir.Table:
    import ibis

    def is_header(names: list[str]) -> bool:
        try:
            return bool(plan_of(names, request, str(path)))
        except InputError:
            return False

    headers = workbook.Headers(
        is_header,
        is_open=lambda names: has_open_question(names, request),
        known=lambda names: len(known(names, request.columns)),
    )
    table = ibis.memtable(workbook.load(path, headers))
    return connection.create_table(ibis.util.gen_name("workbook"), table, temp=True)


def _texts(tables: Sequence[ir.Table], names: Sequence[str]) -> ir.Table | None:
    """The different texts in these columns, as one column `text`; None when all of them are typed."""
    parts = [
        table.select(text=text_of(table[name]))
        for table in tables
        for name in names
        if table[name].type().is_string()
    ]
    return reduce(lambda above, below: above.union(below), parts).distinct() if parts else None
