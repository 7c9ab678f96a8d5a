"""Lloyd's iterations of k-means on the boxes of a k-d tree: where one centre is nearest to a whole box, its points are
counted at once.

Sources: Lloyd (1982), "Least squares quantization in PCM", for the iterations; Pelleg and Moore (1999), "Accelerating
exact k-means algorithms with geometric reasoning", and Kanungo and others (2002), "An efficient k-means clustering
algorithm: analysis and implementation", for the boxes and the candidates that are passed down.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from training.clustering.compiled import WIDTH
from training.clustering.compiled.tree import LEAF, Tree, wide

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PARALLEL_FROM = 50_000  # points; below, waking a second thread costs more than it saves
LANES = 8  # numbers that the processor adds at once; a leaf's points are filled up to a multiple of them
NO_LABELS = np.empty(0, dtype=np.int64)  # where nobody asks for them
SUBTREES = 6  # levels above the subtrees that are walked one by one, in whatever order, and summed in theirs


class Lloyd:
    """The iterations over those points of a `tree` that are `counted` (n,)."""

    def __init__(self, tree: Tree, counted: NDArray[np.bool_]) -> None:
        kept = counted[tree.order]
        bounds = np.concatenate([[0], np.cumsum(kept)])[tree.bounds]
        blocks = _blocks(tree.columns, kept, tree.bounds[2**tree.depth - 1 :])
        moments = _moments(blocks, bounds, tree.depth)
        self._boxes = blocks, bounds, tree.low, tree.high, moments, tree.depth
        self._order, self._counted = tree.order[kept], counted
        self._squares = moments[0, WIDTH + 1]
        means = moments[0] / max(1, len(self._order))
        self._variance = max(0.0, means[WIDTH + 1] - (means[:WIDTH] ** 2).sum())

    def iterate(
        self, centres: Floats, tolerance: float, most: int, *, one_thread: bool = False
    ) -> tuple[float, Floats] | None:
        """At most so many iterations from `centres` (k, d), until these move by no more than scikit-learn's `tol` asks.

        Returns the inertia of the last centres but one, and the last (k, d); None when a centre loses all its points.
        The answer is the same in one thread, for callers who have several threads of their own.
        """
        d, enough = centres.shape[1], tolerance * self._variance / centres.shape[1]
        inertia, reached = np.inf, wide(centres)
        if one_thread or self._is_small:
            inertia, reached = _iterations(*self._boxes, self._squares, reached, enough, most)
        else:
            for _ in range(most):
                parts = _in_parallel(*self._boxes, reached, NO_LABELS)
                inertia, reached, shift = _step(parts, self._squares, reached)
                if not shift > enough:
                    break
        return None if np.isnan(reached).any() else (inertia, reached[:, :d])

    def nearest(self, centres: Floats) -> tuple[Ints, float]:
        """(n,) the nearest of `centres` (k, d) to each counted point, and the sum of their squared distances."""
        found = np.empty(len(self._order), dtype=np.int64)
        walk = _in_turn if self._is_small else _in_parallel
        parts = walk(*self._boxes, wide(centres), found)
        inertia, _, _ = _step(parts, self._squares, wide(centres))
        labels = np.empty_like(self._counted, dtype=np.int64)
        labels[self._order] = found
        return labels[self._counted], inertia

    @property
    def _is_small(self) -> bool:
        return len(self._order) < PARALLEL_FROM


@njit(cache=True, parallel=True)
def _blocks(columns, kept, leaves):
    """(leaves, WIDTH, LEAF): the kept points of each leaf in one piece of memory, filled up with zeros."""
    blocks = np.zeros((len(leaves), WIDTH, LEAF))
    for leaf in prange(len(leaves)):
        place = 0
        for i in range(leaves[leaf, 0], leaves[leaf, 1]):
            if kept[i]:
                for c in range(WIDTH):
                    blocks[leaf, c, place] = columns[c, i]
                place += 1
    return blocks


@njit(cache=True)
def _moments(blocks, bounds, depth):
    """(nodes, WIDTH + 2): the sums, the number and the summed squares of the points in each node."""
    moments = np.zeros((len(bounds), WIDTH + 2))
    first = 2**depth - 1
    for node in range(first, len(bounds)):
        size = bounds[node, 1] - bounds[node, 0]
        moments[node, WIDTH] = size
        for c in range(WIDTH):
            total, squares = 0.0, 0.0
            for value in blocks[node - first, c, :size]:
                total += value
                squares += value * value
            moments[node, c] = total
            moments[node, WIDTH + 1] += squares
    for node in range(first - 1, -1, -1):
        for c in range(WIDTH + 2):
            moments[node, c] = moments[2 * node + 1, c] + moments[2 * node + 2, c]
    return moments


@njit(cache=True, nogil=True)
def _iterations(blocks, bounds, low, high, moments, depth, squares, centres, enough, most):
    inertia, no_labels = np.inf, np.empty(0, dtype=np.int64)
    for _ in range(most):
        parts = _in_turn(blocks, bounds, low, high, moments, depth, centres, no_labels)
        inertia, centres, shift = _step(parts, squares, centres)
        if not shift > enough:
            break
    return inertia, centres


@njit(cache=True, nogil=True)
def _step(parts, squares, centres):
    """The inertia of `centres`, where they go, and the square of how far: not a number, if one has lost all its points.

    parts: (subtrees, k, WIDTH + 1), their sums and numbers of the points nearest to each centre; squares: all points'.
    """
    k = len(centres)
    moved, shift, inertia = np.empty_like(centres), 0.0, squares
    for j in range(k):
        size = 0.0
        for part in range(len(parts)):
            size += parts[part, j, WIDTH]
        for c in range(WIDTH):
            total, centre = 0.0, centres[j, c]
            for part in range(len(parts)):
                total += parts[part, j, c]
            inertia += (size * centre - 2 * total) * centre
            moved[j, c] = total / size if size else np.nan
            shift += (moved[j, c] - centre) ** 2
    return max(0.0, inertia), moved, shift


@njit(cache=True, nogil=True)
def _in_turn(blocks, bounds, low, high, moments, depth, centres, labels):
    top = min(depth, SUBTREES)
    parts = np.zeros((2**top, len(centres), WIDTH + 1))
    for place in range(2**top):
        _walk(2**top - 1 + place, blocks, bounds, low, high, moments, depth, centres, labels, parts[place])
    return parts


@njit(cache=True, parallel=True)
def _in_parallel(blocks, bounds, low, high, moments, depth, centres, labels):
    top = min(depth, SUBTREES)
    parts = np.zeros((2**top, len(centres), WIDTH + 1))
    for place in prange(2**top):
        _walk(2**top - 1 + place, blocks, bounds, low, high, moments, depth, centres, labels, parts[place])
    return parts


@njit(cache=True)
def _walk(root, blocks, bounds, low, high, moments, depth, centres, labels, part):
    """Add the points under a node to the `part` (k, WIDTH + 1: sums and number) of the centre nearest to each."""
    k, leaves = len(centres), 2**depth
    waiting, many = np.empty(depth + 2, dtype=np.int64), np.empty(depth + 2, dtype=np.int64)
    candidates, kept = np.empty((depth + 2, k), dtype=np.int64), np.empty(k, dtype=np.int64)
    least, nearest = np.empty(LEAF), np.empty(LEAF, dtype=np.int64)
    waiting[0], many[0], left = root, k, 1
    for j in range(k):
        candidates[0, j] = j
    while left:
        left -= 1
        node, m = waiting[left], many[left]
        start, end = bounds[node, 0], bounds[node, 1]
        if start == end:
            continue
        # The candidate nearest to the box's middle: nobody farther from all of the box can win in it.
        closest, shortest = 0, np.inf
        for j in range(m):
            centre = candidates[left, j]
            gap = 0.0
            for c in range(WIDTH):
                gap += ((low[node, c] + high[node, c]) / 2 - centres[centre, c]) ** 2
            if gap < shortest:
                closest, shortest = centre, gap
        n = 0
        for j in range(m):
            centre = candidates[left, j]
            if centre != closest:
                # At the corner of the box that lies farthest towards `centre`, which of the two is nearer?
                theirs, ours = 0.0, 0.0
                for c in range(WIDTH):
                    corner = high[node, c] if centres[centre, c] > centres[closest, c] else low[node, c]
                    theirs += (corner - centres[centre, c]) ** 2
                    ours += (corner - centres[closest, c]) ** 2
                if theirs > ours:
                    continue
            kept[n] = centre
            n += 1
        if n == 1:
            for c in range(WIDTH + 1):
                part[closest, c] += moments[node, c]
            if len(labels):
                labels[start:end] = closest
        elif node >= leaves - 1:
            size = end - start
            block, full = blocks[node - leaves + 1], (size + LANES - 1) // LANES * LANES
            least[:] = np.inf
            for j in range(n):
                _nearer(block, full, centres[kept[j]], j, least, nearest)
            nearest[size:] = -1
            for c in range(WIDTH + 1):
                part[kept[0], c] += moments[node, c]
            for j in range(1, n):
                _move(block, full, j, nearest, part[kept[j]], part[kept[0]])
            if len(labels):
                for i in range(size):
                    labels[start + i] = kept[nearest[i]]
        else:
            for child in (2 * node + 1, 2 * node + 2):
                waiting[left], many[left] = child, n
                for j in range(n):
                    candidates[left, j] = kept[j]
                left += 1


# Whole rows and selections instead of branches, so that these loops are vectorised.
@njit(cache=True, nogil=True)
def _nearer(block, wide, centre, number, least, nearest):
    """Where `centre` is nearer to one of a leaf's points than `least`, it is, and `number` the `nearest`."""
    p, q, r, s, t = centre[0], centre[1], centre[2], centre[3], centre[4]
    for i in range(wide):
        square = (
            (block[0, i] - p) ** 2
            + (block[1, i] - q) ** 2
            + (block[2, i] - r) ** 2
            + (block[3, i] - s) ** 2
            + (block[4, i] - t) ** 2
        )
        is_nearer = square < least[i]
        least[i] = square if is_nearer else least[i]
        nearest[i] = number if is_nearer else nearest[i]


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _move(block, wide, number, nearest, to, away):
    """Take a leaf's points whose `nearest` is `number` away from one part and add them to another."""
    a, b, c, d, e, count = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(wide):
        counted = 1.0 if nearest[i] == number else 0.0
        a += block[0, i] * counted
        b += block[1, i] * counted
        c += block[2, i] * counted
        d += block[3, i] * counted
        e += block[4, i] * counted
        count += counted
    sums = (a, b, c, d, e, count)
    for i in range(WIDTH + 1):
        to[i] += sums[i]
        away[i] -= sums[i]
