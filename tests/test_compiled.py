"""The compiled loops beside scipy and scikit-learn, which do the same where numba is not installed."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples as usual_samples
from sklearn.neighbors import NearestNeighbors

from training import compiled, density, evaluate, kmeans

pytestmark = pytest.mark.skipif(not compiled.AVAILABLE, reason="numba, the extra `fast`, is not installed")


def clouds(n=4_000, d=5, seed=0):
    random = np.random.default_rng(seed)
    centres = random.normal(0, 3, size=(4, d))
    return centres[random.integers(4, size=n)] + random.normal(size=(n, d))


@pytest.mark.parametrize("d", [1, 3, 5])
def test_neighbours_are_scipys_and_scikit_learns(d):
    points = clouds(d=d)
    found = density.neighbours(points, 25)
    assert np.array_equal(found.distances, density._nearest(points, 25)[0])
    usual = NearestNeighbors(n_neighbors=25).fit(points).kneighbors(points)[0]
    assert np.allclose(found.distances, usual, rtol=1e-12)
    between = np.linalg.norm(points[:, None] - points[found.indices], axis=2)
    assert np.allclose(found.distances, between)


def test_neighbours_where_many_customers_are_the_same():
    points = np.round(clouds(), 0)
    assert np.array_equal(density.neighbours(points, 25).distances, density._nearest(points, 25)[0])
    alike = np.ones((3_000, 5))
    assert not density.neighbours(alike, 25).distances.any()


@pytest.mark.parametrize("decimals", [9, 0], ids=["clouds", "ties"])
def test_clusters_are_scipys(decimals, monkeypatch):
    points = np.round(clouds(2_600), decimals)
    near = density.neighbours(points, 10)
    asked = [(float(eps), size) for eps in (0.5, 1.0, 1.5, 3.0) for size in (3, 10)]
    fast = density.cluster_counts(points, near, asked)
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    assert fast == density.cluster_counts(points, near, asked)


def test_k_means_iterations_are_lloyds():
    points, counted = clouds(), np.arange(4_000) % 7 > 0
    start = points[:6]
    reached, _ = compiled.tree_of(points).k_means(start, counted)
    usual = KMeans(6, init=start, n_init=1, tol=0, max_iter=1_000).fit(points[counted])
    assert np.allclose(reached, usual.cluster_centers_, atol=1e-10)


def test_k_means_of_many_is_the_same_with_and_without_numba():
    points = clouds(21_000, seed=1)
    starts = kmeans.starts(points, 5, 4, 0)
    everyone = np.ones(len(points), dtype=bool)
    tree = compiled.tree_of(points)
    fast = kmeans.polish(points, starts, lambda start, **most: tree.k_means(start, everyone, **most))
    slow = kmeans.polish(points, starts)
    assert np.array_equal(fast.labels_, slow.labels_)
    assert fast.inertia_ == pytest.approx(slow.inertia_, rel=1e-12)


def test_silhouettes_are_scikit_learns_and_the_same_without_numba(monkeypatch):
    points = clouds(2_600)
    labels = KMeans(4, n_init=1, random_state=0).fit(points).labels_.astype(np.int64)
    fast = evaluate.silhouette_samples(points, labels)
    assert np.allclose(fast, usual_samples(points, labels), atol=1e-12)
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    assert np.allclose(fast, evaluate.silhouette_samples(points, labels), atol=1e-13)
