"""The compiled loops beside scipy and scikit-learn, which do the same where numba is not installed."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.metrics import silhouette_samples as usual_samples
from sklearn.neighbors import NearestNeighbors

from training.clustering import compiled, density, evaluate, kmeans
from training.clustering.compiled import warm

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


@pytest.mark.parametrize("decimals", [9, 0], ids=["clouds", "ties"])
def test_noise_thresholds_are_those_without_numba(decimals, monkeypatch):
    near = density.neighbours(np.round(clouds(), decimals), 25)
    fast = [near.noise_threshold(size) for size in (1, 2, 15, 25)]
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    assert np.array_equal(fast, [near.noise_threshold(size) for size in (1, 2, 15, 25)])


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


@pytest.mark.parametrize(("n", "d", "k"), [(4_000, 5, 6), (4_000, 2, 3), (60_000, 5, 12)])
def test_k_means_iterations_are_lloyds(n, d, k):
    points, counted = clouds(n, d), np.arange(n) % 7 > 0
    start = points[:k]
    usual = KMeans(k, init=start, n_init=1, tol=0, max_iter=1_000).fit(points[counted])
    fast = compiled.lloyd_of(points, compiled.tree_of(points), counted)
    _, reached = fast.iterate(start, 0, 1_000)
    labels, inertia = fast.nearest(reached)
    assert np.allclose(reached, usual.cluster_centers_, atol=1e-10)
    assert np.array_equal(labels, usual.labels_)
    assert inertia == pytest.approx(usual.inertia_, rel=1e-12)


@pytest.mark.parametrize("d", [1, 5])
@pytest.mark.parametrize("k", [1, 2, 12])
def test_k_means_begins_where_scikit_learn_would(k, d):
    points = clouds(n=4_321, d=d)
    ours, theirs = np.random.RandomState(7), np.random.RandomState(7)
    for _ in range(5):
        assert np.array_equal(
            compiled.seeding_of(points).centres(k, ours), kmeans_plusplus(points, k, random_state=theirs)[0]
        )


def test_k_means_begins_anywhere_where_all_points_are_one():
    points = np.ones((3_000, 2))
    assert np.array_equal(compiled.seeding_of(points).centres(4, np.random.RandomState(0)), np.ones((4, 2)))


def test_one_thread_gives_the_iterations_of_several():
    points = clouds(60_000)
    lloyd = compiled.lloyd_of(points)
    several, one = (lloyd.iterate(points[:9], 0, 30, one_thread=one_thread) for one_thread in (False, True))
    assert several[0] == one[0]
    assert np.array_equal(several[1], one[1])


def test_k_means_of_many_points_is_as_good_as_scikit_learns_best_of_ten():
    points = np.random.default_rng(3).lognormal(size=(30_000, 5))
    for k in (3, 8, 12):
        usual = KMeans(k, n_init=10, random_state=0).fit(points)
        assert kmeans.k_means(points, k, 20, 0).inertia <= usual.inertia_ * (1 + 1e-4)


@pytest.mark.parametrize("n", [4_000, 25_000])
def test_k_means_is_the_same_with_and_without_numba(n, monkeypatch):
    points = clouds(n, seed=1)
    fast = kmeans.k_means(points, 5, 4, 0)
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    slow = kmeans.k_means(points, 5, 4, 0)
    assert np.array_equal(fast.labels, slow.labels)
    assert fast.inertia == pytest.approx(slow.inertia, rel=1e-12)


def test_a_centre_that_loses_its_points_gets_others_as_in_scikit_learn():
    points, start = clouds(), np.vstack([clouds()[:3], np.full((1, 5), 99.0)])
    assert compiled.lloyd_of(points).iterate(start, 0, 9) is None
    inertia, _ = kmeans.Lloyd(points).iterate(start, 0)
    assert inertia == pytest.approx(
        KMeans(4, init=start, n_init=1, tol=0, max_iter=1_000).fit(points).inertia_
    )


def test_silhouettes_are_scikit_learns_and_the_same_without_numba(monkeypatch):
    points = clouds(2_600)
    labels = KMeans(4, n_init=1, random_state=0).fit(points).labels_.astype(np.int64)
    fast = evaluate.silhouette_samples(points, labels)
    assert np.allclose(fast, usual_samples(points, labels), atol=1e-12)
    monkeypatch.setattr(compiled, "AVAILABLE", False)
    assert np.allclose(fast, evaluate.silhouette_samples(points, labels), atol=1e-13)


def test_silhouettes_of_several_segmentations_are_those_of_each_alone():
    """Above EXACT_UP_TO the distances are float32 and their sums float64: the means differ by less than 1e-7."""
    points = np.random.default_rng(5).lognormal(size=(20_500, 5))
    segmentations = [kmeans.k_means(points, k, 2, 0).labels for k in (2, 3, 7)]
    segmentations.append(np.zeros(len(points), dtype=np.int64))
    together = evaluate.silhouettes(points, segmentations)
    alone = [evaluate.silhouette(points, labels, exact_up_to=len(points)) for labels in segmentations]
    assert {one.distances for one in together} == {"float32"}
    assert {one.distances for one in alone} == {"float64"}
    assert np.allclose([one.value for one in together], [one.value for one in alone], rtol=0, atol=1e-7)
    assert together[0].value != alone[0].value  # or the test would compare a thing with itself
    few = evaluate.silhouettes(points[:3_000], [labels[:3_000] for labels in segmentations[:2]])
    assert {one.distances for one in few} == {"float64"}


def test_sums_of_float32_distances_stay_near_those_of_float64():
    from training.clustering.compiled.silhouette import distance_sums

    points = clouds(30_000)
    starts = np.array([0, 10, 9_000, 30_000])
    exact, rounded = (distance_sums(points[:300], points, starts, kind) for kind in (np.float64, np.float32))
    assert np.allclose(
        exact[:, 0], np.linalg.norm(points[:300, None] - points[:10], axis=2).sum(axis=1), rtol=1e-12
    )
    off = rounded / exact - 1
    assert 0 < np.abs(off[:, 1:]).max() < 3e-6
    assert abs(off[:, 1:].mean()) < 1e-7


def test_of_several_trainings_that_begin_at_once_one_compiles(monkeypatch):
    compilations = []

    def compile_all():
        time.sleep(0.2)
        compilations.append("all")

    monkeypatch.setattr(warm, "compile_all", compile_all)
    monkeypatch.setattr(compiled, "is_cached", lambda: bool(compilations))
    with ThreadPoolExecutor(4) as trainings:
        list(trainings.map(lambda _: warm.compile_once(), range(4)))
    assert compilations == ["all"]


SEARCH = """
from pathlib import Path
import numpy as np
from training.clustering import evaluate, kmeans, sweep
from training.clustering.compiled import lloyd, seeding, silhouette, spanning, tree, warm

loops = [loop for module in (lloyd, seeding, silhouette, spanning, tree) for loop in vars(module).values()]

def ways():
    return [list(getattr(loop, "signatures", [])) for loop in loops]

warm.compile_trees()
warm.compile_silhouettes()
before = ways()
random = np.random.default_rng(0)
points = np.asfortranarray(3 * random.integers(4, size=(4_000, 1)) + random.normal(size=(4_000, 5)))
evaluator = sweep.Evaluator(points, points, np.exp(points[:, 2]), sweep.Limits(), 0)
trials = list(sweep.run_trials(evaluator, 6, 0, Path("trials.log"), "study", sweep.ANOMALY_RATE))
winner = sweep.choose(trials, evaluator, sweep.ANOMALY_RATE).winner
evaluator.clusters(winner)
evaluator.flag_reproducibility(winner)
evaluate.companions(points, kmeans.k_means(points, 3, 2, 0).labels)
assert sum(map(bool, before)) >= 12
assert ways() == before
"""


def test_a_search_of_some_thousand_customers_compiles_nothing_that_is_not_compiled_before_it(tmp_path):
    # in a process of its own: other tests call the loops in other ways
    found = subprocess.run([sys.executable, "-c", SEARCH], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
