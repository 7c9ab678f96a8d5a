"""A rule of the gate, and how far a challenger may differ from the champion."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """How far a challenger may fall behind the champion, move its customers, and differ in the value of an order."""

    max_silhouette_loss: float = 0.02
    max_moved: float = 0.2
    max_order_value_change: float = 3.0


@dataclass(frozen=True)
class Rule:
    """One rule of the gate: what it expects, what the gate found, and whether the rule holds.

    A rule that compares with the champion is `forcible`: a person may promote although it does not hold.
    """

    name: str
    expected: str
    found: str
    holds: bool
    forcible: bool = False

    def __str__(self) -> str:
        return f"{'pass' if self.holds else 'FAIL'}: {self.found}; expected {self.expected}"
