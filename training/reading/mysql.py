"""A MySQL or MariaDB server, read by PyMySQL row by row as it sends them, in a read-only transaction."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from training.errors import InputError
from training.reading.address import Address
from training.reading.selection import TableName

SECONDS_TO_CONNECT = 10
OPTIONS = ("charset", "ssl_ca", "ssl_cert", "ssl_key", "unix_socket")
# MySQL's own numbers of types -> types in DuckDB. All others are read as MySQL writes them.
TYPES = {
    0: "DECIMAL",
    1: "BIGINT",
    2: "BIGINT",
    3: "BIGINT",
    4: "DOUBLE",
    5: "DOUBLE",
    7: "TIMESTAMPTZ",
    8: "DECIMAL",  # 64 bits, perhaps without a sign
    9: "BIGINT",
    10: "DATE",
    12: "TIMESTAMP",
    13: "BIGINT",
    246: "DECIMAL",
}
NAMES = """
    SELECT table_schema, table_name, table_schema = coalesce(database(), '') FROM information_schema.tables
    WHERE table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') ORDER BY 3 DESC, 1, 2
"""


class MySQL:
    """A connection to a MySQL or MariaDB server, in one read-only transaction."""

    dialect = "mysql"

    def __init__(self, address: Address) -> None:
        try:
            import pymysql
        except ImportError:
            raise InputError(
                f"{address.scheme}:// was given, but PyMySQL is not installed. Expected the extra `mysql`. "
                "Run: pip install -e '.[mysql]'"
            ) from None
        unknown = [name for name in address.options if name not in OPTIONS]
        if unknown:
            raise InputError(
                f"The address has the option {unknown[0]}. Expected none, or one of: {', '.join(OPTIONS)}. Correct it."
            )
        self._connection = pymysql.connect(
            host=address.host or "localhost",
            port=address.port,
            user=address.user or None,
            password=address.password or os.environ.get("MYSQL_PWD", ""),
            database=address.database or None,
            conv=pymysql.converters.encoders,  # no decoders: every value as its text, which DuckDB types
            cursorclass=pymysql.cursors.SSCursor,
            connect_timeout=SECONDS_TO_CONNECT,
            **({"charset": "utf8mb4"} | dict(address.options)),
        )
        self._run("SET time_zone = '+00:00'")
        self._run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def close(self) -> None:
        """End the transaction and the connection."""
        self._connection.close()

    def tables(self) -> list[TableName]:
        """Its tables and views, those of the address's database first."""
        return [TableName(schema, name, near == "1") for schema, name, near in self._run(NAMES)[1]]

    def quoted(self, name: str) -> str:
        """A name as SQL."""
        return "`" + name.replace("`", "``") + "`"

    def types(self, select: str) -> dict[str, str]:
        """The columns of a SELECT and their types in DuckDB."""
        columns, _ = self._run(f"SELECT * FROM ({select}\n) AS selected LIMIT 0")
        return {name: TYPES.get(code, "VARCHAR") for name, code, *_ in columns}

    def batches(self, select: str, rows: int) -> Iterator[list[Sequence[Any]]]:
        """The columns of so many rows at a time, every value as its text."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM ({select}\n) AS selected")
            while batch := cursor.fetchmany(rows):
                yield list(zip(*batch, strict=True))

    def _run(self, statement: str) -> tuple[Sequence[Any], Sequence[Any]]:
        """The columns and the rows of one statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.description or (), cursor.fetchall() if cursor.description else ()
