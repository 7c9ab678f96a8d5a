"""The name of a list's file, which says who is in it: late-high-value-2011-12-10-v3.csv."""

from __future__ import annotations

import re
import unicodedata

from contract.lists.filters import BOUNDED, Filter
from contract.lists.selections import Selection

MOST_CHARACTERS = 80


def file_name(selection: Selection, *parts: str) -> str:
    """The name for a list's file, with more `parts` of it before the date."""
    words = [*_words(selection), *parts]
    stem = "-".join(filter(None, map(_slug, words)))[:MOST_CHARACTERS].strip("-")
    return f"{stem}-{selection.table.as_of[:10]}-v{selection.table.version}.csv"


def _words(selection: Selection) -> list[str]:
    asked: Filter = selection.filter
    names = [selection.table.segments[number] for number in asked.segments if number >= 0]
    unusual = {None: "", True: "unusual", False: "ordinary"}[asked.unusual]
    before = [
        f"from {'new' if number is None else selection.table.segments[number]}"
        for number in asked.from_segments
    ]
    kept = [text or f"no {name}" for name, texts in asked.kept.items() for text in texts]
    bounds = [
        word
        for name, column in BOUNDED.items()
        if column in asked.bounds
        for word in _ends(name, *asked.bounds[column])
    ]
    words = [*asked.states, unusual, *(way.replace("_", " ") for way in asked.moved), *names, *before, *kept]
    return [*words, *bounds, asked.q] if any((*words, *bounds, asked.q)) else ["customers"]


def _ends(name: str, least: float, most: float) -> list[str]:
    ends = (("from", least), ("to", most))
    return [f"{name} {end} {value:g}" for end, value in ends if abs(value) != float("inf")]


def _slug(text: str) -> str:
    """High-value active -> high-value-active; letters without their accents."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9.]+", "-", plain.lower()).strip("-.")
