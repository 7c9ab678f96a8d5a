"""k-means with restarts that stay affordable: on a sample where there are many customers, polished on all of them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin_min
from threadpoolctl import ThreadpoolController

from training import compiled

if TYPE_CHECKING:
    from training.compiled.tree import Tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESTARTS_UP_TO = 20_000  # points on which restarts are made; of more, on a random sample of so many
KEPT = 5  # different outcomes of the restarts that are polished
ALIKE = 1e-4  # relative difference of their inertias up to which two outcomes are one
FEW = 10  # iterations after which the best of them is told where there are more points
TOLERANCE = 1e-6  # scikit-learn's `tol` for more points; up to RESTARTS_UP_TO nothing may move any more
MOST = 1_000  # iterations


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
        self.tolerance = TOLERANCE if len(points) > RESTARTS_UP_TO else 0
        self._compiled = compiled.lloyd_of(points, tree, counted)

    def iterate(self, centres: Floats, most: int = MOST) -> tuple[float, Floats]:
        """At most so many iterations from `centres` (k, d): the inertia, and the centres (k, d) reached."""
        if self._compiled and (reached := self._compiled.iterate(centres, self.tolerance, most)):
            return reached
        with quietly():
            usual = KMeans(len(centres), init=centres, n_init=1, tol=self.tolerance, max_iter=most)
            fit = usual.fit(self.points)
        return fit.inertia_, fit.cluster_centers_

    def best(self, starts: Sequence[Floats]) -> Clustering:
        """The lowest inertia that the iterations reach from any of `starts`, each (k, d)."""
        if len(self.points) > RESTARTS_UP_TO:
            starts = [min((self.iterate(start, FEW) for start in starts), key=_inertia)[1]]
        centres = min(map(self.iterate, starts), key=_inertia)[1]
        return Clustering(
            centres, *(self._compiled.nearest(centres) if self._compiled else nearest(self.points, centres))
        )


def k_means(points: Floats, k: int, n_init: int, seed: int | None) -> Clustering:
    """The best of `n_init` restarts on `points` (n, d), or on a sample of them and then on all."""
    return Lloyd(points).best(starts(points, k, n_init, seed))


def starts(points: Floats, k: int, n_init: int, seed: int | None) -> list[Floats]:
    """The centres (k, d) of the best different outcomes of `n_init` restarts on `points` (n, d) or a sample of them.

    Each begins with k-means++ (Arthur and Vassilvitskii 2007) of scikit-learn.
    """
    random = np.random.RandomState(seed)
    if len(points) > RESTARTS_UP_TO:
        points = points[random.choice(len(points), RESTARTS_UP_TO, replace=False)]
    lloyd = Lloyd(points)
    with quietly():
        seeds = [kmeans_plusplus(points, k, random_state=random)[0] for _ in range(n_init)]
    different: list[tuple[float, Floats]] = []
    for outcome in sorted(map(lloyd.iterate, seeds), key=_inertia):
        if not different or outcome[0] > different[-1][0] * (1 + ALIKE):
            different.append(outcome)
    return [centres for _, centres in different[:KEPT]]


def fitted(points: Floats, centres: Floats) -> KMeans:
    """scikit-learn's KMeans of `points` (n, d), gone on from `centres` (k, d) until nothing moves."""
    with quietly():
        return KMeans(len(centres), init=centres, n_init=1, tol=0, max_iter=MOST).fit(points)


def nearest(points: Floats, centres: Floats) -> tuple[Ints, float]:
    """(n,) the nearest of `centres` (k, d) to each of `points` (n, d), and the sum of their squared distances."""
    labels, squares = pairwise_distances_argmin_min(points, centres, metric="sqeuclidean")
    return labels, float(squares.sum())


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
