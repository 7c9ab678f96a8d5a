import doctest

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from training.clustering import segmenter as module
from training.clustering.segmenter import Segmenter


@parametrize_with_checks([Segmenter()])
def test_segmenter_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_the_example_of_its_docstring_is_true():
    result = doctest.testmod(module)
    assert (result.attempted, result.failed) == (6, 0)


def cloud(n=200, d=3):
    return np.random.default_rng(0).lognormal(1, 1, (n, d))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"anomaly_rate": 5}, "'anomaly_rate' parameter of Segmenter must be a float in the range .* Got 5"),
        ({"anomaly_rate": 0}, "'anomaly_rate' parameter of Segmenter must be"),
        ({"n_clusters": 0}, "'n_clusters' parameter of Segmenter must be an int in the range .* Got 0"),
        ({"min_samples": 2.5}, "'min_samples' parameter of Segmenter must be an int"),
        ({"eps": -1.0}, "'eps' parameter of Segmenter must be a float"),
        ({"random_state": -1}, "'random_state' parameter of Segmenter must be an int"),
        ({"weights": "heavy"}, "'weights' parameter of Segmenter must be an array-like"),
        ({"weights": [1, 1]}, r"weights=\[1, 1\] cannot be used; expected 3 numbers above 0, one for each"),
        (
            {"weights": [1, 0, 1]},
            "expected 3 numbers above 0.* To leave a feature out, leave it out of columns",
        ),
        ({"weights": [1, -2, 1]}, "expected 3 numbers above 0"),
        ({"weights": [1, np.nan, 1]}, "expected 3 numbers above 0"),
        ({"weights": [1, 1, 1], "columns": [0, 2]}, "expected 2 numbers above 0"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_in_words(parameters, message):
    with pytest.raises(ValueError, match=message):
        Segmenter(**parameters).fit(cloud())


def test_weights_that_are_all_one_give_the_segments_without_weights():
    values = cloud()
    plain, ones = (Segmenter(4, random_state=0, weights=weights).fit(values) for weights in (None, [1, 1, 1]))
    assert np.array_equal(ones.labels_, plain.labels_)
    assert np.array_equal(ones.predict(values), plain.predict(values))
    assert np.array_equal(ones.kmeans_.cluster_centers_, plain.kmeans_.cluster_centers_)
    assert plain.weights_.tolist() == [1, 1, 1]


def test_a_heavy_feature_decides_the_segments_but_not_the_anomalies():
    """Each column has two groups of its own, which cross."""
    random = np.random.default_rng(0)
    first, second = np.tile([1, 40], 100), np.repeat([1, 40], 100)
    values = np.column_stack([first, second]) * random.uniform(0.9, 1.1, (200, 2))
    by_first = Segmenter(2, weights=[1, 0.1], order_by=0, random_state=0).fit(values)
    by_second = Segmenter(2, weights=[0.1, 1], order_by=1, random_state=0).fit(values)
    assert by_first.labels_.tolist() == (first > 1).tolist()
    assert by_second.labels_.tolist() == (second > 1).tolist()
    assert by_first.predict(values).tolist() == by_first.labels_.tolist()
    assert np.array_equal(by_first.anomalies_, by_second.anomalies_)
    assert by_first.eps_ == by_second.eps_


def test_segments_are_numbered_by_the_median_which_a_few_big_spenders_do_not_move():
    """95 who spent 10 and five who spent 100,000 are worth less than 100 who spent 100, whatever their mean says."""
    kind = np.repeat([30.0, 1.0], 100) + np.tile(np.linspace(0, 0.2, 100), 2)
    spent = np.concatenate([np.repeat([10.0, 100_000.0], [95, 5]), np.full(100, 100.0)])
    segmenter = Segmenter(2, columns=[0], order_by=1, random_state=0).fit(np.column_stack([kind, spent]))
    assert segmenter.labels_.tolist() == [0] * 100 + [1] * 100
    assert spent[:100].mean() > spent[100:].mean()


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


def test_what_was_fitted_is_left_as_it_was():
    values = cloud()
    before = values.copy()
    weights = [1.0, 2.0, 3.0]
    segmenter = Segmenter(2, weights=weights).fit(values)
    segmenter.predict(values)
    assert np.array_equal(values, before)
    assert weights == [1.0, 2.0, 3.0]
