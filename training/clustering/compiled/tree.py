"""A k-d tree over customers, and their nearest neighbours.

Source: Friedman, Bentley and Finkel (1977), "An algorithm for finding best matches in logarithmic
expected time".
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from training.clustering.compiled import WIDTH

Floats = NDArray[np.float64]
LEAF = 48  # points in a leaf, at most


class Tree:
    """A balanced k-d tree of `points` (n, d), d at most WIDTH; missing coordinates are 0, which changes no distance.

    The nodes are numbered as in a heap: node i has the children 2i + 1 and 2i + 2. `columns` (WIDTH, n) are the
    points in the tree's order, one row a coordinate, and `order` (n,) their places in `points`.
    """

    def __init__(self, points: Floats) -> None:
        n = len(points)
        self.depth = max(0, int(np.ceil(np.log2(max(1, n / LEAF)))))
        nodes = 2 ** (self.depth + 1) - 1
        self.order = np.arange(n)
        self.bounds = np.zeros((nodes, 2), dtype=np.int64)
        self.low, self.high = np.empty((nodes, WIDTH)), np.empty((nodes, WIDTH))
        rows = wide(points)
        _build(rows, self.order, self.bounds, self.low, self.high, self.depth)
        self.columns = np.ascontiguousarray(rows.T)

    def nearest(self, k: int) -> tuple[Floats, NDArray[np.int32]]:
        """The k nearest of each point, itself counted: distances and places in `points`, both (n, k), nearest first."""
        n = len(self.order)
        distances, indices = np.empty((n, k)), np.empty((n, k), dtype=np.int32)
        _nearest(self.columns, self.order, self.bounds, self.low, self.high, self.depth, distances, indices)
        return distances, indices


def noise_threshold(distances: Floats, indices: NDArray[np.int32], min_samples: int) -> Floats:
    """(n,) as `Neighbours.noise_threshold` has it, of the `distances` and `indices` (n, k) of the nearest."""
    return _thresholds(distances, indices, np.ascontiguousarray(distances[:, min_samples - 1]))


def wide(points: Floats) -> Floats:
    """A copy of points (n, d) with WIDTH coordinates, row by row: loops are compiled once more for another order."""
    return np.ascontiguousarray(np.pad(points, ((0, 0), (0, WIDTH - points.shape[1]))))


@njit(cache=True)
def _split(rows, order, start, middle, end, axis):
    """Quickselect (Hoare 1961): the smaller half of rows start:end along `axis` goes before `middle`."""
    while end - start > 1:
        pivot = rows[(start + end) // 2, axis]
        i, j = start, end - 1
        while i <= j:
            while rows[i, axis] < pivot:
                i += 1
            while rows[j, axis] > pivot:
                j -= 1
            if i <= j:
                for c in range(WIDTH):
                    rows[i, c], rows[j, c] = rows[j, c], rows[i, c]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            end = j + 1
        elif middle >= i:
            start = i
        else:
            return


@njit(cache=True, parallel=True)
def _build(rows, order, bounds, low, high, depth):
    bounds[0, 1] = len(order)
    for level in range(depth + 1):
        first = 2**level - 1
        for place in prange(2**level):
            node = first + place
            start, end = bounds[node]
            widest, axis = -1.0, 0
            for c in range(WIDTH):
                least, most = np.inf, -np.inf
                for i in range(start, end):
                    least = min(least, rows[i, c])
                    most = max(most, rows[i, c])
                low[node, c], high[node, c] = least, most
                if most - least > widest:
                    widest, axis = most - least, c
            if level < depth:
                middle = (start + end) // 2
                _split(rows, order, start, middle, end, axis)
                bounds[2 * node + 1, 0], bounds[2 * node + 1, 1] = start, middle
                bounds[2 * node + 2, 0], bounds[2 * node + 2, 1] = middle, end


@njit(cache=True)
def _to_box(point, low, high, node):
    total = 0.0
    for c in range(WIDTH):
        gap = max(low[node, c] - point[c], point[c] - high[node, c], 0.0)
        total += gap * gap
    return total


@njit(cache=True)
def _take(columns, order, start, end, point, best, found, squares):
    """Put those of the leaf start:end that are nearer than the farthest in `best` into it, in order."""
    size, k = end - start, len(best)
    gaps = squares[:size]
    gaps[:] = 0.0
    for c in range(WIDTH):
        column = columns[c][start:end]
        value = point[c]
        for i in range(size):
            gap = column[i] - value
            gaps[i] += gap * gap
    worst = best[k - 1]
    for i in range(size):
        square = gaps[i]
        if square < worst:
            at = k - 1
            while at > 0 and best[at - 1] > square:
                best[at], found[at] = best[at - 1], found[at - 1]
                at -= 1
            best[at], found[at] = square, order[start + i]
            worst = best[k - 1]


@njit(cache=True, parallel=True)
def _nearest(columns, order, bounds, low, high, depth, distances, indices):
    k = distances.shape[1]
    leaves = 2**depth
    for leaf in prange(leaves):
        home = leaves - 1 + leaf
        squares = np.empty(LEAF + 1)
        best, found, point = np.empty(k), np.empty(k, dtype=np.int64), np.empty(WIDTH)
        waiting, nearness = np.empty(2 * depth + 2, dtype=np.int64), np.empty(2 * depth + 2)
        for i in range(bounds[home, 0], bounds[home, 1]):
            for c in range(WIDTH):
                point[c] = columns[c, i]
            best[:] = np.inf
            found[:] = 0
            _take(columns, order, bounds[home, 0], bounds[home, 1], point, best, found, squares)
            waiting[0], nearness[0], left = 0, 0.0, 1
            while left:
                left -= 1
                node = waiting[left]
                if nearness[left] >= best[k - 1] or node == home:
                    continue
                if node >= leaves - 1:
                    _take(columns, order, bounds[node, 0], bounds[node, 1], point, best, found, squares)
                    continue
                near, far = 2 * node + 1, 2 * node + 2
                to_near, to_far = _to_box(point, low, high, near), _to_box(point, low, high, far)
                if to_far < to_near:
                    near, far, to_near, to_far = far, near, to_far, to_near
                if to_far < best[k - 1]:
                    waiting[left], nearness[left] = far, to_far
                    left += 1
                if to_near < best[k - 1]:
                    waiting[left], nearness[left] = near, to_near
                    left += 1
            row = order[i]
            for j in range(k):
                distances[row, j] = np.sqrt(best[j])
                indices[row, j] = found[j]


@njit(cache=True, parallel=True)
def _thresholds(distances, indices, core):
    thresholds = np.empty(len(core))
    for i in prange(len(core)):
        least = core[i]
        for j in range(distances.shape[1]):
            if distances[i, j] >= least:  # no farther one can lower it
                break
            least = min(least, max(distances[i, j], core[indices[i, j]]))
        thresholds[i] = least
    return thresholds
