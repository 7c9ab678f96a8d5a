"""Lines over time as points of a drawing, so that a chart needs no script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

WIDTH, HEIGHT = 560, 180  # units of the drawing
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 10, 26  # of its margins
STEPS = {
    1.0: 2,
    1.5: 3,
    2.0: 2,
    3.0: 3,
    5.0: 2,
    10.0: 2,
}  # ends of an axis, and into how many parts each is cut


@dataclass(frozen=True)
class Line:
    """One line: its name, its mark, and a value for each moment, None where there is none."""

    name: str
    values: Sequence[float | None]
    look: Mapping[str, str]


def drawing(moments: Sequence[str], lines: Sequence[Line]) -> dict[str, Any] | None:
    """Moments (as-of dates, earliest first) and lines to points; None where fewer than two moments differ."""
    times = [datetime.fromisoformat(moment).timestamp() for moment in moments]
    known = [value for line in lines for value in line.values if value is not None]
    if len(set(times)) < 2 or not known:
        return None
    most, parts = _round_up(max(known))
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "ticks": [
            {"value": most * part / parts, "y": _y(most * part / parts, most)} for part in range(parts + 1)
        ],
        "ends": (moments[0], moments[-1]),
        "lines": [
            {
                "name": line.name,
                "look": line.look,
                "points": [
                    {
                        "x": round(_x(time, times), 1),
                        "y": round(_y(value, most), 1),
                        "value": value,
                        "when": moment,
                    }
                    for time, moment, value in zip(times, moments, line.values, strict=True)
                    if value is not None
                ],
            }
            for line in lines
        ],
    }


def _x(time: float, times: Sequence[float]) -> float:
    first, last = min(times), max(times)
    return LEFT + (WIDTH - LEFT - RIGHT) * (time - first) / (last - first)


def _y(value: float, most: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most)


def _round_up(value: float) -> tuple[float, int]:
    """A round number that is not below, one of STEPS times a power of ten, and into how many parts it is cut."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    step = next(step for step in STEPS if step * power >= value)
    return step * power, STEPS[step]
