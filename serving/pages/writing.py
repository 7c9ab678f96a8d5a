"""How the templates write numbers: contract/words.py in the language of the reader, and money with its currency."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, g, request

from contract import colours, words
from contract.languages import LANGUAGES, localised
from contract.lists.columns import FLAG, MONEY, SHARE, Column

LANGUAGE_SETTING, CURRENCY_SETTING = "SEGMENTS_LANGUAGE", "SEGMENTS_CURRENCY"
NUMBERS: tuple[Callable[..., str], ...] = (
    words.whole,
    words.number,
    words.amount,
    words.percent,
    words.score,
    words.measure,
    words.counted,
    words.plainly,
)
PLAIN: tuple[Callable[..., str], ...] = (
    words.day,
    words.month_name,
    words.titled,
    words.verb,
    words.listed,
)


def register(app: Flask) -> None:
    """Teach the templates the words and the palette."""
    every: list[Callable[..., str]] = [*map(_in_their_language, NUMBERS), *PLAIN, said, money, cell]
    for word in every:
        app.add_template_filter(word)
        app.add_template_global(word)
    app.add_template_global(language)
    app.add_template_global(colours.style_sheet, "palette")
    app.jinja_env.globals["colours"] = colours.MEANINGS
    app.jinja_env.globals["words"] = words.WORDS


def language() -> str:
    """The language whose numbers the reader reads: the setting, else what the browser asks for, else English."""
    if "language" not in g:
        setting = os.environ.get(LANGUAGE_SETTING, "")
        g.language = (
            setting if setting in LANGUAGES else request.accept_languages.best_match(LANGUAGES, "en") or "en"
        )
    return str(g.language)


def currency(found: str) -> str:
    """The currency that money is in: the setting, else what the training found in the data; "" where neither says."""
    return os.environ.get(CURRENCY_SETTING, "") or found


def said(text: str | None) -> str:
    """A finished sentence with its numbers in the reader's language."""
    return localised(text or "", language())


def money(value: float | None, unit: str = "") -> str:
    """An amount with its currency, where that is known: 1234.5 -> "1,235 GBP"."""
    text = said(words.amount(value))
    return f"{text}\u00a0{unit}" if unit and text != words.NOTHING else text


def cell(value: object, column: Column) -> str:
    """A value of a list as people read it."""
    if value is None or value == "":
        return words.NOTHING
    if column.kind == FLAG:
        return "yes" if value else "no"
    if isinstance(value, str):
        return words.plainly(said(value)) if column.name in ("anomaly_reason", "returns_note") else value
    if column.unit == MONEY:
        return said(words.amount(float(str(value))))
    if column.unit == SHARE:
        return said(words.percent(float(str(value))))
    written = words.number if column.unit or column.is_whole else words.score
    return said(written(float(str(value))))


def _in_their_language(word: Callable[..., str]) -> Callable[..., str]:
    @wraps(word)
    def written(*given: Any, **named: Any) -> str:
        return said(word(*given, **named))

    return written
