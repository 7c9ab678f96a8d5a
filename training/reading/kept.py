"""A table that is run once, and then kept by its engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir


def kept(table: ir.Table) -> ir.Table:
    """A table, run once and kept by its engine."""
    import ibis

    backend = table.get_backend()
    if backend.name == "pyspark":  # has no temporary tables, but keeps one in memory and on disk
        return table.cache()
    return backend.create_table(ibis.util.gen_name("kept"), table, temp=True)


def forget(*tables: ir.Table) -> None:
    """Drop tables that `kept` made, and that nothing needs any more."""
    for table in tables:
        if table.get_backend().name == "duckdb":
            table.get_backend().drop_table(table.op().name)


def rows_of(table: ir.Table) -> list[dict[str, Any]]:
    """All rows of a small table."""
    return table.to_pyarrow().to_pylist()


def one_row(table: ir.Table) -> dict[str, Any]:
    """The only row of a table of sums; 0 where there was nothing to sum."""
    (row,) = rows_of(table)
    return {name: value or 0 for name, value in row.items()}
