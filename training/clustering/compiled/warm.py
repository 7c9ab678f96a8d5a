"""Compile each loop once, so that its machine code is in the cache: `python -m training.clustering.compiled.warm`."""

from __future__ import annotations

import fcntl
from multiprocessing import Process
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.clustering import compiled

POINTS = 3_000


def compile_once() -> None:
    """Compile what is not in the cache. Of several processes one compiles; the others wait for it, and do nothing.

    Each training that begins meanwhile starts such a process, and so does one that then refuses its input.
    """
    with Path(__file__).open("rb") as source:
        fcntl.flock(source, fcntl.LOCK_EX)
        if not compiled.is_cached():
            compile_all()


def compile_all() -> None:
    """Compile on two cores: the halves share no loop, and take about as long as each other."""
    half = Process(target=compile_silhouettes)
    half.start()
    compile_trees()
    half.join()


def compile_trees() -> None:
    """Call each loop of `tree`, `spanning` and `lloyd` as a training of some thousand customers does."""
    from training.clustering.compiled.lloyd import Lloyd
    from training.clustering.compiled.spanning import edges
    from training.clustering.compiled.tree import Tree, noise_threshold

    points = _points()
    tree = Tree(points)
    distances, indices = tree.nearest(20)
    noise_threshold(distances, indices, 10)
    edges(tree, distances[:, 9], distances, indices, 1.0)
    lloyd = Lloyd(tree, np.ones(len(points), dtype=bool))
    lloyd.iterate(points[:3], 1e-4, 2)
    lloyd.nearest(points[:3])


def compile_silhouettes() -> None:
    """The same of `silhouette`, also with the precision of many customers, and of `seeding`."""
    from training.clustering.compiled import seeding, silhouette

    points, starts = _points(), np.array([0, POINTS // 2, POINTS])
    labels = np.repeat([0, 1], POINTS // 2)
    silhouette.all_distance_sums(points, starts)
    silhouette.about_centres(points, labels)
    silhouette.control(points, labels)
    silhouette.distance_sums(points[:10], points, starts, np.float32)
    seeding.Seeding(points).centres(3, np.random.RandomState(0))


def _points() -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(POINTS, compiled.WIDTH))


if __name__ == "__main__":
    compile_once()
