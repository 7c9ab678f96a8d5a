import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score
from sklearn.metrics import silhouette_samples as usual_samples

from training.clustering import compiled
from training.clustering.evaluate import (
    SampledSilhouette,
    companions,
    flag_reproducibility,
    principal_map,
    silhouette,
    silhouette_samples,
    stability,
    without_anomaly_removal,
)
from training.clustering.labels import SHORT, by_label
from training.clustering.segmenter import standardise


def blobs(n=900, spread=0.5, seed=0):
    random = np.random.default_rng(seed)
    centres = np.array([[0, 0], [3, 0], [0, 3]])
    labels = random.integers(3, size=n)
    return centres[labels] + random.normal(0, spread, size=(n, 2)), labels.astype(np.int64)


@pytest.mark.parametrize(
    "points", [blobs()[0], np.round(blobs()[0]), np.zeros((9, 2))], ids=["blobs", "ties", "one point"]
)
def test_companions_are_the_usual_ones(points):
    labels = np.arange(len(points)) % 3
    found = companions(points, labels)
    assert found["davies_bouldin"] == pytest.approx(davies_bouldin_score(points, labels), rel=1e-10)
    assert found["calinski_harabasz"] == pytest.approx(calinski_harabasz_score(points, labels), rel=1e-10)


@pytest.mark.parametrize("n", [900, 4_001], ids=["few", "many"])
def test_companions_of_real_segments_are_the_usual_ones(n):
    points, labels = blobs(n)
    found = companions(points, labels)
    assert found["davies_bouldin"] == pytest.approx(davies_bouldin_score(points, labels), rel=1e-12)
    assert found["calinski_harabasz"] == pytest.approx(calinski_harabasz_score(points, labels), rel=1e-12)


def test_silhouette_is_the_usual_one():
    points, labels = blobs()
    assert np.allclose(silhouette_samples(points, labels), usual_samples(points, labels), atol=1e-12)
    assert silhouette(points, labels).value == pytest.approx(silhouette_score(points, labels), abs=1e-12)


def test_silhouette_worked_by_hand():
    # 0 and 1 together, 4 alone: a = 1, b = 4 and 3; a segment of one counts 0.
    points, labels = np.array([[0.0], [1.0], [4.0]]), np.array([0, 0, 1])
    assert silhouette_samples(points, labels).tolist() == [3 / 4, 2 / 3, 0]


def test_sampled_silhouette_covers_the_exact_one_as_often_as_it_says():
    points, labels = blobs(n=4_000, spread=1.2)
    exact = silhouette(points, labels).value
    found = [silhouette(points, labels, seed, exact_up_to=0) for seed in range(40)]
    assert all(0 < one.standard_error <= 1e-3 and 2_000 <= one.asked < 4_000 for one in found)
    within = [abs(one.value - exact) < 1.96 * one.standard_error for one in found]
    assert np.mean(within) >= 0.85  # 95 %, less three standard errors of 40
    assert abs(np.mean([one.value for one in found]) - exact) < 2e-4


@pytest.mark.parametrize("compiled_too", [True, False])
def test_what_a_sample_knows_of_some_labels_gives_the_silhouette_of_others(compiled_too, monkeypatch):
    """A trial moves a few customers into other segments; the sample goes on from the labels before, with one answer."""
    monkeypatch.setattr("training.clustering.compiled.AVAILABLE", compiled_too and compiled.AVAILABLE)
    points, labels = blobs(n=6_000, spread=1.2)
    others = labels.copy()
    others[::40] = (others[::40] + 1) % 3
    known = SampledSilhouette(points, [labels], 0)
    anew = [SampledSilhouette(points, [ones], 0).of(ones) for ones in (labels, others)]
    for ones, expected in [
        (others, anew[1]),
        (labels, anew[0]),
        (others, anew[1]),
        (labels[::-1].copy(), None),
    ]:
        found = known.of(ones)
        expected = expected or SampledSilhouette(points, [ones], 0).of(ones)
        assert found.value == pytest.approx(expected.value, abs=1e-6)
        assert found.asked == expected.asked
    assert known.of(others) == known.of(others)
    assert anew[0].value != pytest.approx(anew[1].value, abs=1e-3)


