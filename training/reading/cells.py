"""The cells of a shop's table as values: identifiers, numbers, moments. All is portable Ibis: nothing runs here."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

from training.reading import textfile

if TYPE_CHECKING:
    import ibis.expr.types as ir

IDENTIFIERS = ("customer_id", "invoice")
BLANK = " \t\r\n\u00a0"
# What exports write where an identifier is missing.
MISSING = ("", "nan", "na", "n/a", "<na>", "null", "none")

# How a day is written, each form with the order of its three parts. Dots are always day-first;
# the form that could be either is ordered by the data.
CLOCK = (
    "(?:[T ,]+([01]?[0-9]|2[0-3]):([0-9]{2})(?::([0-9]{2}(?:[.][0-9]+)?))?"  # 8:26, 08:26:00, 08:26:00.000
    "(?: ?([AaPp])[.]?[Mm][.]?)?"  # PM, p.m.
    "(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?(?:[0-9]{2})?))?)?"  # a zone is left out: the time is the shop's own
)
DAYS = {
    "([12][0-9]{3})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})": "ymd",
    "([12][0-9]{3})([0-9]{2})([0-9]{2})(?:[.]0)?": "ymd",
    "([0-9]{1,2})[.]([0-9]{1,2})[.]([0-9]{4}|[0-9]{2})": "dmy",
    "([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4}|[0-9]{2})": "either",
    "([0-9]{1,2})[ -]?([A-Za-z]{3})[a-z]*[.,]?[ -]?([0-9]{4}|[0-9]{2})": "dmy",
    "([A-Za-z]{3})[a-z]*[.]? ([0-9]{1,2}),? ([0-9]{4})": "mdy",
}
ISO = "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]+)?)?$"
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


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
        return _number(column(role), kind, decimal) if role in roles else absent.cast(kind)

    quantity = number("quantity", "decimal(15, 3)", ibis.literal(1))
    price = number("price", "decimal(18, 6)", ibis.null())
    return {
        "customer_id": column("customer"),
        "invoice": column("invoice"),
        "date": _timestamp(column("date"), date_order),
        "quantity": quantity,
        "price": price,
        "amount": number("amount", "decimal(33, 9)", ibis.null()) if "amount" in roles else quantity * price,
        "stock_code": label("stock_code"),
        "country": label("country"),
    } | {f"other_{name}": table[name].cast("string") for name in table.columns if name not in roles.values()}


def text_of(column: ir.Value) -> ir.StringValue:
    """Any column as text without blanks around it; whole floats without decimals."""
    if column.type().is_string():
        # A regular expression, because DuckDB's trim of a set of characters is four times slower.
        return column.re_replace(f"^[{BLANK}]+|[{BLANK}]+$", "")
    if column.type().is_floating():
        whole = column.try_cast("int64")
        return (column == whole).ifelse(whole.cast("string"), column.cast("string"))
    return column.cast("string")


def identifier(column: ir.Value) -> ir.StringValue:
    """A column as identifiers: `17850.0` is `17850`, leading zeros stay, what is MISSING is null."""
    text = text_of(column)
    digits = (column if column.type().is_string() else text).re_extract(
        f"^[{BLANK}]*([0-9]+)(?:[.]0+)?[{BLANK}]*$", 1
    )
    return digits.nullif("").coalesce(text.lower().isin(MISSING).ifelse(None, text))


def _number(column: ir.Value, kind: str, decimal: str) -> ir.DecimalValue:
    """A column as decimals of this kind; text by its decimal mark, without currency and separators."""
    import ibis

    if not column.type().is_string():
        return column.try_cast(kind)
    mark, separator = (".", ",") if decimal == "point" else (",", ".")
    separators = f"[{separator}{textfile.BLANKS}]"
    form = (
        "^(?:[£$€] ?)?([+-]?)(?:[£$€] ?)?"
        f"([0-9]*|[0-9]{{1,3}}(?:{separators}[0-9]{{3}})+)"
        f"(?:[{mark}]([0-9]*))?[ \u00a0]?[£$€]?$"
    )
    plain = "^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$" if decimal == "point" else "^[+-]?[0-9]+$"
    text = text_of(column)
    return ibis.cases(
        (column.re_search(plain), column.try_cast(kind)),
        (
            text.re_search(form) & text.re_search("[0-9]"),
            (
                text.re_extract(form, 1)
                + text.re_extract(form, 2).re_replace(separators, "")
                + "."
                + text.re_extract(form, 3)
            ).try_cast(kind),
        ),
    )


def _timestamp(column: ir.Value, date_order: str) -> ir.TimestampValue:
    """A column as timestamps; text in any of the forms in DAYS, with or without a time of day."""
    import ibis

    if column.type().is_timestamp() or column.type().is_date():
        return column.cast("timestamp")
    text = text_of(column)
    branches = []
    if column.type().is_string():
        branches.append((column.re_search(ISO), column.try_cast("timestamp")))
    for form, order in DAYS.items():
        pattern = f"^{form}{CLOCK}$"
        letters = {"day-first": "dmy", "month-first": "mdy"}[date_order] if order == "either" else order
        part = {letter: text.re_extract(pattern, position) for position, letter in enumerate(letters, 1)}
        hour, minute, second, half = (text.re_extract(pattern, position) for position in range(4, 8))
        century = (part["y"] < "69").ifelse("20", "19")
        year = (part["y"].length() == 2).ifelse(century + part["y"], part["y"])
        month = (
            part["m"]
            .lower()
            .cases(*((name, str(number)) for number, name in enumerate(MONTHS, 1)), else_=part["m"])
        )
        twelve = hour.try_cast("int64")
        clock = ibis.cases(
            (hour == "", "0"),
            (half == "", hour),
            (twelve.between(1, 12), (twelve % 12 + (half.lower() == "p").ifelse(12, 0)).cast("string")),
        )
        iso = [year, "-", month, "-", part["d"], " ", clock, ":", _or_zero(minute), ":", _or_zero(second)]
        branches.append((text.re_search(pattern), reduce(operator.add, iso).try_cast("timestamp")))
    return ibis.cases(*branches)


def _or_zero(text: ir.StringValue) -> ir.StringValue:
    return (text == "").ifelse("00", text)
