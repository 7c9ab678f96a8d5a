"""What a spreadsheet program takes for a formula, and the text that it takes for a text."""

from __future__ import annotations

import re

SPLITS_A_CELL = re.compile(r"([;\t\r\n]\s*)(?=[=+\-@])")
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(value: object) -> object:
    """A text that no spreadsheet takes for a formula, neither as a cell nor where it splits at a semicolon or tab.

    It gets an apostrophe in front. What is no text stays as it is.
    """
    if not isinstance(value, str):
        return value
    safe = SPLITS_A_CELL.sub(r"\1'", value)
    return f"'{safe}" if safe.startswith(DANGEROUS) else safe
