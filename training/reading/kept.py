"""A table that is run once, and then kept by its engine."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.duckdb import Backend
    from ibis.backends.sql.datatypes import SqlglotType
    from ibis.expr.datatypes import DataType


def kept(table: ir.Table) -> ir.Table:
    """A table, run once and kept by its engine."""
    import ibis

    backend = table.get_backend()
    if backend.name == "pyspark":  # has no temporary tables, but keeps one in memory and on disk
        return table.cache()
    name = ibis.util.gen_name("kept")
    with nested_selects():
        if backend.name != "duckdb":
            return backend.create_table(name, table, temp=True)
        return _created(name, table, backend)


def kept_with(table: ir.Table, columns: Mapping[str, ir.Value], without: Collection[str] = ()) -> ir.Table:
    """A table that is kept, with columns added or replaced and some left out, kept as a new one.

    On DuckDB only the columns are compiled, because Ibis takes long for many; so no window function of theirs may
    stand in another one.
    """
    import ibis

    backend = table.get_backend()
    if backend.name != "duckdb":
        return kept(table.mutate(**columns).drop(*without))
    left_out = {*without, *(name for name in columns if name in table.columns)}
    rest = {name: kind for name, kind in table.schema().items() if name not in left_out}
    added = table.select(**columns)
    with nested_selects():
        query = backend.compile(added).removeprefix("SELECT")
    star = f"* EXCLUDE ({', '.join(map(quoted, sorted(left_out)))})" if left_out else "*"
    kinds = rest | dict(added.schema().items())
    return _stored(ibis.util.gen_name("kept"), kinds, f"SELECT {star}, {query}", backend)


def kept_distinct(table: ir.Table, lowest: Collection[str]) -> ir.Table:
    """A table with equal rows as one, kept: the number of its `copies`, and of the columns `lowest` the least value."""
    import ibis

    backend = table.get_backend()
    names = [name for name in table.columns if name not in lowest]
    if backend.name != "duckdb":
        least = {name: table[name].min() for name in lowest}
        return kept(table.group_by(names).aggregate(copies=table.count(), **least))
    least_sql = ", ".join(f"min({quoted(name)})" for name in lowest)
    columns = ", ".join(map(quoted, names))
    with nested_selects():
        query = f"SELECT {columns}, count(*), {least_sql} FROM ({backend.compile(table)}) GROUP BY {columns}"
    kinds = {name: table[name].type() for name in names} | {"copies": "int64"}
    kinds |= {name: table[name].type() for name in lowest}
    return _stored(ibis.util.gen_name("kept"), kinds, query, backend)


def _created(name: str, table: ir.Table, backend: Backend) -> ir.Table:
    """What DuckDB's `create_table` of Ibis gives, which compiles more and asks for the types that it said."""
    return _stored(name, dict(table.schema().items()), backend.compile(table), backend)


def _stored(name: str, kinds: Mapping[str, DataType | str], query: str, backend: Backend) -> ir.Table:
    """The rows of a query, whose columns are of these kinds, as a temporary table of DuckDB."""
    import ibis
    import ibis.expr.operations as ops

    schema = ibis.schema({column: _of_duckdb(kind) for column, kind in kinds.items()})
    types = ", ".join(
        f"{quoted(column)} {_sql_of_kind(kind, backend.compiler.type_mapper)}"
        for column, kind in schema.items()
    )
    backend.raw_sql(f"CREATE TEMP TABLE {quoted(name)} ({types})")
    backend.raw_sql(f"INSERT INTO temp.main.{quoted(name)} {query}")
    place = ops.Namespace(catalog="temp", database="main")
    return ops.DatabaseTable(name, schema=schema, source=backend, namespace=place).to_expr()


def _of_duckdb(kind: DataType | str) -> DataType:
    """The type of a column as DuckDB tells it: any cell may be null, moments have microseconds."""
    import ibis

    known = ibis.dtype(kind)
    return known.copy(nullable=True, **({"scale": 6} if known.is_timestamp() and known.scale is None else {}))


@functools.cache
def _sql_of_kind(kind: DataType, mapper: type[SqlglotType]) -> str:
    return mapper.to_string(kind)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def nested_selects() -> Iterator[None]:
    """Let Ibis write a SELECT for each step: to make one of several takes it longer than DuckDB needs to run them."""
    import ibis

    before = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        yield
    finally:
        ibis.options.sql.fuse_selects = before


def forget(*tables: ir.Table) -> None:
    """Drop tables that `kept` made, and that nothing needs any more."""
    for table in tables:
        if table.get_backend().name == "duckdb":
            table.get_backend().drop_table(table.op().name)


def rows_of(table: ir.Table) -> list[dict[str, Any]]:
    """All rows of a small table; where a moment is beyond the year 9999, moments are text."""
    with nested_selects():
        rows = table.to_pyarrow()
    try:
        return rows.to_pylist()
    except OverflowError:  # of Python's datetime
        return _with_moments_as_text(rows).to_pylist()


def _with_moments_as_text(rows: pa.Table) -> pa.Table:
    import pyarrow as pa

    types = [pa.string() if pa.types.is_temporal(kind) else kind for kind in rows.schema.types]
    return rows.cast(pa.schema(list(zip(rows.column_names, types, strict=True))))


def one_row(table: ir.Table) -> dict[str, Any]:
    """The only row of a table of sums; 0 where there was nothing to sum."""
    (row,) = rows_of(table)
    return {name: value or 0 for name, value in row.items()}
