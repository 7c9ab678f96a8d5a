"""What the user says about how a source is to be read; everything else is recognised, or asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Before:
    """How a model's training was read, for what neither the user nor the data say now.

    `columns` are used where the source has them; date order and decimal mark where the data leave them open;
    money in another currency than `currency` is refused.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    date_order: str = ""
    decimal: str = ""
    currency: str = ""


@dataclass(frozen=True)
class Request:
    """`columns` maps roles to columns (the name `none`: no column has this role). None and "" let the data decide.

    `layout` is auto, none or a layout's name. `status_counts` are status values that count, besides the known words.
    `guests` are customer ids that stand for nobody: "auto", "none", or a list. `far_dates` is "aside" or "keep".
    `blank_lines` says whose lines without order, customer and date are: "auto" (asked), "above" or "nobody".
    `header` says whether the files have a line of names; without, their columns are called 1, 2, 3.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    date_order: str | None = None
    decimal: str | None = None
    layout: str = "auto"
    currency: str = ""
    timezone: str = ""
    status_counts: tuple[str, ...] = ()
    guests: str = "auto"
    far_dates: str = "aside"
    blank_lines: str = "auto"
    header: bool = True
    keep: tuple[str, ...] = ()
    duplicates: str = "drop"
    before: Before = field(default_factory=Before)

    def on(self, names: Sequence[str]) -> Request:
        """The same for a source with these columns: what was mapped before, where it has them."""
        mapped = set(self.columns.values())
        again = {
            role: name
            for role, name in self.before.columns.items()
            if role not in self.columns and name not in mapped and (name in names or name == "none")
        }
        return replace(self, columns={**self.columns, **again}) if again else self

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for that only the careful reading can do."""
        asked = self.currency or self.timezone or self.status_counts or self.keep
        return not (asked or self.blank_lines == "above") and self.header
