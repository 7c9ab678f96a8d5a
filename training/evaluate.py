"""How good a segmentation is: silhouette, its usual companions, and stability under resampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXACT_UP_TO = 20_000
SAMPLE = 10_000
ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Silhouette:
    """The mean silhouette; `standard_error` is 0 when every customer was asked, `asked` says how many were."""

    value: float
    standard_error: float
    asked: int


def silhouette(points: Floats, labels: Ints, seed: int = 0, exact_up_to: int = EXACT_UP_TO) -> Silhouette:
    """Mean silhouette (Rousseeuw 1987, Euclidean) of `points` (n, d) under `labels` (n,).

    Exact up to `exact_up_to` points; above, the mean over a random sample, each of it against all the
    others, with the standard error of that mean.
    """
    n = len(points)
    if n <= exact_up_to:
        return Silhouette(float(silhouette_samples(points, labels).mean()), 0.0, n)
    rows = np.random.default_rng(seed).choice(n, SAMPLE, replace=False)
    values = silhouette_samples(points, labels, rows)
    error = values.std(ddof=1) / np.sqrt(SAMPLE) * np.sqrt(1 - SAMPLE / n)
    return Silhouette(float(values.mean()), float(error), SAMPLE)


def silhouette_samples(points: Floats, labels: Ints, rows: Ints | None = None) -> Floats:
    """Silhouette of each of `rows` (all by default) against all `points`; (len(rows),), 0 in a segment of one."""
    from scipy.spatial.distance import cdist

    rows = np.arange(len(points)) if rows is None else rows
    if not len(points) or labels.max() == 0:
        return np.zeros(len(rows))
    sizes = np.bincount(labels)
    order = np.argsort(labels, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    by_segment = points[order]
    result = np.empty(len(rows))
    for first in range(0, len(rows), ROWS_AT_ONCE):
        block = rows[first : first + ROWS_AT_ONCE]
        own = labels[block]
        here = np.arange(len(block))
        sums = np.add.reduceat(cdist(points[block], by_segment), starts, axis=1)
        within = sums[here, own] / np.maximum(sizes[own] - 1, 1)
        means = sums / sizes
        means[here, own] = np.inf
        nearest = means.min(axis=1)
        larger = np.maximum(within, nearest)
        score = np.divide(nearest - within, larger, out=np.zeros(len(block)), where=larger > 0)
        result[first : first + ROWS_AT_ONCE] = np.where(sizes[own] > 1, score, 0.0)
    return result


def companions(points: Floats, labels: Ints) -> dict[str, float]:
    """Davies-Bouldin (lower is better) and Calinski-Harabasz (higher is better); both 0 for one segment."""
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    if labels.max() == 0:
        return {"davies_bouldin": 0.0, "calinski_harabasz": 0.0}
    return {
        "davies_bouldin": float(davies_bouldin_score(points, labels)),
        "calinski_harabasz": float(calinski_harabasz_score(points, labels)),
    }


def stability(points: Floats, k: int, *, refits: int = 20, n_init: int = 10, seed: int = 0) -> float:
    """Mean adjusted Rand index between k-means on `points` (n, d) and k-means on bootstrap samples of them.

    Each refit sees n points drawn with replacement and then labels all n. 1 means that resampling
    the customers changes nothing. Source: Hennig (2007), "Cluster-wise assessment of cluster
    stability", with the adjusted Rand index (Hubert and Arabie 1985) as the measure of agreement.
    """
    from sklearn.metrics import adjusted_rand_score

    from training.segmenter import fit_kmeans

    base = fit_kmeans(points, k, n_init, seed).labels_
    random = np.random.default_rng(seed)
    agreements = []
    for refit in range(refits):
        sample = points[random.integers(len(points), size=len(points))]
        again = fit_kmeans(sample, k, n_init, seed + refit).predict(points)
        agreements.append(adjusted_rand_score(base, again))
    return float(np.mean(agreements))


def without_anomaly_removal(
    points: Floats, anomalies: NDArray[np.bool_], k: int, seed: int = 0
) -> dict[str, float]:
    """What the ordinary customers' segments would be worth, had k-means been fitted on everyone.

    silhouette_on_all: of the ordinary customers, under centres fitted on all `points` (n, d);
    stability_on_all: of k-means on all points.
    """
    from training.segmenter import fit_kmeans

    labels = fit_kmeans(points, k, 10, seed).labels_
    _, ordinary = np.unique(labels[~anomalies], return_inverse=True)  # a segment may hold anomalies only
    return {
        "silhouette_on_all": silhouette(points[~anomalies], ordinary, seed).value,
        "stability_on_all": stability(points, k, seed=seed),
    }


@dataclass(frozen=True)
class Map:
    """Customers on their two principal components: `coordinates` (n, 2), `loadings` (2, d), and the shares of
    variance that the two explain, `explained` (2,)."""

    coordinates: Floats
    loadings: Floats
    explained: Floats


def principal_map(points: Floats) -> Map:
    """PCA of `points` (n, d, centred) to the plane; each axis points to where its largest loading grows.

    With one feature the second axis is flat.
    """
    _, singular, axes = np.linalg.svd(points, full_matrices=False)
    axes = np.pad(axes, ((0, 1), (0, 0)))[:2]
    axes = axes * np.where(axes[[0, 1], np.abs(axes).argmax(axis=1)] < 0, -1, 1)[:, None]
    explained = np.pad(singular**2 / (singular**2).sum(), (0, 1))[:2]
    return Map(points @ axes.T, axes, explained)
