"""Summed distances to every segment, compiled: what a silhouette is made of."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from training.clustering.compiled.columns import columns_of

Floats = NDArray[np.float64]
CHUNK = 64  # questions to a block of points before the next one comes
BLOCK = 512  # points whose coordinates stay in the processor's nearest cache
LANES = 8  # sums of their own, as many threads as can be used


def distance_sums(queries: Floats, points: Floats, starts: NDArray[np.int64]) -> Floats:
    """(q, k) sums of the Euclidean distances from `queries` (q, d) to each segment of `points` (n, d).

    The points are sorted by segment; segment s is points[starts[s] : starts[s + 1]], (k + 1,) in all.
    """
    return _sums(columns_of(queries), columns_of(points), starts)


def all_distance_sums(points: Floats, starts: NDArray[np.int64]) -> Floats:
    """`distance_sums` from all `points` themselves; a distance counts for both its ends, so it takes half as long."""
    return _pairs(columns_of(points), starts)


@njit(cache=True, fastmath={"reassoc", "nsz"})
def _sum(point, a, b, c, d, e):
    """The summed distance from `point` to the points with coordinates a to e; slices, so that it is vectorised."""
    p, q, r, s, t = point[0], point[1], point[2], point[3], point[4]
    total = 0.0
    for i in range(len(a)):
        total += np.sqrt(
            (a[i] - p) ** 2 + (b[i] - q) ** 2 + (c[i] - r) ** 2 + (d[i] - s) ** 2 + (e[i] - t) ** 2
        )
    return total


@njit(cache=True, fastmath={"reassoc", "nsz"})
def _sum_for_both(point, a, b, c, d, e, theirs):
    """`_sum`, and each of the distances added to `theirs`."""
    p, q, r, s, t = point[0], point[1], point[2], point[3], point[4]
    total = 0.0
    for i in range(len(a)):
        distance = np.sqrt(
            (a[i] - p) ** 2 + (b[i] - q) ** 2 + (c[i] - r) ** 2 + (d[i] - s) ** 2 + (e[i] - t) ** 2
        )
        total += distance
        theirs[i] += distance
    return total


@njit(cache=True, parallel=True)
def _pairs(columns, starts):
    n, k = columns.shape[1], len(starts) - 1
    sums = np.zeros((LANES, k, n))
    for lane in prange(LANES):  # whatever thread has it, the order of the additions is the same
        for first in range(lane * BLOCK, n, LANES * BLOCK):
            last = min(n, first + BLOCK)
            for other in range(0, last, BLOCK):  # this block against those before it, and against itself
                segment = np.searchsorted(starts, other, side="right") - 1
                while segment < k and starts[segment] < min(n, other + BLOCK):
                    start = max(starts[segment], other)
                    end = min(starts[segment + 1], other + BLOCK, n)
                    a, b, c = columns[0][start:end], columns[1][start:end], columns[2][start:end]
                    d, e = columns[3][start:end], columns[4][start:end]
                    own = np.searchsorted(starts, first, side="right") - 1
                    for i in range(first, last):
                        while i >= starts[own + 1]:
                            own += 1
                        point = columns[:, i]
                        if other == first:
                            sums[lane, segment, i] += _sum(point, a, b, c, d, e)
                        else:
                            theirs = sums[lane, own, start:end]
                            sums[lane, segment, i] += _sum_for_both(point, a, b, c, d, e, theirs)
                    segment += 1
    return sums.sum(axis=0).T


@njit(cache=True, parallel=True)
def _sums(queries, columns, starts):
    q, k = queries.shape[1], len(starts) - 1
    sums = np.zeros((q, k))
    for chunk in prange((q + CHUNK - 1) // CHUNK):
        for segment in range(k):
            for start in range(starts[segment], starts[segment + 1], BLOCK):
                end = min(starts[segment + 1], start + BLOCK)
                a, b, c = columns[0][start:end], columns[1][start:end], columns[2][start:end]
                d, e = columns[3][start:end], columns[4][start:end]
                for i in range(chunk * CHUNK, min(q, (chunk + 1) * CHUNK)):
                    sums[i, segment] += _sum(queries[:, i], a, b, c, d, e)
    return sums
