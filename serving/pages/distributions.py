"""How a segment's customers spread over a feature, in bars that each stand for a list."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.names import FEATURES
from contract.words import WORDS
from serving.snapshot import Snapshot

STEPS = {  # where a bar begins
    "days": (0, 7, 30, 60, 90, 180, 365, 730),
    "orders": (1, 2, 3, 5, 10, 20, 50, 100),
    "money": (0, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000),
}
MOST_BARS = 8


def distributions(snapshot: Snapshot) -> dict[int, dict[str, list[dict[str, Any]]]]:
    """The bars of each segment and feature: from, to, customers, and their share of the segment and of the shop."""
    segment = np.asarray(snapshot.customers["segment"])
    spread: dict[int, dict[str, list[dict[str, Any]]]] = {int(number): {} for number in snapshot.by_spending}
    for name in FEATURES:
        values = np.asarray(snapshot.customers[name], dtype=np.float64)
        starts = _starts(values, WORDS[name].unit)
        place = np.searchsorted(starts, values, side="right") - 1
        shop = np.bincount(place[place >= 0], minlength=len(starts))
        for number, bars in spread.items():
            own = place[(segment == number) & (place >= 0)]
            bars[name] = _bars(starts, np.bincount(own, minlength=len(starts)), shop)
    return spread


def _starts(values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Where the bars begin: steps of everyday numbers, at most MOST_BARS of those that the values reach."""
    steps = np.array(STEPS[unit], dtype=np.float64)
    least, most = np.nanquantile(values, 0.01), np.nanquantile(values, 0.99)
    first = max(int(np.searchsorted(steps, least, side="right")) - 1, 0)
    last = max(int(np.searchsorted(steps, most, side="right")) - 1, first)
    reached = steps[first : last + 1]
    if len(reached) > MOST_BARS:
        places = np.linspace(0, len(reached) - 1, MOST_BARS).round().astype(np.int64)
        reached = reached[np.unique(places)]
    return np.concatenate([[min(steps[0], float(np.nanmin(values)))], reached[1:]])


def _bars(
    starts: NDArray[np.float64], own: NDArray[np.int64], shop: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """One record a bar; the last one has no end. An end is the largest number below the next bar's beginning."""
    total, everyone = max(int(own.sum()), 1), max(int(shop.sum()), 1)
    ends = [float(np.nextafter(start, -np.inf)) for start in starts[1:]]
    return [
        {
            "from": float(start),
            "to": end,
            "next": float(starts[place + 1]) if end is not None else None,
            "customers": int(own[place]),
            "share": own[place] / total,
            "of_shop": shop[place] / everyone,
        }
        for place, (start, end) in enumerate(zip(starts, [*ends, None], strict=True))
    ]
