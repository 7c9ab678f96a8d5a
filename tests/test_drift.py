"""How far customers have moved: the measures on made-up customers, the command on the demo shop."""

import json
import math
from datetime import date
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from contract.names import FEATURES, MODEL
from training.band import Band
from training.cli import main
from training.clustering.segmenter import Segmenter
from training.drift import (
    TOTAL_VARIATION,
    Thresholds,
    by_chance,
    compare_customers,
    in_deciles,
    psi_terms,
    total_variation_terms,
)
from training.store import registry


def test_equal_values_are_one_bin_and_what_lies_outside_the_range_has_its_own():
    orders = np.array([1, 1, 1, 1, 2, 2, 3, 4, 7, 20.0])
    labels, training, now = in_deciles(orders, np.array([0.5, 1, 2, 5, 21, 99]))
    assert labels == [
        "below 1", "1", "above 1 to 2", "above 2 to 3", "above 3 to 4", "above 4 to 7", "above 7 to 20", "above 20",
    ]  # fmt: skip
    assert training.tolist() == [0, 4, 2, 1, 1, 1, 1, 0]
    assert now.tolist() == [1, 1, 1, 0, 0, 1, 0, 2]


def test_psi_by_hand():
    assert psi_terms(np.array([50, 50]), np.array([80, 20])) == pytest.approx(
        [0.3 * math.log(1.6), -0.3 * math.log(0.4)]
    )


def test_an_empty_bin_counts_as_half_a_customer():
    assert psi_terms(np.array([60, 40, 0]), np.array([60, 30, 10]))[2] == pytest.approx(
        (0.1 - 0.005) * math.log(0.1 / 0.005)
    )


def test_total_variation_is_the_share_that_would_have_to_change_segment():
    training, now = np.array([50, 30, 20]), np.array([80, 80, 40])  # 40 %, 40 % and 20 %: 10 % have moved
    assert total_variation_terms(training, now) == pytest.approx([0.05, 0.05, 0])


def test_a_tenth_in_another_segment_is_drift_and_what_chance_brings_is_not():
    def customers(*counts):
        segment = np.repeat([0, 1, 2], counts)
        columns = dict.fromkeys(("Recency", "distance"), 1.0) | {"is_anomaly": False}
        return pd.DataFrame({"segment": segment, "segment_name": segment.astype(str)} | columns)

    def verdict(*counts):
        lines = compare_customers(
            customers(500, 300, 200), customers(*counts), ["Recency"], Band.of(0, 1000), Thresholds()
        )
        return next(line for line in lines if line.name == "segment").verdict

    assert [verdict(460, 340, 200), verdict(440, 360, 200), verdict(399, 401, 200)] == [
        "ok",
        "watch",
        "drift",
    ]
    assert verdict(20, 18, 12) == "ok"  # 10 %, too, but of 50 customers


@pytest.mark.parametrize("customers", [100, 4000])
def test_chance_reaches_as_far_as_samples_of_one_mix_of_segments_do(customers):
    random = np.random.default_rng(1)
    found = []
    for _ in range(200):
        training, now = (random.multinomial(n, [0.5, 0.3, 0.2]) for n in (2000, customers))
        chance = by_chance(training, customers, TOTAL_VARIATION)
        found.append(total_variation_terms(training, now).sum() > chance)
    assert 0.01 < np.mean(found) < 0.13


@pytest.mark.parametrize("customers", [100, 4000])
def test_chance_reaches_as_far_as_samples_of_one_population_do(customers):
    random = np.random.default_rng(1)
    found = []
    for _ in range(200):
        _, training, now = in_deciles(random.normal(size=2000), random.normal(size=customers))
        found.append(psi_terms(training, now).sum() > by_chance(training, customers))
    assert 0.01 < np.mean(found) < 0.13


def test_the_band_is_half_to_twice_the_trained_rate_and_wider_where_few_were_trained_on():
    assert (Band.of(0.02, 4000).low, Band.of(0.02, 4000).high) == (0.01, 0.04)
    assert Band.of(0.02, 100).high > 0.1


