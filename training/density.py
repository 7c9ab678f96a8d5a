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

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROUNDING = 1e-9  # two distances that differ by less, relatively, are the same distance


@dataclass(frozen=True)
class Neighbours:
    """The k nearest of each point: `distances` and `indices`, both (n, k), nearest first, itself counted."""

    distances: Floats
    indices: NDArray[np.intp]

    def core_distance(self, min_samples: int) -> Floats:
        """(n,) distance to the min_samples-th nearest point: a core point at eps has at most eps."""
        return self.distances[:, min_samples - 1]

    def noise_threshold(self, min_samples: int) -> Floats:
        """(n,) the largest eps below which each point is noise: noise at eps exactly when above eps."""
        core = self.core_distance(min_samples)
        through = np.maximum(self.distances[:, :min_samples], core[self.indices[:, :min_samples]])
        return np.minimum(core, through.min(axis=1))


def neighbours(points: Floats, k: int) -> Neighbours:
    """The k nearest (Euclidean) of each of `points` (n, d); k <= n."""
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    order = tree.indices  # the tree's own leaf order keeps the query in the processor's cache
    distances, indices = np.empty((len(points), k)), np.empty((len(points), k), dtype=np.intp)
    found = tree.query(points[order], k=np.arange(1, k + 1), workers=-1)
    distances[order], indices[order] = found
    return Neighbours(distances, indices)


def eps_for_rate(threshold: Floats, rate: float) -> float:
    """The eps at which a share `rate` of the points is noise, given their noise thresholds (n,).

    It lies half-way between two thresholds that really differ, so that rounding in a distance cannot
    tip a point over.
    """
    ordered = np.sort(threshold)
    kept = min(len(ordered) - 1, max(0, round(len(ordered) * (1 - rate)) - 1))
    least = max(float(ordered[kept]) * (1 + ROUNDING), ROUNDING)
    above = ordered[ordered > least]
    return (least + float(above[0])) / 2 if len(above) and np.isfinite(above[0]) else least
