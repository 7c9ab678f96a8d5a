"""k-means with restarts that stay affordable: on a sample where there are many customers, polished on all of them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

Floats = NDArray[np.float64]

RESTARTS_UP_TO = 20_000  # points on which restarts are made; of more, on a random SAMPLE
SAMPLE = 10_000
KEPT = 5  # different outcomes of the restarts that are polished
FEW = 20  # iterations after which the best of them is told


def fit_kmeans(points: Floats, k: int, n_init: int, seed: int | None) -> KMeans:
    """KMeans of `points` (n, d): the best of `n_init` restarts; above RESTARTS_UP_TO points `polish` of `starts`."""
    if len(points) > RESTARTS_UP_TO:
        return polish(points, starts(points, k, n_init, seed))
    with _quietly():
        return KMeans(k, n_init=n_init, random_state=seed).fit(points)


def starts(points: Floats, k: int, n_init: int, seed: int | None) -> list[Floats]:
    """The centres (k, d) of the best different outcomes of `n_init` restarts on `points` (n, d) or a sample of them."""
    random = np.random.RandomState(seed)
    if len(points) > RESTARTS_UP_TO:
        points = points[random.choice(len(points), SAMPLE, replace=False)]
    seeds = random.randint(2**31 - 1, size=n_init)
    with _quietly():
        fits = [KMeans(k, n_init=1, random_state=each).fit(points) for each in seeds]
    different: list[KMeans] = []
    for fit in sorted(fits, key=lambda fit: fit.inertia_):
        if not different or fit.inertia_ > different[-1].inertia_ * (1 + 1e-4):
            different.append(fit)
    return [fit.cluster_centers_ for fit in different[:KEPT]]


def polish(
    points: Floats, centres: Sequence[Floats], iterate: Callable[..., tuple[Floats, float]] | None = None
) -> KMeans:
    """The best KMeans of `points` (n, d) that Lloyd's iterations reach from any of `centres`, each (k, d).

    `iterate`, where given, is a quicker way through the iterations, `compiled.Tree.k_means`; it also tells
    from the first few which of the centres to go on with.
    """
    if iterate:
        begun, _ = min((iterate(start, most=FEW) for start in centres), key=lambda reached: reached[1])
        centres = [iterate(begun)[0]]
    with _quietly():
        fits = [KMeans(len(start), init=start, n_init=1, tol=0).fit(points) for start in centres]
    return min(fits, key=lambda fit: fit.inertia_)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
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