@pytest.mark.parametrize(("flagged", "customers"), [(0, 10), (1, 1), (2, 10), (60, 4000), (155, 4000)])
def test_a_share_within_the_band_or_a_few_rows_are_no_alarm(flagged, customers):
    assert Band.of(0.02, 4000).holds(flagged, customers)


@pytest.mark.parametrize(("flagged", "customers"), [(5, 10), (10, 4000), (0, 4000), (220, 4000)])
def test_a_share_outside_the_band_is(flagged, customers):
    assert not Band.of(0.02, 4000).holds(flagged, customers)


@pytest.fixture
def run(store, monkeypatch, tmp_path):
    """`segments ARGUMENTS` in `store`, in this process; what it logs is left in a database of its own."""
    database = tmp_path / "mlflow.db"
    database.write_bytes((store.folder / "mlruns" / "mlflow.db").read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    monkeypatch.chdir(store.folder)
    mlflow.set_tracking_uri(None)
    return lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def customers(store):
    return pd.read_parquet(store.artifact("data/features.parquet"))


def verdicts(path):
    return {line["name"]: line["verdict"] for line in json.loads(path.read_text())["lines"]}


def test_a_shop_has_not_drifted_from_itself(run, tmp_path):
    done = run("drift", "data/raw/demo.csv.gz", "--json", tmp_path / "drift.json")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "drift.json").read_text())
    assert report["verdict"] == "ok"
    assert [line["name"] for line in report["lines"]] == [*FEATURES, "distance", "segment", "is_anomaly"]
    assert {line["value"] for line in report["lines"]} == {0.0, None}
    assert report["training"] == report["now"] == {"as_of": "2024-12-21T17:45:00", "customers": 1463}
    assert "Verdict: ok. Nothing to do" in done.stdout


def test_prices_half_as_high_again_are_found(run, customers, tmp_path):
    dearer = customers.assign(
        Monetary=customers.Monetary * 1.5, AverageOrderValue=customers.AverageOrderValue * 1.5
    )
    dearer.to_parquet(tmp_path / "dearer.parquet")
    done = run("drift", tmp_path / "dearer.parquet", "--json", tmp_path / "drift.json")
    assert done.exit_code == 1
    found = verdicts(tmp_path / "drift.json")
    assert found["Monetary"] == found["AverageOrderValue"] == "drift"
    assert found["Recency"] == found["Frequency"] == found["Tenure"] == "ok"
    assert "Retrain on the shop's transactions of now: segments train" in done.stdout


def test_customers_who_stay_away_are_found_and_logged_beside_the_version(run, customers, tmp_path):
    recent = customers.index[customers.Recency <= 30]
    staying = customers.drop(recent[recent % 4 > 0])
    staying.to_parquet(tmp_path / "fewer.parquet")
    done = run("drift", tmp_path / "fewer.parquet", "--as-of", "2024-12-21", "--log")
    assert done.exit_code == 1
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias(MODEL, "champion")
    (logged,) = client.search_runs(
        ["1"], f"tags.stage = 'drift' and tags.model_version = '{version.version}'"
    )
    assert logged.data.tags["training_run"] == version.run_id
    assert logged.data.tags["verdict"] == "drift"
    assert logged.data.tags["as_of"].startswith("2024-12-21")
    assert logged.data.metrics["drift_verdict"] == 2
    assert logged.data.metrics["drift_psi_Recency"] > 0.25
    assert logged.data.metrics["drift_customers"] == len(staying)
    report = Path(client.download_artifacts(logged.info.run_id, "drift.json", tmp_path))
    assert verdicts(report)["segment"] == "drift"
    (segment,) = (line for line in json.loads(report.read_text())["lines"] if line["name"] == "segment")
    assert segment["measure"] == "total variation"
    assert logged.data.metrics["drift_total_variation_segment"] == pytest.approx(segment["value"])


