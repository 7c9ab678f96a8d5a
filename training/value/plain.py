"""The plain ways to say who will bring much: what a forecast has to beat before anyone needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.value.scoring import Floats
from training.value.window import Since

QUINTILES = 5

Ways = Mapping[str, tuple[Floats, Floats]]


def plain_ways(values: Floats, recent: Since, segment: NDArray[Any] | None = None) -> Ways:
    """(n, 5) features, what the n customers did lately, and their segments, to each way's two (n,) scores.

    The first score ranks customers by spend, the second by orders; they are ranks, not amounts.

    - Monetary: the money so far, for both.
    - Frequency: the orders so far, for both.
    - RFM sum: Recency, Frequency and Monetary, each scored 1 to 5 by quintile (Hughes 1994), for both.
    - own rate: orders after the first a day, times the mean order value for spend.
    - segment mean: the mean money, and orders, so far of the customer's segment; left out without segments.
    - last days: spend and orders lately.
    """
    recency, frequency, monetary, average, tenure = values.T
    rate = (frequency - 1) / np.maximum(tenure, 1.0)
    rfm = rfm_scores(recency, frequency, monetary).sum(axis=1)
    ways = {
        "Monetary": (monetary, monetary),
        "Frequency": (frequency, frequency),
        "RFM sum": (rfm, rfm),
        "own rate": (rate * average, rate),
        "last days": (recent.spend, recent.orders),
    }
    if segment is not None:
        ways["segment mean"] = (group_mean(monetary, segment), group_mean(frequency, segment))
    return ways


def rfm_scores(recency: Floats, frequency: Floats, monetary: Floats) -> Floats:
    """(n,) each to (n, 3): each scored 1 to QUINTILES by quintile, the best highest. Equal values share a score.

    Source: Hughes (1994), "Strategic database marketing".
    """
    return np.column_stack([quantile_group(column, QUINTILES) for column in (-recency, frequency, monetary)])


def quantile_group(values: Floats, groups: int) -> Floats:
    """(n,) to the group of each, 1 (lowest) to `groups`, of about equal size; equal values share one."""
    return np.ceil(groups * rankdata(values) / len(values))


def group_mean(values: Floats, group: NDArray[Any]) -> Floats:
    """(n,) values to the (n,) mean of each one's group."""
    _, place = np.unique(group, return_inverse=True)
    return (np.bincount(place, weights=values) / np.bincount(place))[place]
