"""The range of what a customer will spend: how far such customers were from their expectation before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from training.value.scoring import Floats

TENTHS = 10
LOW, HIGH = 0.1, 0.9  # the range holds four in five
LEAST_MONEY = 1e-9


class Range(NamedTuple):
    """One entry a group of similar expectation: the money from which it starts (the first from 0), and the factors
    from the expectation to the low and the high end of the range.
    """

    starts: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def fit_range(expected: Floats, spend: Floats) -> Range:
    """(n,) expected and (n,) actual spend, money, to the range by tenth of the expectation.

    Equal expectations are never parted, so there are fewer than ten groups where many customers are alike.
    """
    expected = np.maximum(expected, LEAST_MONEY)
    edges = np.unique(np.quantile(expected, np.arange(1, TENTHS) / TENTHS, method="higher"))
    edges = edges[edges > expected.min()]
    place, ratio = edges.searchsorted(expected, side="right"), spend / expected
    ends = [np.quantile(ratio[place == group], (LOW, HIGH)).tolist() for group in range(len(edges) + 1)]
    low, high = zip(*ends, strict=True)
    return Range((0.0, *edges.tolist()), low, high)
