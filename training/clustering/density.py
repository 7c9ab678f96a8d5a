"""Which customers DBSCAN calls noise, for every eps and min_samples, from one neighbour query.

Source: Ester, Kriegel, Sander and Xu (1996), "A density-based algorithm for discovering clusters",
for core and noise points; the noise threshold below follows from their definitions. A point p is
noise at eps unless some q (p included) has d(p, q) <= eps and core(q) <= eps, where core(q) is the
distance from q to its min_samples-th nearest point, itself counted. So p stops being noise at
min over q of max(d(p, q), core(q)). A q with d(p, q) >= core(p) cannot lower that minimum, because
q = p already gives core(p); the others are among p's min_samples nearest. One table of nearest
neighbours therefore answers every setting, and exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.clustering import compiled

Floats = NDArray[np.float64]
ROUNDING = 1e-9  # two distances that differ by less, relatively, are the same distance
ROWS_AT_ONCE = 100_000  # so that a query's own copies stay small


@dataclass(frozen=True)
class Neighbours:
    """The k nearest of each point: `distances` and `indices`, both (n, k), nearest first, itself counted."""

    distances: Floats
    indices: NDArray[np.int32]

    def core_distance(self, min_samples: int) -> Floats:
        """(n,) distance to the min_samples-th nearest point: a core point at eps has at most eps."""
        return self.distances[:, min_samples - 1]

    def noise_threshold(self, min_samples: int) -> Floats:
        """(n,) the largest eps below which each point is noise: noise at eps exactly when above eps."""
        if compiled.AVAILABLE and len(self.distances) >= compiled.PAYS_FROM:
            from training.clustering.compiled.tree import noise_threshold

            return noise_threshold(self.distances, self.indices, min_samples)
        core = self.core_distance(min_samples)
        through = np.maximum(self.distances[:, :min_samples], core[self.indices[:, :min_samples]])
        return np.minimum(core, through.min(axis=1))


def neighbours(points: Floats, k: int) -> Neighbours:
    """The k nearest (Euclidean) of each of `points` (n, d); k <= n."""
    tree = compiled.tree_of(points)
    return Neighbours(*(tree.nearest(k) if tree else _nearest(points, k)))


def _nearest(points: Floats, k: int) -> tuple[Floats, NDArray[np.int32]]:
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    order = tree.indices  # the tree's own leaf order keeps the query in the processor's cache
    distances, indices = np.empty((len(points), k)), np.empty((len(points), k), dtype=np.int32)
    for first in range(0, len(points), ROWS_AT_ONCE):
        rows = order[first : first + ROWS_AT_ONCE]
        distances[rows], indices[rows] = tree.query(points[rows], k=np.arange(1, k + 1), workers=-1)
    return distances, indices


def cluster_counts(points: Floats, near: Neighbours, settings: Sequence[tuple[float, int]]) -> list[int]:
    """The number of DBSCAN's clusters of `points` (n, d) at each setting (eps, min_samples).

    Clusters are the connected groups of core points, so they number as many as the core points less the
    edges of the core points' spanning forest, up to eps. `near` holds the neighbours of `points`.
    """
    tree = compiled.tree_of(points)
    if tree is None:
        return [_groups(points[near.core_distance(size) <= eps], eps) for eps, size in settings]
    from training.clustering.compiled.spanning import edges

    farthest: dict[int, float] = {}
    for eps, size in settings:
        farthest[size] = max(eps, farthest.get(size, 0.0))

    def lengths(size: int) -> Floats:
        return edges(tree, near.core_distance(size), near.distances, near.indices, farthest[size])

    with ThreadPoolExecutor() as threads:
        found = dict(zip(farthest, threads.map(lengths, farthest), strict=True))
    return [
        int((near.core_distance(size) <= eps).sum() - np.searchsorted(found[size], eps, side="right"))
        for eps, size in settings
    ]


def _groups(core_points: Floats, eps: float) -> int:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not len(core_points):
        return 0
    one, other = cKDTree(core_points).query_pairs(eps, output_type="ndarray").T
    size = len(core_points)
    return connected_components(coo_array((np.ones(len(one)), (one, other)), shape=(size, size)))[0]


def eps_for_rate(threshold: Floats, rate: float) -> float:
    """The eps at which a share `rate` of the points is noise, given their noise thresholds (n,).

    It lies half-way between two thresholds that really differ, so that rounding in a distance cannot
    tip a point over.
    """
    kept = min(len(threshold) - 1, max(0, round(len(threshold) * (1 - rate)) - 1))
    least = max(float(np.partition(threshold, kept)[kept]) * (1 + ROUNDING), ROUNDING)
    next_above = threshold.min(where=threshold > least, initial=np.inf)
    return (least + float(next_above)) / 2 if np.isfinite(next_above) else least
