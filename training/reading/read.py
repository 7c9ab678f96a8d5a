"""Any shop's transactions as one canonical table, read with care: whatever the source, whatever the form of its cells.

Everything is read as text, or as the types it was stored with, and typed by one Ibis expression of
portable functions, so DuckDB, Spark and a warehouse give the same rows.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from training.errors import InputError
from training.reading import textfile, workbook
from training.reading.cells import canonical, text_of
from training.reading.columns import ROLES, recognise
from training.reading.sources import check_same_columns, files

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend


def read_lines(
    sources: Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    date_order: str | None = None,
    decimal: str | None = None,
    table: str | None = None,
    connection: Backend | None = None,
    engine: str = "duckdb",
) -> ir.Table:
    """Files, folders, patterns or one database table -> one row a purchased line, in canonical columns.

    The columns are customer_id, invoice (text), date (timestamp), quantity (decimal(15,3)), price
    (decimal(18,6)), amount (decimal(38,9), in the shop's currency), stock_code, country (text), then
    the other columns of the source as text, each prefixed `other_`. A value that is missing or
    cannot be read is null.

    `columns` maps a role (customer, invoice, date, quantity, price, amount, stock_code, country) to
    the name of a column; the other roles are recognised by the usual names. `date_order` is
    "day-first" or "month-first", `decimal` is "point" or "comma"; None lets the data decide. With a
    database address (`duckdb://shop.db`), `table` names its table, the answer stays on that
    database and nothing runs yet but the questions to the data; files are loaded once into
    `connection`, by default a new DuckDB in memory. With `engine` "spark" the sources are Parquet,
    text or Spark's own tables, and stay with Spark in the same way.

    Raises InputError for sources that cannot be read, columns that are missing or ambiguous, and
    data that cannot decide between two ways of writing dates or numbers.
    """
    import ibis

    columns = dict(columns or {})
    _check("role", columns, ROLES)
    _check("date order", [date_order], (None, "day-first", "month-first"))
    _check("decimal mark", [decimal], (None, "point", "comma"))
    _check("engine", [engine], ("duckdb", "spark"))

    addresses = [str(source) for source in sources if "://" in str(source)]
    if engine == "spark":
        connection = None
        where, tables = _on_spark(sources, addresses, table)
    elif addresses:
        if len(sources) > 1 or not table:
            raise InputError(
                f"{addresses[0]} is a database. Expected one address and the name of one table. "
                "Give the address alone, with --table NAME."
            )
        connection = None
        where, tables = f"table {table} of {addresses[0]}", [_database(addresses[0], table)]
    elif table:
        raise InputError(
            f"--table {table} was given without a database. Expected an address such as duckdb://shop.db."
        )
    else:
        connection = connection or ibis.duckdb.connect()
        paths = files(sources)
        where, tables = str(paths[0]), _gather(paths, columns, connection)

    roles = recognise(tables[0].columns, columns, where)
    dates = _texts(tables, [roles["date"]])
    numbers = _texts(tables, [roles[role] for role in ("quantity", "price", "amount") if role in roles])
    if dates is not None and date_order is None:
        date_order = textfile.date_order(dates)
    if numbers is not None and decimal is None:
        decimal = textfile.decimal_mark(numbers)

    # Where nothing is text, there is nothing to order, and any answer will do.
    parts = [
        canonical(part.select(tables[0].columns), roles, date_order or "day-first", decimal or "point")
        for part in tables
    ]
    lines = reduce(lambda above, below: above.union(below), parts)
    if connection is None:
        return lines
    transactions = connection.create_table(ibis.util.gen_name("transactions"), lines, temp=True)
    for part in tables:
        connection.drop_table(part.op().name)
    return transactions


def _check(what: str, given: Iterable[str | None], allowed: Iterable[str | None]) -> None:
    for value in given:
        if value not in allowed:
            raise InputError(
                f'Unknown {what} "{value}". Expected one of: {", ".join(filter(None, allowed))}.'
            )


def _gather(paths: Sequence[Path], columns: Mapping[str, str], connection: Backend) -> list[ir.Table]:
    """Files with the same columns -> temporary tables, one for each way in which the columns are typed."""
    tables: dict[frozenset, ir.Table] = {}
    names: tuple[str, ...] = ()
    for path in paths:
        table = _load(path, columns, connection)
        names = names or table.columns
        check_same_columns(table.columns, path, names, paths[0])
        types = frozenset(table.schema().items())
        if types in tables:
            whole = tables[types].op().name
            connection.raw_sql(f'INSERT INTO "{whole}" BY NAME SELECT * FROM "{table.op().name}"')
            connection.drop_table(table.op().name)
        else:
            tables[types] = table
    return list(tables.values())


def _on_spark(
    sources: Sequence[str | Path], addresses: Sequence[str], table: str | None
) -> tuple[str, list[ir.Table]]:
    """What is read, in a word, and its tables on Spark: files, or one address."""
    from training.reading import spark

    if bool(table) != (addresses == ["pyspark://"]) or (addresses and len(sources) > 1):
        raise InputError(
            f"--engine spark was given {', '.join(map(str, sources))}{f' and --table {table}' if table else ''}. "
            "Expected files, the address of one Parquet folder, or pyspark:// with --table NAME."
        )
    connection = spark.connect()
    if addresses:
        return table or addresses[0], [spark.stored(addresses[0], table, connection)]
    views = spark.load(files(sources), connection)
    first, *others = views
    for path in others:
        check_same_columns(views[path].columns, path, views[first].columns, first)
    return str(first), list(views.values())


def _load(path: Path, columns: Mapping[str, str], connection: Backend) -> ir.Table:
    """One file -> a temporary table with its own columns and types; text stays text."""
    import duckdb
    import ibis

    if path.suffix.lower() == ".parquet":
        try:
            view = connection.read_parquet(glob.escape(str(path)))
            return connection.create_table(ibis.util.gen_name("parquet"), view, temp=True)
        except duckdb.Error as error:
            raise InputError(
                f"{path} cannot be opened as Parquet: {str(error).splitlines()[0]}. "
                "Expected a complete Parquet file. Copy or write it again."
            ) from None
    if path.suffix.lower() == ".xlsx":

        def is_header(names: list[str]) -> bool:
            try:
                return bool(recognise(names, columns, str(path)))
            except InputError:
                return False

        table = ibis.memtable(workbook.load(path, is_header))
        return connection.create_table(ibis.util.gen_name("workbook"), table, temp=True)
    return textfile.load(path, connection)


def _database(address: str, table: str) -> ir.Table:
    import ibis

    place = urlsplit(address)
    file = Path(place.netloc + place.path)
    if place.scheme in ("duckdb", "sqlite") and file.name and not file.exists():
        raise InputError(f"No such database: {file}. Expected an existing file. Check the address {address}.")
    *database, name = table.split(".")
    try:
        return ibis.connect(address).table(name, database=".".join(database) or None)
    # Every backend has errors of its own, and a missing driver is an ImportError.
    except Exception as error:
        raise InputError(
            f"Table {table} of {address} cannot be opened: {error}. "
            "Expected an address that ibis.connect understands and a table in it."
        ) from None


def _texts(tables: Sequence[ir.Table], names: Sequence[str]) -> ir.Table | None:
    """The different texts in these columns, as one column `text`; None when all of them are typed."""
    parts = [
        table.select(text=text_of(table[name]))
        for table in tables
        for name in names
        if table[name].type().is_string()
    ]
    return reduce(lambda above, below: above.union(below), parts).distinct() if parts else None
