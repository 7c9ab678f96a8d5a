"""A table, view or query of a database, in a DuckDB of our own; the database itself is only read.

A DuckDB file is attached to it. From SQLite, PostgreSQL and MySQL the rows are streamed into a temporary table, so that
cleaning and counting give to the last digit what they give for a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from training.errors import InputError
from training.reading import address as addresses
from training.reading.address import shown, without_password
from training.reading.memory import connect
from training.reading.selection import TableName, choose, select_in

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

ROWS_A_BATCH = 20_000
DIGITS = 38  # of DuckDB's widest decimal
ATTACHED, COPIED = "attached_database", "copied_rows"
NOT_HERE = "Start the server, or correct host and port."
NOT_ALLOWED = "Correct user and password (@ / ? # in them are %40 %2F %3F %23), or ask for the right to read."
TO_DO = {  # what a driver says -> what to do
    "password": NOT_ALLOWED,
    "Access denied": NOT_ALLOWED,
    "permission denied": NOT_ALLOWED,
    "command denied": NOT_ALLOWED,
    "Connection refused": NOT_HERE,
    "Can't connect": NOT_HERE,
    "resolve": NOT_HERE,
    "timeout": NOT_HERE,
    "timed out": NOT_HERE,
    "locked": "Another program writes it: wait for that program, or stop it.",
    "lock on file": "Another program writes it: wait for that program, or stop it.",
    "Unknown database": "Correct the name of the database, the last part of the address.",
    "database": "Correct the name of the database, the last part of the address.",
    "syntax": "Correct the query.",
    "column": "Correct the query.",
    "No space left": "Free some space in the folder of temporary files (TMPDIR).",
}


class Source(Protocol):
    """A database that is open for reading."""

    dialect: str

    def close(self) -> None: ...
    def tables(self) -> list[TableName]: ...
    def quoted(self, name: str) -> str: ...
    def types(self, select: str) -> dict[str, str]: ...
    def batches(self, select: str, rows: int) -> Iterator[list[Sequence[Any]]]: ...


def open_table(address: str, table: str = "", query: str = "") -> ir.Table:
    """One table or view of a database by its name, or the SELECT in the file `query`, as a table in DuckDB.

    `address` is duckdb://FILE, sqlite:///FILE, or postgresql:// or mysql:// with USER:PASSWORD@HOST:PORT/DATABASE.
    Values keep their types, exactly. A table at any other address stays where Ibis finds it. Raises InputError,
    without the password in it, when it cannot be read.
    """
    if bool(table) == bool(query):
        raise InputError(
            f"{shown(address)} is a database. Expected the name of one table, or a file with one SELECT. "
            "Give the address with --table NAME or with --query FILE.sql, not with both."
        )
    if addresses.scheme(address) not in addresses.SCHEMES:
        return _elsewhere(address, table)
    with _told(address):
        if addresses.scheme(address) == "duckdb":
            return _attached(address, table, query)
        with closing(_source(address)) as source:
            return _copied(source, _select(source, table, query, address))


def _elsewhere(address: str, table: str) -> ir.Table:
    """A table of a database that is not read here but by one of Ibis's own backends."""
    import ibis

    *database, name = table.split(".")
    try:
        return ibis.connect(address).table(name, database=".".join(database) or None)
    # Every backend has errors of its own, and a missing driver is an ImportError.
    except Exception as error:
        raise InputError(
            f"{table or 'No table'} of {shown(address)} cannot be opened: {without_password(_cause(error), address)}. "
            f"Expected --table NAME and one of {', '.join(f'{name}://' for name in addresses.SCHEMES)}, or another "
            "address that ibis.connect understands. Correct the address, or export the table."
        ) from None


def release(lines: ir.Table) -> None:
    """Let go of the file or the rows behind what `open_table` gave, once nothing will ask for them any more."""
    connection = lines.get_backend()
    if connection.name != "duckdb":
        return
    if connection.current_catalog == ATTACHED:
        connection.raw_sql("USE memory")
        connection.raw_sql(f"DETACH {ATTACHED}")
    connection.raw_sql(f"DROP TABLE IF EXISTS temp.main.{COPIED}")


@contextmanager
def _told(address: str) -> Iterator[None]:
    """What a driver or DuckDB raises, as an InputError in one line without the password."""
    try:
        yield
    except InputError as error:
        raise InputError(without_password(str(error), address)) from None
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("sqlite3", "psycopg", "pymysql", "duckdb", "_duckdb"):
            raise
        cause = without_password(_cause(error), address)
        to_do = next(
            (hint for words, hint in TO_DO.items() if words in cause), "Check the address and the table."
        )
        raise InputError(
            f"{shown(address)} cannot be read: {cause}. Expected a database that can be opened and read. {to_do}"
        ) from None


