"""Summed distances to every segment, compiled: what a silhouette is made of."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from training.clustering.compiled import WIDTH
from training.clustering.compiled.columns import columns_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Precision = type[np.float32] | type[np.float64]
SIDE = 64  # questions that are asked of a point at once
BLOCK = 512  # points whose coordinates stay in the processor's nearest cache, or whose distances are summed as they are
LANES = 8  # sums of their own, as many threads as can be used


def distance_sums(queries: Floats, points: Floats, starts: Ints, precision: Precision = np.float64) -> Floats:
    """(q, k) sums of the Euclidean distances from `queries` (q, d) to each segment of `points` (n, d).

    The points are sorted by segment; segment s is points[starts[s] : starts[s + 1]], (k + 1,) in all. `precision` is
    that of a distance and of the sum of at most BLOCK of them; these sums are added in float64.
    """
    segments = np.arange(len(starts) - 1)
    return grouped_distance_sums(queries, points, starts, segments[None], precision)


def grouped_distance_sums(
    queries: Floats, points: Floats, starts: Ints, groups: Ints, precision: Precision = np.float64
) -> Floats:
    """(q, g) sums of the distances from `queries` (q, d) to g groups of `points` (n, d), each made of whole cells.

    The points are sorted by cell, c in all, as `distance_sums` has segments. groups: (m, c) for each of m ways of
    grouping the group of each cell; ways do not share a group's number. A distance is worked out once for all ways.
    """
    asked = columns_of(queries).astype(precision)
    width = int(groups.max(initial=-1)) + 1
    sums = _sums(asked, points_as(points, precision), starts, groups, width)
    return sums.transpose(0, 2, 1).reshape(-1, width)[: len(queries)]


def points_as(points: Floats, precision: Precision) -> NDArray[np.floating]:
    """(n, WIDTH): points (n, d) in another precision, or as they are; missing coordinates are 0."""
    if points.dtype == precision and points.shape[1] == WIDTH and points.flags.c_contiguous:
        return points
    rows = np.zeros((len(points), WIDTH), dtype=precision)
    rows[:, : points.shape[1]] = points
    return rows


def control(points: Floats, labels: Ints) -> Floats:
    """(n,) silhouettes of points (n, d) as they would be if all of a segment were as far as its root mean square."""
    rows = points_as(points, np.float64)
    sizes, centres, squares = _first_moments(rows, labels)
    variances = np.maximum(squares / sizes[:, None] - centres**2, 0).sum(axis=1)
    return _control(rows, labels, centres, variances)


def about_centres(points: Floats, labels: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Of each segment of points (n, d) its size, its centre (k, d), the summed squares of the distances to it, and
    their mean; each of `labels` (n,) has a point."""
    rows = points_as(points, np.float64)
    sizes, centres, _ = _first_moments(rows, labels)
    squares, distances = (lanes.sum(axis=0) for lanes in _spreads(rows, labels, centres))
    return sizes, centres[:, : points.shape[1]], squares, distances / sizes


def _first_moments(points: NDArray[np.floating], labels: Ints) -> tuple[Floats, Floats, Floats]:
    """The number (k,), the mean (k, WIDTH) and the summed squares (k, WIDTH) of each segment's points."""
    sizes, sums, squares = (lanes.sum(axis=0) for lanes in _moments(points, labels, int(labels.max()) + 1))
    return sizes, sums / sizes[:, None], squares


def all_distance_sums(points: Floats, starts: NDArray[np.int64]) -> Floats:
    """`distance_sums` from all `points` themselves; a distance counts for both its ends, so it takes half as long."""
    return _pairs(columns_of(points), starts).sum(axis=0).T


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
    """(LANES, k, n): parts of the sums of the distances from each point to each segment."""
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
    return sums


@njit(cache=True, parallel=True)
def _sums(queries, points, starts, groups, width):
    q = queries.shape[1]
    chunks = (q + SIDE - 1) // SIDE
    sums = np.zeros((chunks, width, SIDE))
    for chunk in prange(chunks):
        first, last = chunk * SIDE, min(q, (chunk + 1) * SIDE)
        asked = np.zeros((WIDTH, SIDE), dtype=queries.dtype)
        for c in range(WIDTH):
            for i in range(first, last):
                asked[c, i - first] = queries[c, i]
        some = np.empty(SIDE, dtype=queries.dtype)
        for cell in range(len(starts) - 1):
            for start in range(starts[cell], starts[cell + 1], BLOCK):
                some[:] = 0
                for i in range(start, min(starts[cell + 1], start + BLOCK)):
                    _add_distances(
                        asked, points[i, 0], points[i, 1], points[i, 2], points[i, 3], points[i, 4], some
                    )
                for way in range(len(groups)):
                    for j in range(SIDE):
                        sums[chunk, groups[way, cell], j] += some[j]
    return sums


@njit(cache=True)
def _add_distances(asked, p, q, r, s, t, sums):
    """Add the distances from SIDE questions to the point with coordinates p to t to `sums`."""
    for j in range(SIDE):
        sums[j] += np.sqrt(
            (asked[0, j] - p) ** 2
            + (asked[1, j] - q) ** 2
            + (asked[2, j] - r) ** 2
            + (asked[3, j] - s) ** 2
            + (asked[4, j] - t) ** 2
        )


@njit(cache=True, parallel=True)
def _control(points, labels, centres, variances):
    values = np.empty(len(points))
    for i in prange(len(points)):
        within, nearest = 0.0, np.inf
        for segment in range(len(centres)):
            square = variances[segment]
            for c in range(WIDTH):
                square += (points[i, c] - centres[segment, c]) ** 2
            if segment == labels[i]:
                within = square
            else:
                nearest = min(nearest, square)
        larger = max(within, nearest)
        values[i] = (np.sqrt(nearest) - np.sqrt(within)) / np.sqrt(larger) if larger > 0 else 0.0
    return values


@njit(cache=True, parallel=True)
def _moments(points, labels, k):
    """In LANES parts: the number, the sum (k, WIDTH) and the summed squares (k, WIDTH) of each segment's points."""
    sizes, sums = np.zeros((LANES, k)), np.zeros((LANES, k, WIDTH))
    squares = np.zeros((LANES, k, WIDTH))
    for lane in prange(LANES):
        for i in range(lane * len(points) // LANES, (lane + 1) * len(points) // LANES):
            segment = labels[i]
            sizes[lane, segment] += 1
            for c in range(WIDTH):
                value = points[i, c]
                sums[lane, segment, c] += value
                squares[lane, segment, c] += value * value
    return sizes, sums, squares


@njit(cache=True, parallel=True)
def _spreads(points, labels, centres):
    """(LANES, k) each: the summed squares of the distances to the own centre, and the summed distances."""
    squares, distances = np.zeros((LANES, len(centres))), np.zeros((LANES, len(centres)))
    for lane in prange(LANES):
        for i in range(lane * len(points) // LANES, (lane + 1) * len(points) // LANES):
            segment, square = labels[i], 0.0
            for c in range(WIDTH):
                square += (points[i, c] - centres[segment, c]) ** 2
            squares[lane, segment] += square
            distances[lane, segment] += np.sqrt(square)
    return squares, distances
