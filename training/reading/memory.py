"""A DuckDB of our own that takes little memory; what does not fit waits in temporary files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from training.reading.kept import quoted

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

BYTES_PER_CORE = 160_000_000
MORE = 10
BYTES_PER_ROW = 160  # of a kept table of moments, with what queries on it need beside
BYTES_PER_ORDER = 80  # of a kept table of orders, from which customers are counted


def memory_bytes() -> int:
    """The memory that `connect` allows."""
    return BYTES_PER_CORE * (os.cpu_count() or 1)


def connect() -> Backend:
    """DuckDB in memory, of which it takes `memory_bytes`."""
    import ibis

    spill = Path(tempfile.gettempdir(), ibis.util.gen_name(f"segments-{os.getpid()}"))
    return ibis.duckdb.connect(memory_limit=f"{memory_bytes()}B", temp_directory=str(spill))


def with_more(table: ir.Table) -> ir.Table:
    """The same table, for whose query the memory was too little: it may take MORE times as much."""
    return _allowed(table, MORE * memory_bytes())


def with_room(table: ir.Table) -> ir.Table:
    """The same table, kept by DuckDB, which may take more than `memory_bytes` where it has very many rows."""
    return _allowed_by_row(table, BYTES_PER_ROW)


def with_less_room(orders: ir.Table) -> ir.Table:
    """The same table, kept by DuckDB, after customers were counted from it: to do so again may take longer."""
    return _allowed_by_row(orders, BYTES_PER_ORDER)


def _allowed_by_row(table: ir.Table, bytes_per_row: int) -> ir.Table:
    query = f"SELECT count(*) FROM {quoted(table.op().name)}"
    ((rows,),) = table.get_backend().raw_sql(query).fetchall()
    needed = rows * bytes_per_row
    return _allowed(table, needed) if needed > memory_bytes() else table


def _allowed(table: ir.Table, limit_bytes: int) -> ir.Table:
    table.get_backend().raw_sql(f"SET memory_limit = '{limit_bytes}B'")
    return table


@contextmanager
def little_spilled(table: ir.Table) -> Iterator[None]:
    """Inside the `with`, a query that would have to write more than `memory_bytes` to temporary files fails soon."""
    backend = table.get_backend()
    backend.raw_sql(f"SET max_temp_directory_size = '{memory_bytes()}B'")
    try:
        yield
    finally:
        backend.raw_sql("RESET max_temp_directory_size")
