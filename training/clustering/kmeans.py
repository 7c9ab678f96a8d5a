"""k-means with restarts that stay affordable: on a sample where there are many customers, polished on all of them."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from training.clustering import compiled

if TYPE_CHECKING:
    from training.clustering.compiled.tree import Tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESTARTS_UP_TO = 20_000  # points on which restarts are made; of more, on a random SAMPLE
SAMPLE = 10_000
KEPT = 10  # different outcomes of the restarts that are polished
ALIKE = 1e-4  # relative difference of their inertias up to which two outcomes are one
FEW = 3  # iterations after which only the best third of them goes on, where there are many points
MOST = 1_000  # iterations
# What scikit-learn calls `tol`: its own default for restarts, and for the last digit of the best of them less, or
# nothing that still moves where there are few points.
ROUGH, FINE, NOTHING = 1e-4, 1e-6, 0.0


@dataclass(frozen=True)
class Clustering:
    """Points (n, d) by the nearest of `centres` (k, d): `labels` (n,) and `inertia`, the sum of squared distances."""

    centres: Floats
    labels: Ints
    inertia: float


class Lloyd:
    """Lloyd's iterations on `points` (n, d), compiled where the extra `fast` is installed.

    `tree` and `counted` say that the points are those of a tree that are counted.
    """

    def __init__(
        self, points: Floats, tree: Tree | None = None, counted: NDArray[np.bool_] | None = None
    ) -> None:
        self.points = points
        self._compiled = compiled.lloyd_of(points, tree, counted)

    @property
    def threads(self) -> int:
        """In how many threads iterations may run at once: scikit-learn's settings are those of one."""
        return (os.cpu_count() or 1) if self._compiled else 1

    def iterate(self, centres: Floats, tolerance: float, most: int = MOST) -> tuple[float, Floats]:
        """At most so many iterations from `centres` (k, d): the inertia, and the centres (k, d) reached."""
        if self._compiled and (reached := self._compiled.iterate(centres, tolerance, most)):
            return reached
        with quietly():
            usual = KMeans(len(centres), init=centres, n_init=1, tol=tolerance, max_iter=most)
            fit = usual.fit(self.points)
        return fit.inertia_, fit.cluster_centers_

    def best(self, starts: Sequence[Floats]) -> Clustering:
        """The lowest inertia that the iterations reach from any of `starts`, each (k, d)."""
        many = len(self.points) > RESTARTS_UP_TO
        while many and len(starts) > 1:
            reached = sorted((self.iterate(start, FINE, FEW) for start in starts), key=_inertia)
            starts = [centres for _, centres in reached[: -(-len(reached) // 3)]]
        ends = [self.iterate(start, FINE if many else NOTHING) for start in starts]
        _, centres = min(ends, key=_inertia)
        labels, inertia = (self._compiled or self).nearest(centres)
        return Clustering(centres, labels, inertia)

    def nearest(self, centres: Floats) -> tuple[Ints, float]:
        """`nearest` of the points."""
        return nearest(self.points, centres)


def k_means(points: Floats, k: int, n_init: int, seed: int | None) -> Clustering:
    """The best of `n_init` restarts on `points` (n, d), or on a sample of them and then on all."""
    lloyd = Lloyd(points)
    return lloyd.best(starts(points, k, n_init, seed, lloyd))


def starts(points: Floats, k: int, n_init: int, seed: int | None, lloyd: Lloyd | None = None) -> list[Floats]:
    """The centres (k, d) of the best different outcomes of `n_init` restarts on `points` (n, d) or a sample of them.

    Each begins with k-means++ (Arthur and Vassilvitskii 2007) of scikit-learn. `lloyd` is that of the points, if there
    is one already.
    """
    random = np.random.RandomState(seed)
    if len(points) > RESTARTS_UP_TO:
        points, lloyd = points[random.choice(len(points), SAMPLE, replace=False)], None
    lloyd = lloyd or Lloyd(points)
    with quietly():
        begun = [kmeans_plusplus(points, k, random_state=random)[0] for _ in range(n_init)]
    with ThreadPoolExecutor(lloyd.threads) as threads:
        outcomes = list(threads.map(lambda centres: lloyd.iterate(centres, ROUGH), begun))
    different: list[tuple[float, Floats]] = []
    for outcome in sorted(outcomes, key=_inertia):
        if not different or outcome[0] > different[-1][0] * (1 + ALIKE):
            different.append(outcome)
    return [centres for _, centres in different[:KEPT]]


def fit_from(points: Floats, centres: Floats) -> KMeans:
    """scikit-learn's KMeans of `points` (n, d), gone on from `centres` (k, d) until nothing moves."""
    with quietly():
        return KMeans(len(centres), init=centres, n_init=1, tol=0, max_iter=MOST).fit(points)


def nearest(points: Floats, centres: Floats) -> tuple[Ints, float]:
    """(n,) the nearest of `centres` (k, d) to each of `points` (n, d), and the sum of their squared distances."""
    squares = cdist(centres, points, "sqeuclidean")  # so that the least is found along the longer axis
    return squares.argmin(axis=0), float(squares.min(axis=0).sum())


def _inertia(outcome: tuple[float, Floats]) -> float:
    return outcome[0]


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """scikit-learn on one thread (two add up in an order of their own, and the last digits differ), its own checks of
    parameters left out, and no warning where there are fewer distinct points than k."""
    limited = _threads().limit(limits=1, user_api="openmp")
    with limited, sklearn.config_context(skip_parameter_validation=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@cache
def _threads() -> ThreadpoolController:
    """Looking for the loaded thread pools takes longer than a small fit, so it is done once."""
    return ThreadpoolController()
