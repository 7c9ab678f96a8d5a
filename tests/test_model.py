from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from contract.names import FEATURES
from training.clustering.segmenter import Segmenter
from training.clustering.weights import DEFAULT_WEIGHTS, weights_of
from training.states import shop_gap
from training.store import artifact as package
from training.store import registry, tracking

WEIGHTS = weights_of(FEATURES, DEFAULT_WEIGHTS)
GOOD = {"Recency": 20.0, "Frequency": 3.0, "Monetary": 300.0, "AverageOrderValue": 100.0, "Tenure": 200.0}


def made_up_customers(n=400, seed=1):
    random = np.random.default_rng(seed)
    frequency = np.ceil(random.gamma(1, 4, n))
    order = random.lognormal(4, 1, n)
    recency = np.ceil(random.exponential(60, n))
    return pd.DataFrame(
        {
            "Recency": recency,
            "Frequency": frequency,
            "Monetary": order * frequency,
            "AverageOrderValue": order,
            "Tenure": recency + np.floor(random.exponential(100, n)) * (frequency > 1),
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory, new_store):
    """(segmenter, its customers, the model as MLflow logged and loaded it)"""
    import mlflow

    folder = tmp_path_factory.mktemp("model")
    with new_store(folder) as client:
        customers = made_up_customers()
        values = customers.to_numpy()
        segmenter = Segmenter(
            3, anomaly_rate=0.03, min_samples=15, weights=WEIGHTS, order_by=2, random_state=0
        ).fit(values)
        artifact = package.write(
            folder / "segmenter.skops",
            segmenter,
            FEATURES,
            ["Low", "Medium", "High"],
            np.median(values, axis=0),
            shop_gap(customers),
        )
        with mlflow.start_run(experiment_id=tracking.experiment_id(client)):
            uri, _ = registry.log_model(client, artifact, customers, package.requirements(), {})
        yield segmenter, customers, mlflow.pyfunc.load_model(uri)


@pytest.fixture
def model(trained):
    return trained[2]


def rows(*changes):
    return pd.DataFrame([GOOD | change for change in changes])


def test_answers_are_the_training_labels_anomalies_included(trained):
    segmenter, customers, model = trained
    answers = model.predict(customers)
    assert answers.segment.tolist() == segmenter.labels_.tolist()
    assert answers.is_anomaly.tolist() == segmenter.anomalies_.tolist()
    assert answers.is_anomaly.sum() == 12


def test_the_score_is_above_one_exactly_for_anomalies(trained):
    _, customers, model = trained
    answers = model.predict(customers)
    assert ((answers.anomaly_score > 1) == answers.is_anomaly).all()


def test_distance_is_to_the_segments_centre_in_the_weighted_space(trained):
    segmenter, customers, model = trained
    points = segmenter.scaler_.transform(np.log1p(customers.to_numpy())) * [0.7, 1, 1, 0.25, 0.25]
    own = segmenter.kmeans_.cluster_centers_[segmenter.labels_]
    assert np.allclose(model.predict(customers).distance, np.linalg.norm(points - own, axis=1))


def test_one_row_and_many_rows_give_the_same(trained):
    _, customers, model = trained
    many = model.predict(customers.head(20))
    one_by_one = pd.concat([model.predict(customers.iloc[[i]]) for i in range(20)], ignore_index=True)
    pd.testing.assert_frame_equal(many, one_by_one)


@pytest.mark.parametrize("gap", [12.5, float("nan")], ids=["a gap", "nobody came back"])
@pytest.mark.parametrize("spanned", [True, False])
def test_one_row_is_answered_to_the_last_bit_as_many_are(trained, monkeypatch, gap, spanned):
    model = trained[2].unwrap_python_model()
    monkeypatch.setattr(model, "gap", gap)
    if not spanned:
        monkeypatch.setattr(model, "span", None)
    customers = made_up_customers(300, seed=4).to_numpy()
    many = {name: answer.tolist() for name, answer in model.answers(customers).items()}
    rows = [model.row(customer[None]) for customer in customers]
    assert [row is None for row in rows] == many["is_anomaly"]
    expected = [dict(zip(many, cells, strict=True)) for cells in zip(*many.values(), strict=True)]
    assert [row or answer for row, answer in zip(rows, expected, strict=True)] == expected
    assert len(set(many["state"])) >= 2
    assert 0 < sum(many["is_anomaly"]) < 300


def test_very_many_rows_which_threads_share_are_answered_as_few_are(model):
    many = made_up_customers(30_000, seed=2)
    parts = [model.predict(many[start : start + 1_000]) for start in range(0, len(many), 1_000)]
    pd.testing.assert_frame_equal(model.predict(many), pd.concat(parts, ignore_index=True), check_exact=True)


def test_a_frame_and_plain_arrays_hold_the_same(model):
    customers = made_up_customers(200, seed=3)
    customers[["Monetary", "AverageOrderValue"]] *= 30
    plain = model.unwrap_python_model().answers(customers.to_numpy())
    framed = model.predict(customers)
    assert framed.is_anomaly.any()
    assert {name: answer.tolist() for name, answer in plain.items()} == framed.to_dict("list")


def test_an_extreme_spender_is_an_anomaly_and_the_reason_says_so(model):
    answer = model.predict(rows({"Monetary": 3e7, "AverageOrderValue": 1e7})).iloc[0]
    assert answer.is_anomaly
    assert answer.segment_name == "High"
    assert answer.anomaly_reason.startswith("AverageOrderValue unusually high: 10,000,000 (typical ")


def test_an_ordinary_customer_has_no_reason(model):
    answer = model.predict(rows({})).iloc[0]
    assert not answer.is_anomaly
    assert answer.anomaly_reason == ""


def test_columns_may_come_in_any_order_and_with_others(model):
    shuffled = rows({})[list(GOOD)[::-1]].assign(customer_id="17850")
    pd.testing.assert_frame_equal(model.predict(shuffled), model.predict(rows({})))


def test_a_subset_of_features_can_be_used_for_the_distance():
    customers = made_up_customers()
    changed = customers.assign(AverageOrderValue=1.0)
    segmenter = Segmenter(3, columns=[0, 1, 2], order_by=2, random_state=0)
    assert (segmenter.fit(customers.to_numpy()).labels_ == segmenter.fit(changed.to_numpy()).labels_).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Monetary": float("nan")}, "Row 1, column Monetary: given nan, expected a finite number"),
        ({"Monetary": float("inf")}, "Row 1, column Monetary: given inf, expected a finite number"),
        ({"Monetary": -1e308}, "Row 1, column Monetary: given -1e+308, expected at least 0"),
        ({"Recency": -1.0}, "Row 1, column Recency: given -1, expected at least 0"),
        ({"Frequency": 0.0}, "Row 1, column Frequency: given 0, expected at least 1 order"),
        ({"Recency": 201.0}, "Row 1, column Recency: given 201, expected at most Tenure"),
    ],
)
def test_a_row_that_no_customer_can_have_is_refused_with_row_and_column(model, change, message):
    with pytest.raises(MlflowException) as refused:
        model.predict(rows({}, change))
    assert message in refused.value.message
    assert "No row was scored" in refused.value.message
    assert refused.value.get_http_status_code() == 400


def test_no_rows_are_refused(model):
    with pytest.raises(MlflowException, match="No rows were given"):
        model.predict(rows({}).iloc[:0])


def test_many_bad_rows_are_counted_not_listed(model):
    with pytest.raises(MlflowException, match="And 95 more"):
        model.predict(rows(*[{"Frequency": 0.0}] * 100))


@pytest.mark.usefixtures("trained")
def test_the_model_is_stored_without_pickles(tmp_path_factory):
    stored = [path.name for path in tmp_path_factory.getbasetemp().rglob("models/m-*/**/*") if path.is_file()]
    assert {"MLmodel", "model.py", "segmenter.skops", "requirements.txt"} <= set(stored)
    assert not [name for name in stored if name.endswith((".pkl", ".pickle", ".joblib"))]


def test_the_models_requirements_are_the_locks():
    lock = (Path(__file__).parents[1] / "requirements.lock").read_text(encoding="utf-8")
    for requirement in package.requirements():
        assert f"\n{requirement} " in f"\n{lock}", requirement