def test_half_of_the_newest_customers_missing_is_seen_in_the_mix_of_segments_alone(run, customers, tmp_path):
    recent = customers.index[customers.Recency <= 30]
    customers.drop(recent[::2]).to_parquet(tmp_path / "half.parquet")
    done = run("drift", tmp_path / "half.parquet", "--json", tmp_path / "drift.json")
    assert done.exit_code == 0
    found = verdicts(tmp_path / "drift.json")
    assert found.pop("segment") == "watch"
    assert set(found.values()) == {"ok"}
    assert run("drift", tmp_path / "half.parquet", "--drift-mix", "0.08").exit_code == 1
    assert (
        "Verdict: ok"
        in run("drift", tmp_path / "half.parquet", "--watch-mix", "0.2", "--drift-mix", "0.2").stdout
    )


def test_few_customers_do_not_cry_wolf(run, customers, tmp_path):
    customers.sample(60, random_state=3).to_parquet(tmp_path / "few.parquet")
    done = run("drift", tmp_path / "few.parquet")
    assert done.exit_code == 0
    assert "With 60 customers, chance alone brings a PSI of" in done.stdout


def test_thresholds_can_be_told(run, customers, tmp_path):
    dearer = {name: customers[name] * 1.2 for name in ("Monetary", "AverageOrderValue")}
    customers.assign(**dearer).to_parquet(tmp_path / "a.parquet")
    assert run("drift", tmp_path / "a.parquet").exit_code == 0
    assert run("drift", tmp_path / "a.parquet", "--watch", "0.02", "--drift", "0.03").exit_code == 1
    assert run("drift", tmp_path / "a.parquet", "--watch", "0.5").exit_code == 2
    assert (
        "--watch-mix 0.2 and --drift-mix 0.1"
        in run("drift", tmp_path / "a.parquet", "--watch-mix", "0.2").stderr
    )


def test_too_few_customers_are_refused(run, customers, tmp_path):
    customers.head(9).to_parquet(tmp_path / "nine.parquet")
    done = run("drift", tmp_path / "nine.parquet")
    assert done.exit_code == 2
    assert "9 customers in" in done.stderr
    assert "Expected at least 50" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (",".join(["id", *FEATURES]) + "\n", "No rows were given"),
        ("id,Recency,Frequency,Monetary,AverageOrderValue\na,5,2,300,150\n", "has no column Tenure"),
    ],
)
def test_bad_input_is_named(run, tmp_path, content, message):
    (tmp_path / "given.csv").write_text(content)
    done = run("drift", tmp_path / "given.csv")
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_version_without_its_customers_is_named(run, monkeypatch):
    monkeypatch.setattr("training.monitor.SCORED_CUSTOMERS", "data/gone.parquet")
    done = run("drift", "data/raw/demo.csv.gz")
    assert done.exit_code == 2
    assert "Version 1 has no data/gone.parquet" in done.stderr


def test_scoring_warns_when_the_flagged_share_leaves_the_trained_band(run, customers, tmp_path):
    wholesale = customers.assign(
        Monetary=customers.Monetary * 3, AverageOrderValue=customers.AverageOrderValue * 3
    )
    wholesale.to_parquet(tmp_path / "wholesale.parquet")
    done = run("score", tmp_path / "wholesale.parquet", "--output", tmp_path / "out.csv")
    assert done.exit_code == 0
    assert "are flagged as anomalies. Version 1 was trained to flag" in done.stderr
    assert "retrain with `segments train`" in done.stderr
    assert "Warning" not in (tmp_path / "out.csv").read_text()


@pytest.mark.parametrize("rows", [1, 200, 1463])
def test_scoring_customers_like_the_training_s_is_quiet_at_any_size(run, customers, tmp_path, rows):
    customers.head(rows).to_parquet(tmp_path / "some.parquet")
    assert run("score", tmp_path / "some.parquet", "--output", tmp_path / "out.csv").stderr == ""


def test_a_feature_table_saved_with_an_index_of_its_own_gets_each_row_s_own_answer(run, customers, tmp_path):
    part = customers[customers.Recency > 30].set_index("customer_id")
    part.to_parquet(tmp_path / "part.parquet")
    customers.to_parquet(tmp_path / "all.parquet")
    assert run("score", tmp_path / "part.parquet", "--output", tmp_path / "a.parquet").exit_code == 0
    assert run("score", tmp_path / "all.parquet", "--output", tmp_path / "b.parquet").exit_code == 0
    found, expected = (
        pd.read_parquet(tmp_path / n).set_index("customer_id") for n in ("a.parquet", "b.parquet")
    )
    columns = ["segment", "distance"]
    pd.testing.assert_frame_equal(found[columns], expected.loc[found.index, columns])


