"""Numbers as readers of a language write them. The words around them stay English.

contract/words.py writes numbers in English; `localised` rewrites them in a finished text, so that sentences which a
training left are read like the numbers beside them. serving/static/words.js has the same rule for what it asks later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NARROW_SPACE, FIXED_SPACE = "\u202f", "\u00a0"


@dataclass(frozen=True)
class Marks:
    """What stands between thousands, before decimals, and between a number and its percent sign."""

    thousands: str
    decimals: str
    percent: str


MARKS = {
    "en": Marks(",", ".", ""),
    "de": Marks(".", ",", FIXED_SPACE),
    "fr": Marks(NARROW_SPACE, ",", FIXED_SPACE),
}
LANGUAGES = tuple(MARKS)
# 1,234 and 1,234.5 and 2.5 and 61%; not 0.2.0, v1.2, 10:30 or a date.
ENGLISH_NUMBER = re.compile(r"(?<![\w.,:/])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(%?)(?![\w/]|[.,:]\d)")


def localised(text: str, language: str) -> str:
    """The same text with its numbers as readers of `language` write them: "1,234.5" -> "1.234,5" in German."""
    marks = MARKS[language]
    if language == "en":
        return text

    def written(match: re.Match[str]) -> str:
        whole, decimals, percent = match[1], match[2] or "", match[3]
        return (
            whole.replace(",", marks.thousands)
            + decimals.replace(".", marks.decimals)
            + (f"{marks.percent}%" if percent else "")
        )

    return ENGLISH_NUMBER.sub(written, text)
