"""How two names are compared: without case, accents, blanks, underscores and dashes."""

from __future__ import annotations

import re
import unicodedata

BREVE = "\u0306"  # the sign over й, which is a letter of its own
LETTERS = str.maketrans({"ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "\ufeff": ""})


def fold(text: str) -> str:
    """A header or a cell -> the form in which it is looked up: "E-Mail Adresse Käufer" -> "emailadressekaufer"."""
    parts = unicodedata.normalize("NFD", text.casefold().translate(LETTERS))
    bare = "".join(sign for sign in parts if sign == BREVE or not unicodedata.combining(sign))
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFC", bare))


def words(text: str) -> frozenset[str]:
    """A list of words in one text -> the words, as `fold` writes them."""
    return frozenset(fold(word) for word in text.split())