@pytest.mark.usefixtures("run")
def test_the_version_and_the_model_carry_the_trained_rate_and_its_band(customers):
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias(MODEL, "champion")
    metadata = mlflow.models.get_model_info(f"models:/{MODEL}/1").metadata
    rate = client.get_run(version.run_id).data.metrics["anomaly_rate"]
    assert Band.read(metadata) == Band.of(rate, len(customers))
    assert registry.details_of(version)["anomaly_rate_high"] == pytest.approx(
        metadata["anomaly_rate_high"], rel=1e-5
    )


def scored(shop, segmenter):
    """What `compare` reads of a model's answers."""
    values = shop[list(FEATURES)].to_numpy()
    segment = segmenter.predict(values)
    points = segmenter.scaler_.transform(np.log1p(values)) * segmenter.weights_
    return shop.assign(
        segment=segment,
        segment_name=segment.astype(str),
        is_anomaly=segmenter.anomaly_score(values) > 1,
        distance=np.linalg.norm(points - segmenter.kmeans_.cluster_centers_[segment], axis=1),
    )


@pytest.mark.realdata
def test_a_month_later_the_calendar_moves_tenure_and_nothing_else_drifts(uci_shop):
    before, after = uci_shop("net", as_of=date(2011, 11, 10)), uci_shop("net", as_of=date(2011, 12, 10))
    model = Segmenter(3, anomaly_rate=0.02, min_samples=20, order_by=2, random_state=0)
    model.fit(before.customers[list(FEATURES)].to_numpy())
    band = Band.of(model.anomalies_.mean(), len(before.customers))
    tables = scored(before.customers, model), scored(after.customers, model)
    lines = {line.name: line for line in compare_customers(*tables, FEATURES, band, Thresholds(), days=30)}
    assert lines["Tenure"].value > 1
    assert lines["Tenure"].verdict == "watch"
    assert lines["Recency"].verdict == "watch"
    assert {line.verdict for name, line in lines.items() if name not in ("Tenure", "Recency")} == {"ok"}
    unknown = {
        line.name: line for line in compare_customers(*tables, FEATURES, band, Thresholds(), days=None)
    }
    assert unknown["Tenure"].verdict == "drift"


@pytest.mark.realdata
def test_the_band_holds_for_the_whole_shop_after_a_tenth_and_not_for_half_a_year_of_it(uci_shop):
    whole = uci_shop("net").customers[list(FEATURES)]
    tenth = whole.sample(frac=0.1, random_state=0)
    model = Segmenter(3, anomaly_rate=0.02, order_by=2, random_state=0).fit(tenth.to_numpy())
    band = Band.of(model.anomalies_.mean(), len(tenth))
    assert band.holds(int((model.anomaly_score(whole.to_numpy()) > 1).sum()), len(whole))

    model = Segmenter(3, anomaly_rate=0.02, order_by=2, random_state=0).fit(whole.to_numpy())
    band = Band.of(model.anomalies_.mean(), len(whole))
    spring = uci_shop("net", as_of=date(2011, 3, 1)).customers[list(FEATURES)]
    assert not band.holds(int((model.anomaly_score(spring.to_numpy()) > 1).sum()), len(spring))


@pytest.mark.realdata
def test_retraining_finds_eps_anew_for_the_rate(uci_shop):
    whole = uci_shop("net").customers[list(FEATURES)]
    few, many = (
        Segmenter(3, anomaly_rate=0.02, order_by=2, random_state=0).fit(shop.to_numpy())
        for shop in (whole.sample(430, random_state=0), whole)
    )
    assert few.anomalies_.mean() == pytest.approx(many.anomalies_.mean(), abs=0.003)
    assert few.eps_ > 1.4 * many.eps_
