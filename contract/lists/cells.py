"""Cells of files that people open in spreadsheets: a text is never taken for a formula there."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

SPLITS_A_CELL = re.compile(r"([;\t\r\n]\s*)(?=[=+\-@])")
MAY_BE_DANGEROUS = re.compile(r"\A[=+\-@＝＋－＠]|[;\t\r\n]")  # most texts are not, and one look tells
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(value: object) -> object:
    """A text that no spreadsheet takes for a formula, neither as a cell nor where it splits at a semicolon or tab."""
    if not isinstance(value, str) or not MAY_BE_DANGEROUS.search(value):
        return value
    safe = SPLITS_A_CELL.sub(r"\1'", value)
    return f"'{safe}" if safe.startswith(DANGEROUS) else safe


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows as lines of CSV."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()
