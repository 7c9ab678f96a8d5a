"""Compile each loop once, so that its machine code is in the cache: `python -m training.clustering.compiled.warm`."""

from __future__ import annotations

import fcntl
from pathlib import Path

import numpy as np

from training.clustering import compiled


def compile_once() -> None:
    """Compile what is not in the cache. Of several processes one compiles; the others wait for it, and do nothing.

    Each training that begins meanwhile starts such a process, and so does one that then refuses its input.
    """
    with Path(__file__).open("rb") as source:
        fcntl.flock(source, fcntl.LOCK_EX)
        if not compiled.is_cached():
            compile_all()


def compile_all() -> None:
    """Run each compiled loop on a few thousand made-up points, in the ways that a training calls it."""
    from training.clustering.density import cluster_counts, neighbours
    from training.clustering.evaluate import EXACT_UP_TO, silhouette, silhouettes
    from training.clustering.kmeans import k_means

    random = np.random.default_rng(0)
    points = random.normal(size=(3_000, 5))
    near = neighbours(points, 25)
    cluster_counts(points, near, [(1.0, 20)])
    labels = k_means(points, 3, 2, 0).labels
    silhouette(points, labels)
    many = random.normal(size=(EXACT_UP_TO + 1, 2))
    labels = k_means(many, 2, 1, 0).labels
    silhouette(many, labels)
    silhouettes(many, [labels])


if __name__ == "__main__":
    compile_once()
