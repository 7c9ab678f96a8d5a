"""Which customers are wanted: one grammar of names and values for the API, its pages and the command.

A filter is pairs of a name and a value, as a query string or repeated `--where NAME=VALUE` give them:

| name                               | value                            | repeated    |
|------------------------------------|----------------------------------|-------------|
| q                                  | part of the id or a kept column  |             |
| segment, from_segment, to_segment  | a segment's number               | any of them |
| state                              | one-time, active, due, late      | any of them |
| unusual                            | true, false                      |             |
| min_NAME, max_NAME                 | a number                         |             |
| kept.NAME                          | what a kept column holds         | any of them |
| moved                              | rose, fell, came, became_late    | any of them |

`from_segment=new` is who was no customer before.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contract.lists.customers import LATE, NOBODY_BEFORE, CustomerTable, Mask
from contract.lists.problems import ListError, NotInVersion, shown, unknown
from contract.names import STATES

BOUNDED = {  # the NAME of min_NAME and max_NAME: its column
    "recency": "Recency",
    "frequency": "Frequency",
    "monetary": "Monetary",
    "average_order_value": "AverageOrderValue",
    "tenure": "Tenure",
    "returned": "Returned",
    "anomaly_score": "anomaly_score",
    "expected_orders": "expected_orders",
    "expected_spend": "expected_spend",
    "likely_to_buy": "likely_to_buy",
    "value_at_risk": "value_at_risk",
}
FILTER_NAME = {column: name for name, column in BOUNDED.items()}
ROSE, FELL, CAME, STAYED, BECAME_LATE = "rose", "fell", "came", "stayed", "became_late"
MOVED = (ROSE, FELL, CAME, BECAME_LATE)
NEW = "new"
KEPT_PREFIX = "kept."
MOST_CHARACTERS = 200
ONCE = ("q", "unusual")
NAMES = ("q", "segment", "state", "unusual", "from_segment", "to_segment", "moved")
ALL_NAMES = (*NAMES, *(f"{end}_{name}" for name in BOUNDED for end in ("min", "max")))

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Filter:
    """Which customers are wanted; what is empty or None asks nothing.

    bounds: the least and the most of a column; kept: texts of a kept column; from_segments: NOBODY_BEFORE's is None.
    """

    q: str = ""
    segments: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    unusual: bool | None = None
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    from_segments: tuple[int | None, ...] = ()
    moved: tuple[str, ...] = ()

    def marks(self, table: CustomerTable) -> Mask | None:
        """(n,) which customers are wanted, None for all of them."""
        mask: Mask | None = None
        for own in self._masks(table):
            mask = own if mask is None else mask & own
        return mask

    def _masks(self, table: CustomerTable) -> Iterable[Mask]:
        if self.segments:
            yield table.in_segments("segment", [number for number in self.segments if number >= 0])
        if self.states:
            yield table.texts["state"].equal_to(self.states)
        if self.unusual is not None:
            yield table.numbers["is_anomaly"] == self.unusual
        for name, (least, most) in self.bounds.items():
            yield _between(table, name, least, most)
        for name, texts in self.kept.items():
            yield table.texts[name].equal_to(texts)
        if self.from_segments:
            yield _from(table, self.from_segments)
        if self.moved:
            yield _moved(table, self.moved)
        if self.q:
            yield table.containing(self.q)


def filter_of(pairs: Pairs, table: CustomerTable, later: Collection[int] = ()) -> Filter:
    """The filter that names and values ask of a table. Raises ListError, which says what was expected.

    later: segments that a later version has, in which nobody of this table is, unless it has them, too.
    """
    given: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        given[name].append(value)
    for name, values in given.items():
        _check(name, values)
    numbers = {*table.segments, *later}
    return Filter(
        q=_search(given["q"]),
        segments=_both(*(_segments(name, given[name], numbers) for name in ("segment", "to_segment"))),
        states=_states(given["state"], table),
        unusual=_flag(given["unusual"]),
        bounds=_bounds(given, table),
        kept={name.removeprefix(KEPT_PREFIX): tuple(values) for name, values in _kept(given, table).items()},
        from_segments=_segments_before(given["from_segment"], table),
        moved=_moves(given["moved"], table),
    )


def _check(name: str, values: Sequence[str]) -> None:
    if name not in ALL_NAMES and not name.startswith(KEPT_PREFIX):
        raise unknown("Filter", name, (*ALL_NAMES, f"{KEPT_PREFIX}NAME"))
    if len(values) > 1 and (name in ONCE or name.startswith(("min_", "max_"))):
        raise ListError(f"{name} was given {len(values)} times. Expected it once.")


def _search(values: Sequence[str]) -> str:
    text = values[0].strip() if values else ""
    if len(text) > MOST_CHARACTERS:
        raise ListError(
            f"q has {len(text):,} characters. Expected at most {MOST_CHARACTERS}. Search for a part of it."
        )
    return text


def _segments(name: str, values: Sequence[str], numbers: Collection[int]) -> tuple[int, ...]:
    known = [str(number) for number in sorted(numbers)]
    for value in values:
        if value not in known:
            raise ListError(f"{name} {shown(value)} is not known. Expected one of: {', '.join(known)}.")
    return tuple(map(int, values))


def _both(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Segments that are in both, where both ask; -1, which is nobody's, where they leave none."""
    if not (one and other):
        return one or other
    return tuple(number for number in one if number in other) or (-1,)


