"""Numbers, dates and features as people read them: in the terminal, in the report, on the dashboard.

The dashboard's serving/static/words.js has the same functions for what it asks later; tests/test_words.py holds one
table that both must give. A number is rounded as it is written, and a half goes up, away from zero: 1234.5 is 1,235.
What is not known, None or nan, is NOTHING.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

from contract.names import FEATURES, SPAN

NOTHING = "–"
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
HALVES_UP = Context(prec=400, rounding=ROUND_HALF_UP)  # digits enough for the largest and the smallest double


@dataclass(frozen=True)
class FeatureWords:
    """What people call a feature.

    label: by itself; column: above a column of a table; unit: days, orders or money; meaning: a sentence;
    more, less: what a customer has more or less of.
    """

    label: str
    column: str
    unit: str
    meaning: str
    more: str
    less: str


WORDS = {
    "Recency": FeatureWords(
        label="Days since last order",
        column="Last order, days ago",
        unit="days",
        meaning="Whole days from the last purchase to the as-of date.",
        more="longer since the last order",
        less="a more recent last order",
    ),
    "Frequency": FeatureWords(
        label="Orders",
        column="Orders",
        unit="orders",
        meaning="Number of orders; cancellations do not count.",
        more="more orders",
        less="fewer orders",
    ),
    "Monetary": FeatureWords(
        label="Money spent",
        column="Spent",
        unit="money",
        meaning="Money spent in all orders together, in the shop's currency.",
        more="more money spent",
        less="less money spent",
    ),
    "AverageOrderValue": FeatureWords(
        label="Average order value",
        column="Average order",
        unit="money",
        meaning="Money spent divided by the number of orders.",
        more="larger orders",
        less="smaller orders",
    ),
    "Tenure": FeatureWords(
        label="Days since first order",
        column="First order, days ago",
        unit="days",
        meaning="Whole days from the first purchase to the as-of date.",
        more="a customer for longer",
        less="a newer customer",
    ),
    SPAN: FeatureWords(
        label="Days from first to last order",
        column="First to last order, days",
        unit="days",
        meaning="Whole days from the first purchase to the last; 0 for who bought on one day only.",
        more="buying over a longer time",
        less="buying over a shorter time",
    ),
}
STATE_MEANINGS = {
    "one-time": "ordered once, or on one day only, so there is no usual time between two orders",
    "active": "last ordered no longer ago than their usual time between two orders",
    "due": "last ordered longer ago than their usual time between two orders, up to twice as long",
    "late": "last ordered more than twice their usual time between two orders ago",
}
# What segments are compared with when they are held against later spend, each as people call it.
ALTERNATIVES = {
    "rfm": "as many RFM tiers of equal size",
    "rfm_same_sizes": "RFM sums cut at the segments' own sizes",
    "rfm_cells": "25 RFM cells",
}
FEATURE_NAME = re.compile(rf"\b({'|'.join((*FEATURES, SPAN))})\b")


def whole(value: float | None) -> str:
    """1234.5 -> "1,235"."""
    return _rounded(value, 0)


def number(value: float | None) -> str:
    """1200.0 -> "1,200"; a median between two whole numbers keeps its half: 2.5 -> "2.5"."""
    return _rounded(value, 1).removesuffix(".0")


def amount(value: float | None) -> str:
    """Money: 1234.5 -> "1,235"; below 100 with its cents, 50 -> "50.00"; nothing spent is "0"."""
    return _rounded(value, 2 if value is not None and 0 < abs(value) < 99.995 else 0)


def percent(share: float | None) -> str:
    """0.614 -> "61%"; one decimal below a tenth and above 99 %; never rounds to 0% or 100% what is not."""
    if share is None:
        return NOTHING
    size = abs(share)
    if 0 < size < 0.001:
        return "under 0.1%" if share > 0 else "over -0.1%"
    if 0.999 < size < 1:
        return "over 99.9%" if share > 0 else "under -99.9%"
    text = _rounded(share, 1 if 0 < size < 0.0995 or 0.99 < size < 1 else 0, times=100)
    return text if text == NOTHING else f"{text}%"


def score(value: float | None) -> str:
    """An anomaly score, with two decimals: 1.0 -> "1.00"."""
    return _rounded(value, 2)


def measure(feature: str, value: float | None) -> str:
    """A feature's value by its unit: Monetary 50 -> "50.00", Recency 17.5 -> "17.5"."""
    return amount(value) if WORDS[feature].unit == "money" else number(value)


def counted(value: float | None, noun: str) -> str:
    """1 -> "1 day", 2.5 -> "2.5 days", 1200 -> "1,200 days"."""
    text = number(value)
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def verb(count: float, singular: str, plural: str) -> str:
    """The form that goes with a count: verb(1, "brings", "bring") -> "brings"."""
    return singular if count == 1 else plural


def listed(items: Sequence[str]) -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def day(moment: date | str) -> str:
    """2011-12-10T12:50:00 -> "10 December 2011", in any language of the machine; a text that is no date stays."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return str(moment)
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def month_name(month: str) -> str:
    """2011-11 -> "November 2011"."""
    year, index = month.split("-")
    return f"{MONTHS[int(index) - 1]} {year}"


def titled(feature: str) -> str:
    """Recency -> "Days since last order (Recency)"; AverageOrderValue, which says itself, -> "Average order value"."""
    label = WORDS[feature].label
    return label if label.replace(" ", "").lower() == feature.lower() else f"{label} ({feature})"


def plainly(reason: str | None) -> str:
    """An anomaly's reason with the features' everyday names."""
    text = FEATURE_NAME.sub(lambda name: WORDS[name[0]].label, reason or "")
    return text[:1].upper() + text[1:]


def _rounded(value: float | None, decimals: int, times: int = 1) -> str:
    """`value` times `times`, with thousands marked; what rounds to zero has no sign."""
    if value is None or value != value:
        return NOTHING
    with localcontext(HALVES_UP):
        # repr is the shortest text that is this number, and what a browser rounds as well.
        return f"{times * Decimal(repr(float(value))):z,.{decimals}f}"
