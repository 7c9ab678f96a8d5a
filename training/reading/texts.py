"""Any column as text, without the blanks around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

BLANK = " \t\r\n\u00a0"


def text_of(column: ir.Value) -> ir.StringValue:
    """Any column as text without blanks around it; whole floats without decimals."""
    if column.type().is_string():
        # A regular expression, because DuckDB's trim of a set of characters is four times slower.
        return column.re_replace(f"^[{BLANK}]+|[{BLANK}]+$", "")
    if column.type().is_floating():
        whole = column.try_cast("int64")
        return (column == whole).ifelse(whole.cast("string"), column.cast("string"))
    return column.cast("string")
