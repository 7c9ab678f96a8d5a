"""Which values of a status column count: a layout's own words, the user's, and the words of nine languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contract.words import counted
from training.errors import InputError
from training.reading.folding import fold
from training.reading.layout import Layout
from training.reading.status_words import verdict

BACK = (
    "refund",
    "return",
    "erstatt",
    "rembours",
    "reembols",
    "rimbors",
    "terugbetaal",
    "zwrot",
    "возвра",
    "devol",
    "storn",
)


@dataclass(frozen=True)
class Verdicts:
    """Values of a status, each with whether it counts; None where nobody but the user knows."""

    by_value: Mapping[str, bool | None]

    def against(self) -> list[str]:
        """Values that do not count."""
        return [value for value, counts in self.by_value.items() if counts is False]

    def unknown(self) -> list[str]:
        """Values that must be asked about."""
        return [value for value, counts in self.by_value.items() if counts is None]

    def back(self) -> list[str]:
        """Values that say that money went back: with negative money they are no status but a return."""
        return [value for value in self.against() if any(word in fold(value) for word in BACK)]


def judge(values: Iterable[str], layout: Layout, counts: Iterable[str]) -> Verdicts:
    """Each value -> whether it counts. With words of the user's own, a value that nobody knows does not count."""
    own = {fold(word) for word in counts}
    yes, no = {fold(word) for word in layout.counts}, {fold(word) for word in layout.does_not_count}

    def one(value: str) -> bool | None:
        word = fold(value)
        if word in own or word in yes:
            return True
        if word in no:
            return False
        known = verdict(value)
        return False if known is None and own else known

    return Verdicts({value: one(value) for value in values})


def ask(lines: Mapping[str, int], column: str) -> InputError:
    """The question about values of a status that nobody knows."""
    told = ", ".join(f"{value} ({counted(count, 'line')})" for value, count in list(lines.items())[:12])
    names = ",".join(lines)
    quoted = f'"{names}"' if " " in names else names
    return InputError(
        f"Nobody knows whether orders count whose {column} is: {told}. Expected known words, such as paid. "
        f"Name those that count with --status-counts {quoted} (the others then do not count), or say "
        f"--column status=none if it is no status."
    )
