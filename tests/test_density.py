import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from training.clustering.density import cluster_counts, eps_for_rate, neighbours
from training.clustering.segmenter import standardise

RATES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


def clouds(n=600, seed=3):
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(size=(n, 5)), random.normal(3, 0.3, size=(n // 2, 5))])


def settings(points, rates=RATES, sizes=(2, 5, 7, 10, 15, 20, 25)):
    near = neighbours(points, max(sizes))
    for size in sizes:
        threshold = near.noise_threshold(size)
        for rate in rates:
            eps = eps_for_rate(threshold, rate)
            yield eps, size, threshold > eps


@pytest.mark.parametrize(
    "points",
    [
        clouds(),
        np.round(clouds(), 1),  # many equal distances
        np.repeat(clouds(100), 4, axis=0),  # every customer four times
        clouds() * [1, 1, 1, 1, 1e-6],  # a thin axis
    ],
    ids=["clouds", "rounded", "duplicates", "thin"],
)
def test_noise_and_clusters_are_dbscans_for_every_setting(points):
    asked, clusters = [], []
    for eps, size, noise in settings(points):
        labels = DBSCAN(eps=eps, min_samples=size).fit(points).labels_
        assert (noise == (labels == -1)).all(), (eps, size)
        asked.append((eps, size))
        clusters.append(labels.max() + 1)
    assert len(asked) >= 50
    assert cluster_counts(points, neighbours(points, 25), asked) == clusters


@pytest.mark.realdata
def test_noise_and_clusters_are_dbscans_on_every_uci_customer_for_56_settings(uci_shop):
    from contract.names import FEATURES

    points = standardise(uci_shop("net").customers[list(FEATURES)].to_numpy())[1]
    asked, clusters = [], []
    for eps, size, noise in settings(points):
        labels = DBSCAN(eps=eps, min_samples=size).fit(points).labels_
        assert (noise == (labels == -1)).all(), (eps, size)
        asked.append((eps, size))
        clusters.append(labels.max() + 1)
    assert cluster_counts(points, neighbours(points, 25), asked) == clusters


def test_a_rate_gives_the_eps_that_makes_it():
    points = clouds()
    threshold = neighbours(points, 10).noise_threshold(10)
    for rate in RATES:
        assert (threshold > eps_for_rate(threshold, rate)).mean() == pytest.approx(rate, abs=1 / len(points))


def test_worked_by_hand_on_a_line():
    # 0, 1, 2 and, far off, 10. With min_samples=2 each point needs one other within eps.
    points = np.array([[0.0], [1.0], [2.0], [10.0]])
    assert neighbours(points, 2).noise_threshold(2).tolist() == [1, 1, 1, 8]


def test_a_border_point_is_not_noise():
    # With min_samples=3 only the point at 1 has three (itself counted) within 1; 0 and 2 are on its border.
    points = np.array([[0.0], [1.0], [2.0]])
    assert neighbours(points, 3).noise_threshold(3).tolist() == [1, 1, 1]
