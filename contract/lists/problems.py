"""Why a list cannot be given: what was given, what was expected, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN_CHARACTERS = 40


class ListError(ValueError):
    """What was asked for makes no sense. The message says what was given, what was expected, what to do."""


class NotInVersion(ListError):
    """What was asked for makes sense, and this model version does not hold it. The message says what to do."""


def shown(text: str) -> str:
    """A text as given, in quotes and short enough for a message."""
    short = text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
    return f'"{short}"'


def unknown(what: str, given: str, known: Iterable[str]) -> ListError:
    """An error for a name that is none of the `known` ones, which are told, the likely one first."""
    names = list(known)
    close = get_close_matches(given.casefold(), [name.casefold() for name in names], 1)
    meant = next((name for name in names if close and name.casefold() == close[0]), None)
    hint = f" Did you mean {meant}?" if meant else ""
    return ListError(f"{what} {shown(given)} is not known. Expected one of: {', '.join(names)}.{hint}")
