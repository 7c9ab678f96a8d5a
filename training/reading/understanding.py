"""What was understood of a source, in words: for the command line, the run and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """One cell that could not be used: why, where, and what stands in it. The line is 0 where it is not known."""

    step: str
    line: int
    column: str
    value: str

    def __str__(self) -> str:
        where = f"line {self.line:,}, " if self.line else ""
        return f'{where}{self.column}: "{self.value}"'


@dataclass(frozen=True)
class Understanding:
    """What serves for what, how money and orders are made, and how cells were read.

    `status` is (value, lines, whether it counts); `notes` are sentences on what a reader might not expect.
    """

    layout: str
    columns: Mapping[str, str]
    money: str
    order: str
    dates: str
    currency: str = ""
    customers: str = ""
    status: tuple[tuple[str, int, bool], ...] = ()
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()
    mapping: Mapping[str, Any] = field(
        default_factory=dict
    )  # the request, for whoever reads such a source again

    def rows(self) -> list[tuple[str, str]]:
        """(what, how it was understood), for a block of two columns."""
        named = [f"{role} = {name}" for role, name in self.columns.items()]
        rows = [
            ("layout", self.layout),
            ("columns", ", ".join(named)),
            ("money", self.money),
            ("order", self.order),
            ("dates", self.dates),
            ("currency", self.currency),
            ("customers", self.customers),
            ("counts", ", ".join(f"{value} ({lines:,})" for value, lines, counts in self.status if counts)),
            (
                "does not count",
                ", ".join(f"{value} ({lines:,})" for value, lines, counts in self.status if not counts),
            ),
        ]
        rows += [("note", note) for note in self.notes]
        return [(what, text) for what, text in rows if text]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return asdict(self)
