"""What is at risk with customers who are due or late: what such customers brought while active, less the forecast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

ACTIVE = "active"
LEFT_OFF = ("due", "late")  # whose customers were active once

Floats = NDArray[np.float64]


def spend_when_active(groups: Iterable[Mapping[str, object]]) -> dict[int, float]:
    """What a customer of each segment who was active brought in the days of the forecast: the mean of the cut-offs.

    groups: one record per cut-off and group, as `forecast.json` keeps them: segment, state, customers, spend.
    """
    means: defaultdict[int, list[float]] = defaultdict(list)
    for group in groups:
        if group["state"] == ACTIVE:
            means[int(str(group["segment"]))].append(
                float(str(group["spend"])) / float(str(group["customers"]))
            )
    return {segment: float(np.mean(values)) for segment, values in means.items() if segment >= 0}


def differences_from_active(
    segment: NDArray[np.int64], left_off: NDArray[np.bool_], expected: Floats, active: Mapping[int, float]
) -> Floats:
    """(n,) what such a customer brought while active, less what is `expected` of this one; money, may be below 0.

    nan for who is neither due nor late (`left_off`), and in a segment whose `active` spend is not known.
    """
    of_segment = np.full(max([int(segment.max(initial=0)), *active], default=0) + 1, np.nan)
    for number, spend in active.items():
        of_segment[number] = spend
    return np.where(left_off, of_segment[segment] - expected, np.nan)


def value_of_group(segment: NDArray[np.int64], late: NDArray[np.bool_], differences: Floats) -> float | None:
    """Money at risk with all of them together, as reports say it: by segment and state, and no sum below 0.

    A customer of whom more is expected than of an active one makes up for another of the same segment and state. None
    where nobody's is known.
    """
    known = ~np.isnan(differences)
    if not known.any():
        return None
    sums = np.bincount(2 * segment[known] + late[known], weights=differences[known])
    return float(np.maximum(sums, 0.0).sum())
