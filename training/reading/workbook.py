"""A spreadsheet (.xlsx): all of its sheets that hold the table, as one table of text."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import InputError
from training.reading import bombs

if TYPE_CHECKING:
    import pyarrow as pa

HEADER_WITHIN = 20


@dataclass(frozen=True)
class Headers:
    """How a header is known by its names: surely, or with a question open; and how many of the names are known."""

    is_header: Callable[[list[str]], bool]
    is_open: Callable[[list[str]], bool]
    known: Callable[[list[str]], int]


def load(path: Path, headers: Headers) -> pa.Table:
    """A workbook -> its table, every column text, the rows of all sheets one after the other.

    A sheet holds the table when one of its first 20 rows is a header; other sheets (notes, totals) are left out. When
    no row of any sheet is surely one, those with a question open are. When there are none either, the row with most
    known names counts as header, so that the caller can say what is missing from it.

    Every cell is turned into text by itself, so a column may mix numbers and words: 536365.0 is
    "536365", a date is "2010-12-01 08:26:00", an empty cell is null.

    Raises InputError for a damaged file, one too large to be held in memory (`bombs.check_workbook`),
    for no cells at all, and for sheets with other columns.
    """
    import pyarrow as pa
    from python_calamine import CalamineWorkbook

    bombs.check_workbook(path)
    try:
        workbook = CalamineWorkbook.from_path(path)
        sheets = {name: workbook.get_sheet_by_name(name).to_python() for name in workbook.sheet_names}
    # Calamine has a class for each of the many ways in which a zip of XML breaks.
    except Exception as error:
        raise InputError(
            f"{path} cannot be opened as a workbook: {error}. Expected an .xlsx file. Save it again as .xlsx."
        ) from None

    tables = _tables(path, sheets, headers.is_header) or _tables(path, sheets, headers.is_open)
    if not tables:
        likeliest = {sheet: _likeliest(rows, headers) for sheet, rows in sheets.items()}
        filled = {sheet: row for sheet, row in likeliest.items() if row}
        if not filled:
            raise InputError(f"{path} is empty. Expected a sheet with a header row and one row a purchase.")
        _check_sheets(path, filled)
        (header,) = filled.values()
        return _table(path, header, [])

    (first, table), *others = tables.items()
    for sheet, other in others:
        if set(other.column_names) != set(table.column_names):
            raise InputError(
                f'{path}: sheet "{sheet}" has the columns {", ".join(other.column_names)}; '
                f'sheet "{first}" has {", ".join(table.column_names)}. Expected the same columns in both. '
                "Rename them, or save the sheets as separate files."
            )
    return pa.concat_tables([table, *(other.select(table.column_names) for _, other in others)])


def _tables(
    path: Path, sheets: Mapping[str, list[list[Any]]], is_header: Callable[[list[str]], bool]
) -> dict[str, pa.Table]:
    """The tables of the sheets that have a header."""
    tables = {}
    for sheet, rows in sheets.items():
        for number, row in enumerate(rows[:HEADER_WITHIN]):
            if is_header(_names(row)):
                tables[sheet] = _table(path, row, rows[number + 1 :])
                break
    return tables


def _likeliest(rows: Sequence[list[Any]], headers: Headers) -> list[Any] | None:
    """Of the first filled rows the one with most known names, and of these with most names; None of a blank sheet."""
    filled = [row for row in rows[:HEADER_WITHIN] if any(map(_text, row))]
    if not filled:
        return next((row for row in rows if any(map(_text, row))), None)
    return max(filled, key=lambda row: (headers.known(_names(row)), sum(map(bool, _names(row)))))


def _check_sheets(path: Path, headers: Mapping[str, list[Any]]) -> None:
    """Raise InputError, with the columns of each sheet, where several hold something and none is the table."""
    if len(headers) > 1:
        told = "; ".join(
            f'sheet "{sheet}" has {", ".join(filter(None, _names(row)))}' for sheet, row in headers.items()
        )
        raise InputError(
            f"No sheet of {path} holds the table: {told}. Expected columns for customer, date and money in one. "
            "Map them with --column customer=NAME --column date=NAME --column amount=NAME."
        )


def _names(row: list[Any]) -> list[str]:
    """The cells of a header row as names; "" where the cell is empty."""
    return [(_text(cell) or "").strip() for cell in row]


def _table(path: Path, header: list[Any], rows: list[list[Any]]) -> pa.Table:
    """A header and the rows under it -> a table of text, without blank rows and columns without a name."""
    import pyarrow as pa

    named = [(position, name) for position, name in enumerate(_names(header)) if name]
    if twice := [name for name, count in Counter(name.lower() for _, name in named).items() if count > 1]:
        raise InputError(
            f"{path} has more than one column named {twice[0]}. Expected every name once. Rename one of them."
        )
    texts = [[_text(row[position]) for position, _ in named] for row in rows]
    filled = [row for row in texts if any(row)]
    columns = list(zip(*filled, strict=True)) or [()] * len(named)
    return pa.table(
        {name: pa.array(column, pa.string()) for (_, name), column in zip(named, columns, strict=True)}
    )


def _text(cell: Any) -> str | None:
    """A cell as text; a whole number has no decimals, because a spreadsheet stores 536365 as 536365.0."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
