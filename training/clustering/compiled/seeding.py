"""Where k-means begins: k-means++ with several candidates for each centre, of whom the best stays.

Source: Arthur and Vassilvitskii (2007), "k-means++: the advantages of careful seeding". The candidates are drawn as
scikit-learn's `kmeans_plusplus` draws them, from the same random numbers, so both choose the same points.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from training.clustering.compiled.columns import columns_of

Floats = NDArray[np.float64]
BLOCK = 1000  # points whose squared distances are summed before the next: a candidate is looked up by blocks


class Seeding:
    """k-means++ on `points` (n, d)."""

    def __init__(self, points: Floats) -> None:
        self.points = points
        self.columns = columns_of(points)

    def centres(self, k: int, random: np.random.RandomState) -> Floats:
        """(k, d) centres; for each but the first 2 + log(k) candidates are drawn, as scikit-learn does."""
        first = random.random_sample()
        candidates = random.random_sample((k - 1, 2 + int(np.log(k))))
        return self.points[_chosen(self.columns, first, candidates)]


@njit(cache=True, nogil=True)
def _chosen(columns, first, drawn):
    """(k,) which of the points are the centres. Numbers in [0, 1) say so: the `first`, and those `drawn`
    (k - 1, candidates) for the others."""
    n, more, candidates = columns.shape[1], drawn.shape[0], drawn.shape[1]
    chosen = np.empty(more + 1, dtype=np.int64)
    blocks = (n + BLOCK - 1) // BLOCK
    squares, sums = np.full(n, np.inf), np.empty(blocks)  # of each point to the nearest centre until now
    best, best_sums, other, other_sums = np.empty(n), np.empty(blocks), np.empty(n), np.empty(blocks)
    chosen[0] = min(n - 1, int(first * n))
    total = _with_centre(columns, chosen[0], squares, best, best_sums)
    squares, best, sums, best_sums = best, squares, best_sums, sums
    for number in range(more):
        least = np.inf
        for candidate in range(candidates):
            point = _drawn_point(squares, sums, drawn[number, candidate] * total)
            with_it = _with_centre(columns, point, squares, other, other_sums)
            if with_it < least:
                least, chosen[number + 1] = with_it, point
                best, other, best_sums, other_sums = other, best, other_sums, best_sums
        total = least
        squares, best, sums, best_sums = best, squares, best_sums, sums
    return chosen


@njit(cache=True, nogil=True)
def _drawn_point(squares, sums, wanted):
    """The first point up to which the `squares` sum to what is `wanted`; `sums` are those of the blocks."""
    before, block = 0.0, 0
    while block < len(sums) - 1 and before + sums[block] < wanted:
        before += sums[block]
        block += 1
    last = min(len(squares), (block + 1) * BLOCK)
    for point in range(block * BLOCK, last):
        before += squares[point]
        if before >= wanted:
            return point
    return last - 1


@njit(cache=True, nogil=True)
def _with_centre(columns, point, squares, nearer, sums):
    """Set `nearer` to the squared distances to the nearest centre when `point` is one, too, and `sums` to those of its
    blocks; their total."""
    total = 0.0
    for block in range(len(sums)):
        start, end = block * BLOCK, min(columns.shape[1], (block + 1) * BLOCK)
        a, b, c = columns[0][start:end], columns[1][start:end], columns[2][start:end]
        d, e = columns[3][start:end], columns[4][start:end]
        sums[block] = _block(a, b, c, d, e, columns[:, point], squares[start:end], nearer[start:end])
        total += sums[block]
    return total


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _block(a, b, c, d, e, centre, squares, nearer):
    p, q, r, s, t = centre[0], centre[1], centre[2], centre[3], centre[4]
    total = 0.0
    for i in range(len(a)):
        square = (a[i] - p) ** 2 + (b[i] - q) ** 2 + (c[i] - r) ** 2 + (d[i] - s) ** 2 + (e[i] - t) ** 2
        least = square if square < squares[i] else squares[i]
        nearer[i] = least
        total += least
    return total