def _states(values: Sequence[str], table: CustomerTable) -> tuple[str, ...]:
    for value in values:
        if value not in STATES:
            raise ListError(f"state {shown(value)} is not known. Expected one of: {', '.join(STATES)}.")
    if values:
        table.column("state", "Filter")
    return tuple(values)


def _flag(values: Sequence[str]) -> bool | None:
    if not values:
        return None
    if values[0] not in ("true", "false"):
        raise ListError(f"unusual {shown(values[0])} cannot be used. Expected true or false.")
    return values[0] == "true"


def ways(change: NDArray[np.float64]) -> NDArray[np.str_]:
    """(n,) by how much each customer's segment is worth more than before, nan for who was in none -> how they moved."""
    moved: NDArray[np.str_] = np.select(
        [np.isnan(change), change > 0, change < 0], [CAME, ROSE, FELL], STAYED
    )
    return moved


def _bounds(given: Mapping[str, Sequence[str]], table: CustomerTable) -> dict[str, tuple[float, float]]:
    bounds = {}
    for name, column in BOUNDED.items():
        least, most = (given.get(f"{end}_{name}", ()) for end in ("min", "max"))
        if not (least or most):
            continue
        table.column(column, f"Filter {'min' if least else 'max'}_{name}: column")
        low = _number(f"min_{name}", least[0]) if least else -math.inf
        high = _number(f"max_{name}", most[0]) if most else math.inf
        if low > high:
            raise ListError(
                f"min_{name} {low:g} and max_{name} {high:g} leave nothing between. Change one of them."
            )
        bounds[column] = (low, high)
    return bounds


def _number(name: str, text: str) -> float:
    try:
        number = float(text) if re.fullmatch(r"[-+0-9.eE]+", text) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ListError(
            f"{name} {shown(text)} is not a number. Expected one with a decimal point, such as 1234.5."
        )
    return number


def _kept(given: Mapping[str, Sequence[str]], table: CustomerTable) -> dict[str, Sequence[str]]:
    asked = {name: values for name, values in given.items() if name.startswith(KEPT_PREFIX)}
    for name in asked:
        if name.removeprefix(KEPT_PREFIX) in table.reasons:
            table.column(name.removeprefix(KEPT_PREFIX), "Filter")
        if name.removeprefix(KEPT_PREFIX) not in table.kept:
            there = ", ".join(table.kept) or "none"
            raise NotInVersion(
                f"Filter {shown(name)}: version {table.version} did not keep such a column. Kept: {there}. "
                "Train with `--keep NAME,...` to carry columns of your data along."
            )
    return asked


def _segments_before(values: Sequence[str], table: CustomerTable) -> tuple[int | None, ...]:
    numbers = _segments("from_segment", [value for value in values if value != NEW], table.segments)
    if values:
        table.column("from_segment", "Filter")
    return (*numbers, *([None] if NEW in values else []))


def _moves(values: Sequence[str], table: CustomerTable) -> tuple[str, ...]:
    for value in values:
        if value not in MOVED:
            raise ListError(f"moved {shown(value)} is not known. Expected one of: {', '.join(MOVED)}.")
    if values:
        table.column("moved", "Filter")
    if BECAME_LATE in values:
        table.column("state", "Filter")
    return tuple(values)


def _between(table: CustomerTable, name: str, least: float, most: float) -> Mask:
    numbers = table.numbers[name]
    mask: Mask = (numbers >= least) & (numbers <= most)
    return mask


def _from(table: CustomerTable, segments: Sequence[int | None]) -> Mask:
    mask = table.in_segments("from_segment", [number for number in segments if number is not None])
    return mask | table.texts["from_name"].equal_to([NOBODY_BEFORE]) if None in segments else mask


def _moved(table: CustomerTable, ways: Sequence[str]) -> Mask:
    mask = table.texts["moved"].equal_to([way for way in ways if way != BECAME_LATE])
    if BECAME_LATE not in ways:
        return mask
    before = table.texts["from_state"]
    late = table.texts["state"].equal_to([LATE])
    return mask | (late & (before.codes >= 0) & ~before.equal_to([LATE]))
