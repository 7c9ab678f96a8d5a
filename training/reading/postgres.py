"""A PostgreSQL server, read by psycopg through a cursor on the server's side, in a read-only transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from training.errors import InputError
from training.reading.address import Address
from training.reading.selection import TableName

SECONDS_TO_CONNECT = 10
# PostgreSQL's own numbers of types -> types in DuckDB. All others are read as PostgreSQL writes them.
TYPES = {
    16: "BOOLEAN",
    20: "BIGINT",
    21: "BIGINT",
    23: "BIGINT",
    700: "DOUBLE",
    701: "DOUBLE",
    1082: "DATE",
    1114: "TIMESTAMP",
    1184: "TIMESTAMPTZ",
    1700: "DECIMAL",
}
SETTINGS = ("datestyle TO 'ISO'", "timezone TO 'UTC'", "extra_float_digits TO 1", "bytea_output TO 'hex'")
NAMES = """
    SELECT n.nspname, c.relname, pg_table_is_visible(c.oid) FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE
    c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY 3 DESC, 1, 2
"""


class Postgres:
    """A connection to a PostgreSQL server, in one read-only transaction."""

    dialect = "postgres"

    def __init__(self, address: Address) -> None:
        try:
            import psycopg
        except ImportError:
            raise InputError(
                f"{address.scheme}:// was given, but psycopg is not installed. Expected the extra `postgres`. "
                "Run: pip install -e '.[postgres]'"
            ) from None
        given = {
            "host": address.host,
            "port": address.port if address.host else "",
            "user": address.user,
            "password": address.password,
            "dbname": address.database,
        }
        settings = {"connect_timeout": SECONDS_TO_CONNECT} | {
            name: value for name, value in given.items() if value
        }
        self._connection = psycopg.connect(**(settings | dict(address.options)))  # type: ignore[arg-type]
        self._connection.read_only = True
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for setting in SETTINGS:
            self._connection.execute(f"SET LOCAL {setting}")

    def close(self) -> None:
        """End the transaction and the connection."""
        self._connection.close()

    def tables(self) -> list[TableName]:
        """Its tables and views, those of the search path first."""
        return [TableName(*row) for row in self._connection.execute(NAMES)]

    def quoted(self, name: str) -> str:
        """A name as SQL."""
        return '"' + name.replace('"', '""') + '"'

    def types(self, select: str) -> dict[str, str]:
        """The columns of a SELECT and their types in DuckDB."""
        columns = (
            self._connection.execute(f"SELECT * FROM ({select}\n) AS selected LIMIT 0").description or []
        )
        return {column.name: TYPES.get(column.type_code, "VARCHAR") for column in columns}

    def batches(self, select: str, rows: int) -> Iterator[list[Sequence[Any]]]:
        """The columns of so many rows at a time, every value as its text."""
        texts = ", ".join(f"{self.quoted(name)}::text" for name in self.types(select))
        with self._connection.cursor(name="segments") as cursor:
            cursor.execute(f"SELECT {texts} FROM ({select}\n) AS selected")
            while batch := cursor.fetchmany(rows):
                yield list(zip(*batch, strict=True))
