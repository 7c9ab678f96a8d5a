"""Dates that are none: the first and last days that systems write, and a few that years part from all others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from contract.words import counted
from training.errors import InputError
from training.reading.dates import NO_DAYS

GAP = dt.timedelta(days=3 * 365)


@dataclass(frozen=True)
class Span:
    """The days between which lines are believed, and how many lines lie outside."""

    first: dt.date
    last: dt.date
    outside: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether no line lies outside."""
        return not self.outside


def is_one_period(first: dt.datetime, last: dt.datetime) -> bool:
    """Whether no gap of years fits between two dates, and no default date."""
    return last - first <= GAP and not any(first.date() <= day <= last.date() for day in NO_DAYS)


def believed(days: Mapping[dt.date, int]) -> Span:
    """Days, each with its lines -> the days from the first to the last that no gap of years parts from the most.

    Default days (`dates.NO_DAYS`) are not counted. Raises InputError where half of the lines or more are far away.
    """
    real = sorted(day for day in days if day not in NO_DAYS)
    if not real:
        return Span(dt.date.min, dt.date.max)
    groups = [[real[0]]]
    for before, day in pairwise(real):
        if day - before > GAP:
            groups.append([])
        groups[-1].append(day)
    if len(groups) == 1:
        return Span(real[0], real[-1])
    lines = [sum(days[day] for day in group) for group in groups]
    most = max(range(len(groups)), key=lambda number: lines[number])
    total = sum(lines)
    if 2 * lines[most] <= total:
        told = "; ".join(
            f"{counted(count, 'line')} of {group[0]} to {group[-1]}"
            for group, count in zip(groups, lines, strict=True)
        )
        raise InputError(
            f"Years without a line part the dates: {told}. Expected most lines in one period. Correct the dates that "
            "are wrong, or say --far-dates keep if all are right."
        )
    return Span(groups[most][0], groups[most][-1], total - lines[most])
