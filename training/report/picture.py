"""A drawn figure, apart from the library that draws: who only shows pictures does not import it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """What a figure says, and its PNG."""

    title: str
    png: bytes
