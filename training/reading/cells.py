"""The cells of a shop's table as values: identifiers, numbers, moments. All is portable Ibis: nothing runs here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from training.reading import dates, money
from training.reading.texts import BLANK, text_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

IDENTIFIERS = ("customer_id", "invoice")
# What exports write where an identifier is missing.
MISSING = ("", "nan", "na", "n/a", "<na>", "null", "none")

SCIENTIFIC = "^[ \t]*[0-9](?:[.,][0-9]+)?[eE][+][0-9]+[ \t]*$"  # a spreadsheet's, in which digits are lost
UNWRAPPED = """^(?:="+|'+)([^"']*)"*$"""  # ="0012" and '0013, by which spreadsheets keep zeros


def canonical(
    table: ir.Table, roles: Mapping[str, str], date_order: str = "day-first", decimal: str = "point"
) -> ir.Table:
    """A shop's own columns, as text or typed -> the canonical columns of `read`; nothing runs yet."""
    columns = canonical_columns(table, roles, date_order, decimal)
    columns |= {name: identifier(columns[name]) for name in IDENTIFIERS}
    if "amount" not in roles:
        # One factor of more than 18 digits makes DuckDB multiply in 128 bits, where no product overflows.
        columns["amount"] = columns["quantity"].cast("decimal(19, 6)") * columns["price"]
    return table.select(**(columns | {"amount": columns["amount"].cast("decimal(38, 9)")}))


def canonical_columns(
    table: ir.Table, roles: Mapping[str, str], date_order: str = "day-first", decimal: str = "point"
) -> dict[str, ir.Value]:
    """The columns of `canonical`, identifiers still as they are stored, amounts of as many digits as their factors."""
    import ibis

    def column(role: str) -> ir.Value:
        return table[roles[role]] if role in roles else ibis.null("string")

    def label(
        role: str,
    ) -> ir.StringValue:  # as it is written: looking at every blank costs more than it gives
        given = column(role)
        return (given if given.type().is_string() else text_of(given)).nullif("")

    def number(role: str, kind: str, absent: ir.Value) -> ir.DecimalValue:
        return money.number(column(role), kind, decimal) if role in roles else absent.cast(kind)

    quantity = number("quantity", "decimal(15, 3)", ibis.literal(1))
    price = number("price", "decimal(18, 6)", ibis.null())
    return {
        "customer_id": column("customer"),
        "invoice": column("invoice"),
        "date": dates.timestamp(column("date"), date_order),
        "quantity": quantity,
        "price": price,
        "amount": number("amount", "decimal(33, 9)", ibis.null()) if "amount" in roles else quantity * price,
        "stock_code": label("stock_code"),
        "country": label("country"),
    } | {f"other_{name}": table[name].cast("string") for name in table.columns if name not in roles.values()}


def identifier(column: ir.Value) -> ir.StringValue:
    """A column as identifiers: `17850.0` is `17850`, leading zeros stay, what is MISSING is null."""
    text = text_of(column)
    digits = (column if column.type().is_string() else text).re_extract(
        f"^[{BLANK}]*([0-9]+)(?:[.]0+)?[{BLANK}]*$", 1
    )
    unwrapped = text.re_extract(UNWRAPPED, 1)
    return digits.nullif("").coalesce(
        unwrapped.nullif(""),
        text.lower().isin(MISSING).ifelse(None, text).re_replace(UNWRAPPED, "").nullif(""),
    )
