"""A SQLite file, read by Python's own driver; its columns are typed by the values in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from training.reading.selection import TableName

LARGEST_EXACT = 2**53  # whole numbers up to it are the same as floats
TYPES = {  # the kinds of value in a column, and the type that holds them all unchanged
    frozenset(["integer"]): "BIGINT",
    frozenset(["integer", "large"]): "BIGINT",
    frozenset(["large"]): "BIGINT",
    frozenset(["real"]): "DOUBLE",
    frozenset(["integer", "real"]): "DOUBLE",
}


class SQLite:
    """A SQLite database, opened to be read only."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
        )
        self._connection.text_factory = partial(str, encoding="utf-8", errors="backslashreplace")
        self._connection.execute("BEGIN")  # what is asked and what is read are of one moment

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def tables(self) -> list[TableName]:
        """Its tables and views."""
        rows = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        return [TableName("main", name, True) for (name,) in rows]

    def quoted(self, name: str) -> str:
        """A name as SQL."""
        return '"' + name.replace('"', '""') + '"'

    def types(self, select: str) -> dict[str, str]:
        """The columns of a SELECT and their types in DuckDB; values of different kinds in one column are text."""
        names = [
            column[0] for column in self._connection.execute(f"SELECT * FROM ({select}) LIMIT 0").description
        ]
        kind = "CASE WHEN typeof({0}) = 'integer' AND {0} NOT BETWEEN -{1} AND {1} THEN 'large' ELSE typeof({0}) END"
        asked = [f"group_concat(DISTINCT {kind.format(self.quoted(name), LARGEST_EXACT)})" for name in names]
        answer = self._connection.execute(f"SELECT {', '.join(asked)} FROM ({select})").fetchone()
        kinds = [frozenset((text or "").split(",")) - {"null", ""} for text in answer]
        return {name: TYPES.get(found, "VARCHAR") for name, found in zip(names, kinds, strict=True)}

    def batches(self, select: str, rows: int) -> Iterator[list[Sequence[Any]]]:
        """The columns of so many rows at a time."""
        cursor = self._connection.execute(f"SELECT * FROM ({select})")
        while batch := cursor.fetchmany(rows):
            yield list(zip(*batch, strict=True))
