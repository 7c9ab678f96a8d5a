"""Summed distances to every segment, compiled: what a silhouette is made of."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from training.compiled import WIDTH

Floats = NDArray[np.float64]


def distance_sums(queries: Floats, points: Floats, starts: NDArray[np.int64]) -> Floats:
    """(q, k) sums of the Euclidean distances from `queries` (q, d) to each segment of `points` (n, d).

    The points are sorted by segment; segment s is points[starts[s] : starts[s + 1]], (k + 1,) in all.
    """
    return _sums(_columns(queries), _columns(points), starts)


def _columns(points: Floats) -> Floats:
    """(WIDTH, n): one row a coordinate of points (n, d); missing ones are 0, which changes no distance."""
    columns = np.zeros((WIDTH, len(points)))  # each row in one piece, or its loop is not vectorised
    columns[: points.shape[1]] = points.T
    return columns


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


@njit(cache=True, parallel=True)
def _sums(queries, columns, starts):
    q, k = queries.shape[1], len(starts) - 1
    sums = np.empty((q, k))
    for i in prange(q):
        point = queries[:, i].copy()
        for segment in range(k):
            start, end = starts[segment], starts[segment + 1]
            sums[i, segment] = _sum(
                point,
                columns[0][start:end],
                columns[1][start:end],
                columns[2][start:end],
                columns[3][start:end],
                columns[4][start:end],
            )
    return sums