def _cause(error: Exception) -> str:
    """The driver's own reason, in one line."""
    if len(error.args) > 1 and isinstance(error.args[0], int):  # PyMySQL's (number, text)
        return str(error.args[1]).strip().splitlines()[0].rstrip(".")
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [
        type(error).__name__
    ]
    several = [
        line.removeprefix("- ") for line in lines if line.startswith("- ")
    ]  # one host, several addresses
    return (several or lines)[0].rstrip(".")


def _source(address: str) -> Source:
    from training.reading.mysql import MySQL
    from training.reading.postgres import Postgres
    from training.reading.sqlite import SQLite

    kind = addresses.scheme(address)
    if kind == "sqlite":
        return SQLite(addresses.file(address))
    return (Postgres if kind.startswith("postgres") else MySQL)(addresses.parts(address))


def _select(source: Source, table: str, query: str, address: str) -> str:
    if query:
        return select_in(query, source.dialect)
    name = choose(table, source.tables(), shown(address))
    return f"SELECT * FROM {source.quoted(name.schema)}.{source.quoted(name.name)}"


def _attached(address: str, table: str, query: str) -> ir.Table:
    """A table of a DuckDB file, where it is; nothing is copied."""
    path = str(addresses.file(address)).replace("'", "''")
    connection = connect()
    connection.raw_sql(f"ATTACH '{path}' AS {ATTACHED} (TYPE duckdb, READ_ONLY)")
    connection.raw_sql(f"USE {ATTACHED}")  # where its views look for their tables
    if query:
        select = select_in(query, "duckdb")
        connection.raw_sql(f"CREATE TEMP VIEW selected AS SELECT * FROM ({select}\n)")
        return connection.table("selected", database=("temp", "main"))
    name = choose(table, _tables(connection), shown(address))
    return connection.table(name.name, database=(ATTACHED, name.schema))


def _tables(connection: Backend) -> list[TableName]:
    rows = connection.con.execute(
        "SELECT table_schema, table_name, table_schema = 'main' FROM information_schema.tables "
        "WHERE table_catalog = ? ORDER BY 3 DESC, 1, 2",
        [ATTACHED],
    )
    return [TableName(*row) for row in rows.fetchall()]


def _copied(source: Source, select: str) -> ir.Table:
    """The rows of a SELECT, streamed into a temporary table."""
    types = source.types(select)
    connection = connect()
    columns = ", ".join(f"{_quoted(column)} {_stored(kind)}" for column, kind in types.items())
    connection.raw_sql(f"CREATE TEMP TABLE {COPIED} ({columns})")
    for batch in source.batches(select, ROWS_A_BATCH):
        _insert(connection, types, batch)
    _settle_decimals(connection, [column for column, kind in types.items() if kind == "DECIMAL"])
    return connection.table(COPIED, database=("temp", "main"))


def _insert(connection: Backend, types: Mapping[str, str], columns: Sequence[Sequence[Any]]) -> None:
    import pyarrow as pa

    arrays = [_array(column, kind) for column, kind in zip(columns, types.values(), strict=True)]
    batch = pa.table(arrays, names=[f"c{place}" for place in range(len(types))])
    values = ", ".join(_typed(f"c{place}", kind) for place, kind in enumerate(types.values()))
    connection.con.register("batch", batch)
    connection.raw_sql(f"INSERT INTO {COPIED} SELECT {values} FROM batch")
    connection.con.unregister("batch")


def _array(column: Sequence[Any], kind: str) -> pa.Array:
    """Values of one type; of a text column that holds others, their texts."""
    import pyarrow as pa

    if kind != "VARCHAR":
        return pa.array(column)
    try:
        return pa.array(column, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.array([_text(value) for value in column], pa.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _settle_decimals(connection: Backend, columns: Sequence[str]) -> None:
    """Texts of decimals to the narrowest decimal that holds them all exactly; they stay text when none does."""
    for column in map(_quoted, columns):
        digits = f"replace(replace({column}, '-', ''), '+', '')"
        whole, fraction = (f"coalesce(max(length(split_part({digits}, '.', {at}))), 0)" for at in (1, 2))
        finite = f"regexp_full_match({column}, '[-+]?[0-9]+([.][0-9]*)?')"
        answer = connection.con.execute(f"SELECT {whole}, {fraction} FROM {COPIED} WHERE {finite}").fetchall()
        before, after = answer[0]
        if before + after <= DIGITS:
            kind = f"DECIMAL({max(before + after, 18)}, {after})"
            connection.raw_sql(
                f"ALTER TABLE {COPIED} ALTER {column} TYPE {kind} USING TRY_CAST({column} AS {kind})"
            )


def _typed(column: str, kind: str) -> str:
    """A column of a batch as SQL of its type; an infinite date is null, as in a file."""
    if kind in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
        column = f"nullif(nullif({column}, 'infinity'), '-infinity')"
    return f"TRY_CAST({column} AS {_stored(kind)})"


def _stored(kind: str) -> str:
    return "VARCHAR" if kind == "DECIMAL" else kind


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
