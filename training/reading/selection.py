"""What of a database is read: one of its tables or views by its name, or the SELECT in a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from training.errors import InputError

MOST_NAMES = 10


class TableName(NamedTuple):
    """A table or view; `is_near` when it needs no schema before its name."""

    schema: str
    name: str
    is_near: bool

    @property
    def text(self) -> str:
        """The name as --table takes it."""
        return self.name if self.is_near or not self.schema else f"{self.schema}.{self.name}"


def choose(wanted: str, names: Sequence[TableName], place: str) -> TableName:
    """The table that `wanted` ([SCHEMA.]NAME, quoted or not) names among those of the database `place`.

    A name that differs only in case is taken when it is the only one. Raises InputError, with the names that look most
    like it, when there is none or several.
    """
    spellings = (str, _without_quotes, lambda text: _without_quotes(text).casefold())
    for spelling in spellings:
        equal = [
            name for name in names if spelling(wanted) in (spelling(name.name), spelling(".".join(name[:2])))
        ]
        near = [name for name in equal if name.is_near and spelling(wanted) == spelling(name.name)]
        if len(near or equal) == 1:
            return (near or equal)[0]
        if equal:
            listed = " or ".join(f"--table {name.text}" for name in equal[:MOST_NAMES])
            raise InputError(
                f"{len(equal)} tables of {place} are called {wanted}. Expected one. Give {listed}."
            )
    raise InputError(
        f"No table or view {wanted} in {place}. Expected one of: {_closest(wanted, names)}. "
        "Check --table [SCHEMA.]NAME."
    )


def select_in(file: str, dialect: str) -> str:
    """The text of a file that holds one SELECT, without what follows it. Raises InputError for any other statement."""
    from sqlglot import tokenize
    from sqlglot.errors import SqlglotError
    from sqlglot.tokens import TokenType

    expected = f"Expected one SELECT in the words of {dialect}, and nothing after it. Correct the file."
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
        tokens = tokenize(text, read=dialect)
    except (SqlglotError, UnicodeDecodeError) as error:
        raise InputError(f"--query {file} cannot be read: {_first_line(error)}. {expected}") from None
    except OSError as error:
        raise InputError(
            f"--query {file} cannot be read: {error.strerror}. Expected a file with one SELECT. Check its path."
        ) from None
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    kinds = [token.token_type for token in tokens]
    if not kinds or kinds[0] not in (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN):
        raise InputError(f"--query {file} begins with {tokens[0].text if tokens else 'nothing'}. {expected}")
    if TokenType.SEMICOLON in kinds or _closes_too_much(kinds, TokenType.L_PAREN, TokenType.R_PAREN):
        raise InputError(f"--query {file} holds more than one statement. {expected}")
    return text[: tokens[-1].end + 1]


def _closes_too_much(kinds: Sequence[object], opening: object, closing: object) -> bool:
    depth = 0
    for kind in kinds:
        depth += (kind == opening) - (kind == closing)
        if depth < 0:
            return True
    return False


def _closest(wanted: str, names: Sequence[TableName]) -> str:
    def unlikeness(text: str) -> tuple[float, str]:
        return -SequenceMatcher(None, _without_quotes(wanted).casefold(), text.casefold()).ratio(), text

    texts = sorted((name.text for name in names), key=unlikeness)
    more = [f"and {len(texts) - MOST_NAMES:,} more"] if len(texts) > MOST_NAMES else []
    return ", ".join(texts[:MOST_NAMES] + more) or "none, the database is empty"


def _without_quotes(text: str) -> str:
    return re.sub('["`]', "", text)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
