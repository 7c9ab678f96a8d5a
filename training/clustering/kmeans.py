"""k-means with restarts that stay affordable: on a sample where there are many customers, polished on all of them."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
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

RESTARTS_UP_TO = 20_000  # points on which restarts are made; of more, they begin on a random SAMPLE
SAMPLE = 10_000
SAMPLE_BEGINNINGS = (
    2  # on a sample, for each restart that is asked for: it is cheap there, and half of them go on
)
SAMPLE_ITERATIONS = 5
LARGE_SAMPLE_FROM = 200_000  # points; of more, the starts are compared on a sample as well
LARGE_SAMPLE = 100_000
KEPT = 10  # different outcomes of the restarts that are polished
ALIKE = 1e-4  # relative difference of their inertias up to which two outcomes are one
ROUNDS = ((8, 7), (20, 3))  # where there are many points: after so many more iterations, so many starts go on
SAMPLE_ROUNDS = ((8, 10), (20, 5))  # the same on a sample, which can take the second best for the best
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

    `tree` is that of all `points`, and `counted` (n,) says on which of them alone the iterations are.
    """

    def __init__(
        self, points: Floats, tree: Tree | None = None, counted: NDArray[np.bool_] | None = None
    ) -> None:
        self._all, self._counted = points, counted
        self._size = len(points) if counted is None else int(counted.sum())
        self._compiled = compiled.lloyd_of(points, tree, counted)

    @cached_property
    def points(self) -> Floats:
        """The points that are counted: a copy, where some are not, that compiled iterations do without."""
        return self._all if self._counted is None else self._all[self._counted]

    @property
    def threads(self) -> int:
        """In how many threads iterations may run at once: scikit-learn's settings are those of one."""
        return (os.cpu_count() or 1) if self._compiled else 1

    def iterate(
        self, centres: Floats, tolerance: float, most: int = MOST, *, one_thread: bool = False
    ) -> tuple[float, Floats]:
        """At most so many iterations from `centres` (k, d): the inertia, and the centres (k, d) reached."""
        if self._compiled:
            reached = self._compiled.iterate(centres, tolerance, most, one_thread=one_thread)
            if reached:
                return reached
        with quietly():
            usual = KMeans(len(centres), init=centres, n_init=1, tol=tolerance, max_iter=most)
            fit = usual.fit(self.points)
        return fit.inertia_, fit.cluster_centers_

    def iterate_each(
        self, starts: Sequence[Floats], tolerance: float, most: int = MOST
    ) -> list[tuple[float, Floats]]:
        """`iterate` from each of `starts`, several at once; the lowest inertia comes first."""
        if len(starts) == 1:
            return [self.iterate(starts[0], tolerance, most)]
        with ThreadPoolExecutor(self.threads) as threads:
            ends = threads.map(lambda start: self.iterate(start, tolerance, most, one_thread=True), starts)
            return sorted(ends, key=_inertia)

    def best(self, starts: Sequence[Floats]) -> Clustering:
        """The lowest inertia that the iterations reach from any of `starts`, each (k, d).

        Where there are many points, only the starts that are best after a few iterations go on.
        """
        many = self._size > RESTARTS_UP_TO
        ends = self.promising(starts) if many else starts
        _, centres = self.iterate_each(ends[:1] if many else ends, FINE if many else NOTHING)[0]
        return Clustering(centres, *self.nearest(centres))

    def promising(self, starts: Sequence[Floats], rounds: Sequence[tuple[int, int]] = ROUNDS) -> list[Floats]:
        """What the best of many `starts` (k, d) roughly come to, the best first: after each of the `rounds` of
        iterations fewer go on."""
        ends = list(starts)
        for iterations, kept in rounds:
            if len(ends) > kept:
                ends = [end for _, end in self.iterate_each(ends, ROUGH, iterations)[:kept]]
        return [end for _, end in self.iterate_each(ends, ROUGH)] if len(ends) > 1 else ends

    def nearest(self, centres: Floats) -> tuple[Ints, float]:
        """`nearest` of the points."""
        return self._compiled.nearest(centres) if self._compiled else nearest(self.points, centres)


def k_means(points: Floats, k: int, n_init: int, seed: int | None) -> Clustering:
    """The best of `n_init` restarts on `points` (n, d), or on a sample of them and then on all."""
    lloyd = Lloyd(points)
    return lloyd.best(starts(points, k, n_init, seed, lloyd))


def starts(points: Floats, k: int, n_init: int, seed: int | None, lloyd: Lloyd | None = None) -> list[Floats]:
    """Centres (k, d) from which the iterations on `points` (n, d) may go on, the best first.

    Few points: the best different outcomes of `n_init` restarts. Many: `n_init` beginnings on a sample of them; very
    many: what the most promising of these come to on a larger sample.
    `lloyd` is that of the points, if there is one already.
    """
    random = np.random.RandomState(seed)
    if len(points) <= RESTARTS_UP_TO:
        lloyd = lloyd or Lloyd(points)
        return _different(lloyd.iterate_each(beginnings(points, k, n_init, random), ROUGH))
    sample = points[random.choice(len(points), SAMPLE, replace=False)]
    begun = beginnings(sample, k, SAMPLE_BEGINNINGS * n_init, random)
    begun = [centres for _, centres in Lloyd(sample).iterate_each(begun, ROUGH, SAMPLE_ITERATIONS)[:n_init]]
    if len(points) <= LARGE_SAMPLE_FROM:
        return begun
    large = points[random.choice(len(points), LARGE_SAMPLE, replace=False)]
    return Lloyd(large).promising(begun, SAMPLE_ROUNDS)


def beginnings(points: Floats, k: int, count: int, random: np.random.RandomState) -> list[Floats]:
    """So many centres (k, d) by k-means++ (Arthur and Vassilvitskii 2007) on `points` (n, d).

    The compiled k-means++ draws as scikit-learn's does, so `random` gives the same centres with and without it.
    """
    seeding = compiled.seeding_of(points)
    if seeding is None:
        with quietly():
            return [kmeans_plusplus(points, k, random_state=random)[0] for _ in range(count)]
    return [seeding.centres(k, random) for _ in range(count)]


def _different(outcomes: Sequence[tuple[float, Floats]]) -> list[Floats]:
    """The centres of the best `outcomes` (the lowest inertia first) whose inertias differ."""
    different: list[tuple[float, Floats]] = []
    for outcome in outcomes:
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
