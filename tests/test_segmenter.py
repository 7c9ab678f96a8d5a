import numpy as np
from sklearn.utils.estimator_checks import parametrize_with_checks

from training.clustering.segmenter import Segmenter


@parametrize_with_checks([Segmenter()])
def test_segmenter_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_anomalies_do_not_decide_how_segments_are_numbered():
    random = np.random.default_rng(0)
    poor = np.column_stack([random.uniform(1, 2, 100), random.uniform(10, 12, 100)])
    rich = np.column_stack([random.uniform(50, 60, 100), random.uniform(90, 99, 100)])
    whale = np.array([[1.0, 1e9]])
    segmenter = Segmenter(2, anomaly_rate=0.005, random_state=0).fit(np.concatenate([poor, rich, whale]))
    assert segmenter.anomalies_.tolist() == [False] * 200 + [True]
    assert segmenter.labels_[:200].tolist() == [0] * 100 + [1] * 100


def test_customers_who_coincide_are_no_error():
    values = np.repeat([[1.0, 2.0], [3.0, 4.0]], 50, axis=0)
    assert set(Segmenter(3, random_state=0).fit(values).labels_) <= {0, 1, 2}