def test_segments_with_other_numbers_cost_no_second_look_at_all_points(monkeypatch):
    """Optima have their segments in whatever order: of those that are near to a reference only moves are looked at."""
    points, labels = blobs(n=6_000, spread=1.2)
    halves = (points[:, 0] > 1).astype(np.int64)
    thirds = KMeans(3, n_init=1, random_state=0).fit_predict(points).astype(np.int64)
    known = SampledSilhouette(points, [labels, thirds, halves], 0)
    expected = {k: SampledSilhouette(points, [ones], 0).of(ones) for k, ones in ((3, labels), (2, halves))}
    monkeypatch.setattr("training.clustering.evaluate.silhouette_samples", None)
    assert known.of(np.array([2, 0, 1])[labels]).value == pytest.approx(expected[3].value, abs=1e-6)
    assert known.of(1 - halves).value == pytest.approx(expected[2].value, abs=1e-6)


def test_labels_are_sorted_as_a_stable_sort_has_them():
    random = np.random.default_rng(0)
    for most in (7, 2 * SHORT):
        labels = random.integers(most, size=50_000)
        assert (by_label(labels) == np.argsort(labels, kind="stable")).all()


def test_a_sample_that_is_everybody_has_the_exact_silhouette():
    points, labels = blobs(n=1_500)
    found = silhouette(points, labels, exact_up_to=0)
    assert found.asked == 1_500
    assert found.standard_error == 0
    assert found.value == pytest.approx(silhouette(points, labels).value, abs=1e-6)


def test_the_control_variate_saves_many_questions():
    points, labels = blobs(n=25_000, spread=1.2)
    sampled = silhouette(points, labels)
    plain = silhouette_samples(points, labels, np.arange(500)).std() / np.sqrt(sampled.asked)
    assert sampled.standard_error < plain / 2


def test_clear_segments_are_stable_and_arbitrary_ones_are_not():
    clear, _ = blobs(spread=0.3)
    cloud = np.random.default_rng(0).normal(size=(600, 2))
    assert stability(clear, 3, refits=5) > 0.99
    assert stability(cloud, 7, refits=5) < 0.8


def test_flags_of_the_same_odd_customers_hold_and_arbitrary_ones_do_not():
    random = np.random.default_rng(0)
    crowd = random.normal(0, 0.1, (300, 2))
    odd = 50 + 10 * np.arange(12)[:, None] * np.ones(2)
    assert flag_reproducibility(np.concatenate([crowd, odd]), 15, 12 / 312) > 0.8
    assert 0 < flag_reproducibility(random.uniform(size=(300, 2)), 15, 12 / 300) < 0.6


def test_where_nobody_is_flagged_the_flags_are_the_same():
    assert flag_reproducibility(np.zeros((60, 2)), 15, 0.1) == 1
    assert flag_reproducibility(np.random.default_rng(0).normal(size=(60, 2)), 15, 1e-9) == 1


def test_reproducibility_of_flags_is_a_share_that_only_the_seed_decides():
    points = np.random.default_rng(1).lognormal(size=(200, 3))
    before = points.copy()
    measured = [flag_reproducibility(points, 20, 0.05, seed=seed) for seed in (0, 0, 1)]
    assert measured[0] == measured[1] != measured[2]
    assert all(0 < value < 1 for value in measured)
    assert np.array_equal(points, before)
    assert 0 <= flag_reproducibility(points[:5], 20, 0.2) <= 1  # fewer customers than min_samples


@pytest.mark.filterwarnings("error")
def test_a_segment_of_anomalies_alone_does_not_count_in_the_comparison():
    points, _ = blobs(300, spread=0.2)
    points = np.concatenate([points, [[50.0, 50.0], [50.1, 50.0]]])
    anomalies = np.arange(len(points)) >= 300
    assert 0 < without_anomaly_removal(points, anomalies, 3)["silhouette_on_all"] < 1


def test_principal_map_is_pca():
    points = standardise(np.random.default_rng(0).gamma(2, 3, size=(200, 5)))[1]
    found, usual = principal_map(points), PCA(2).fit(points)
    assert np.allclose(found.explained, usual.explained_variance_ratio_)
    assert np.allclose(np.abs(found.coordinates), np.abs(usual.transform(points)))


@pytest.mark.realdata
def test_the_published_two_segments_of_the_uci_data(uci_shop):
    rfm = uci_shop("drop").customers[["Recency", "Frequency", "Monetary"]].to_numpy()
    points = standardise(rfm)[1]
    kmeans = KMeans(2, n_init=10, random_state=42).fit(points)
    labels = kmeans.labels_.astype(np.int64)
    assert round(silhouette(points, labels).value, 4) == 0.4328
    assert round(companions(points, labels)["davies_bouldin"], 4) == 0.8925
    assert round(kmeans.inertia_, 1) == 6483.6
    assert sorted(np.bincount(labels)) == [1666, 2672]
