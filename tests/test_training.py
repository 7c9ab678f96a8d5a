"""What one training leaves behind, looked at through MLflow as a user would."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.data.pandas_dataset import from_pandas

from contract.names import FEATURES, FORECAST_OUTPUTS, MODEL
from training.demo import planted
from training.store import tracking


@pytest.fixture(scope="module")
def client(store):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store.environment["MLFLOW_TRACKING_URI"])
        yield mlflow.MlflowClient()


@pytest.fixture(scope="module")
def version(client):
    return client.get_model_version_by_alias(MODEL, "champion")


@pytest.fixture(scope="module")
def run(client, version):
    return client.get_run(version.run_id)


@pytest.fixture(scope="module")
def trials(client, run):
    children = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    )
    return [child for child in children if "trial" in child.data.tags]


def test_one_child_run_a_trial_with_what_the_compare_page_needs(trials):
    assert len(trials) == 20
    for trial in trials:
        assert trial.info.status == "FINISHED"
        assert set(trial.data.params) == {"k", "eps", "min_samples"}
        assert {
            "silhouette",
            "davies_bouldin",
            "calinski_harabasz",
            "inertia",
            "anomaly_rate",
            "smallest_share",
            "feasible",
        } <= set(trial.data.metrics)


def test_the_number_of_segments_is_that_of_the_highest_silhouette_within_the_limits(run, trials):
    feasible = [trial for trial in trials if trial.data.metrics["feasible"]]
    best = max(feasible, key=lambda trial: trial.data.metrics["silhouette"])
    assert run.data.metrics["k"] == int(best.data.params["k"])
    (winner,) = [t for t in trials if t.data.tags["trial"] == str(int(run.data.metrics["best_trial"]))]
    assert {name: float(value) for name, value in winner.data.params.items()} == pytest.approx(
        {name: run.data.metrics[name] for name in ("k", "eps", "min_samples")}
    )


def test_the_ten_first_trials_try_each_number_of_segments_once(trials):
    numbers = {int(trial.data.tags["trial"]): int(trial.data.params["k"]) for trial in trials}
    assert [numbers[number] for number in range(10)] == list(range(3, 13))


def test_the_list_of_the_unusual_is_as_long_as_wanted(run):
    assert run.data.params["anomaly_rate"] == "0.015"
    assert run.data.metrics["anomaly_rate"] == pytest.approx(0.015, abs=0.002)
    assert (
        run.data.params["weights"] == "Recency=0.7,Frequency=1,Monetary=1,AverageOrderValue=0.25,Tenure=0.25"
    )


def test_the_parent_says_what_came_out_and_of_what(run):
    note = run.data.tags["mlflow.note.content"].splitlines()
    assert len(note) == 6
    assert note[5].startswith("- In the next 90 days these customers are expected to place ")
    assert note[0].startswith("- 1,463 customers from 40,548 lines (demo data), as of 2024-12-21")
    assert run.data.tags["data"] == "demo"
    assert run.data.tags["code_version"]
    assert run.data.params["returns"] == "net"
    (dataset,) = run.inputs.dataset_inputs
    assert len(dataset.dataset.digest) == 36


def test_the_run_tells_the_types_of_the_table_as_mlflow_tells_them(client):
    table = pd.DataFrame(
        {
            "CustomerID": ["a", "b", "c"],
            "Recency": [1, 2, 3],
            "LastOrder": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
            "Country": [None, None, "Malta"],
            "Gap": [None, 1.5, None],
        }
    )
    with tracking.training_run(client, "types", {}) as run_id:
        tracking.log_data(table, "demo", "0")
    (dataset,) = client.get_run(run_id).inputs.dataset_inputs
    told = json.loads(dataset.dataset.schema)["mlflow_colspec"]
    assert told == from_pandas(table, digest="0").schema.to_dict()
    assert json.loads(dataset.dataset.profile)["num_rows"] == 3


def test_elbow_and_silhouette_are_metrics_by_step_that_do_not_read_as_the_result(client, run):
    assert not [name for name in run.data.metrics if name.startswith("by_k")]
    (curves,) = client.search_runs([run.info.experiment_id], "tags.curve = 'by k'")
    assert curves.data.tags["mlflow.parentRunId"] == run.info.run_id
    assert curves.info.status == "FINISHED"
    by_k = {}
    for name in ("by_k_inertia", "by_k_silhouette"):
        by_k[name] = {
            point.step: point.value for point in client.get_metric_history(curves.info.run_id, name)
        }
        assert sorted(by_k[name]) == list(range(2, 13))
    chosen = int(run.data.metrics["k"])
    assert run.data.metrics["silhouette"] == pytest.approx(by_k["by_k_silhouette"][chosen])


def test_the_run_is_told_from_others_by_its_name_and_by_what_was_chosen(run, trials):
    assert run.info.run_name == f"k={run.data.params['k']}, 2024-12-21, seed 0, all features, demo data"
    (best,) = [trial for trial in trials if trial.data.tags["trial"] == run.data.params["best_trial"]]
    assert {name: run.data.params[name] for name in ("k", "eps", "min_samples")} == best.data.params


def test_experiments_and_model_say_what_they_are_with_links_that_lead_there(client, run):
    model = client.get_registered_model(MODEL)
    ids = {name: client.get_experiment_by_name(name).experiment_id for name in (MODEL, f"{MODEL}-history")}
    assert f"(#/experiments/{ids[MODEL]}/runs)" in model.description
    assert f"(#/experiments/{ids[f'{MODEL}-history']}/runs)" in model.description
    for experiment in ids.values():
        note = client.get_experiment(experiment).tags["mlflow.note.content"]
        assert f"(#/models/{MODEL})" in note
    assert ids[MODEL] == run.info.experiment_id


def test_the_run_shows_what_removing_anomalies_was_worth(run):
    assert run.data.metrics["silhouette_ordinary"] > run.data.metrics["silhouette"]
    assert 0 < run.data.metrics["silhouette_on_all"] <= 1
    assert 0 < run.data.metrics["stability_on_all"] <= 1


def test_figures_and_report_are_there(client, run):
    def names(folder=""):
        return {item.path for item in client.list_artifacts(run.info.run_id, folder)}

    assert {
        "report.html",
        "profiles.json",
        "choice.json",
        "trials.csv",
        "summary.json",
        "facts.json",
        "movement.json",
        "fallen.csv",
        "forward.json",
        "evidence.json",
        "forecast.json",
    } <= names()
    assert len(names("figures")) == 14
    assert names("data") == {
        "data/customers.parquet",
        "data/months.parquet",
        "data/moves.parquet",
        "data/past_segments.parquet",
        "data/features.parquet",
        "data/funnel.json",
        "data/understanding.json",
    }


def test_movement_ends_where_the_customers_are(store):
    movement = json.loads(store.artifact("movement.json").read_text())
    scored = pd.read_parquet(store.artifact("data/customers.parquet"))
    assert movement["from_as_of"] == "2024-11-21T17:45:00"
    for segment, own in scored.groupby("segment"):
        arrived = [move for move in movement["moves"] if move["to_segment"] == segment]
        assert sum(move["customers"] for move in arrived) == len(own)
        assert sum(move["Monetary_after"] for move in arrived) == pytest.approx(own.Monetary.sum())
    fallen = pd.read_csv(store.artifact("fallen.csv"), dtype={"customer_id": str})
    assert fallen.customer_id.tolist() == [row["customer_id"] for row in movement["fallen"]]
    assert json.loads(store.artifact("summary.json").read_text())["missing"] == {}


def test_the_run_says_how_its_segments_hold_forward(run, store):
    checked = json.loads(store.artifact("forward.json").read_text())
    assert {f"forward_eta_squared_{name}": value for name, value in checked["eta_squared"].items()} == {
        name: value for name, value in run.data.metrics.items() if name.startswith("forward_eta")
    }
    assert all(0 < value < 1 for value in checked["eta_squared"].values())
    assert checked["by_cut_off"][0]["cut_off"] == "2024-09-22"
    assert len(checked["by_cut_off"]) > 1


def test_the_grid_of_segments_and_states_holds_every_customer_and_all_the_money(store):
    evidence = json.loads(store.artifact("evidence.json").read_text())
    scored = pd.read_parquet(store.artifact("data/customers.parquet"))
    assert len(evidence["grid"]) == 3 * 4
    assert sum(cell["customers"] for cell in evidence["grid"]) == len(scored)
    assert sum(cell["revenue"] for cell in evidence["grid"]) == pytest.approx(scored.Monetary.sum())
    for cell in evidence["grid"]:
        own = (scored.segment == cell["segment"]) & (scored.state == cell["state"])
        assert cell["customers"] == own.sum()
        assert bool(cell["action"]) == bool(cell["customers"])


def test_the_planted_customers_are_the_anomalies(store):
    scored = pd.read_parquet(store.artifact("data/customers.parquet")).set_index("customer_id")
    there = scored.loc[scored.index.intersection(planted())]
    assert len(there) == 9  # the tenth cancelled all it bought
    assert there.is_anomaly.all()
    assert (there.anomaly_reason != "").all()


def test_segments_are_numbered_by_median_monetary_and_three_are_low_medium_and_high(store):
    profiles = json.loads(store.artifact("profiles.json").read_text())
    medians = [profile["median_Monetary"] for profile in profiles]
    assert medians == sorted(medians)
    assert [p["name"].split()[0] for p in profiles] == ["Low-value", "Medium-value", "High-value"]


@pytest.mark.usefixtures("client")
def test_the_version_carries_signature_example_and_tags(version):
    model = mlflow.models.get_model_info(version.source)
    assert model.signature.inputs.input_names() == list(FEATURES)
    assert {str(kind) for kind in model.signature.inputs.input_types()} == {"DataType.double"}
    assert model.signature.outputs.input_names() == [
        "segment",
        "segment_name",
        "state",
        "is_anomaly",
        "anomaly_score",
        "anomaly_reason",
        "distance",
        *FORECAST_OUTPUTS,
    ]
    assert model.saved_input_example_info is not None
    assert version.tags["data"] == "demo"
    assert len(version.tags) <= 12
    assert 0 < json.loads(version.tags["details"])["stability"] <= 1
    assert f"runs/{version.run_id}/artifacts/report.html" in version.description
    assert set(version.aliases) == {"challenger", "champion"}
    assert version.description.startswith("- 1,463 customers")


def test_same_data_and_seed_give_the_same_model(store, new_folder):
    again = new_folder("again")
    again.run("train", "--trials", "20")
    for path in ("profiles.json", "choice.json", "trials.csv", "data/customers.parquet", "facts.json"):
        assert again.artifact(path).read_bytes() == store.artifact(path).read_bytes(), path
    one, two = (
        pd.read_parquet(folder.artifact("data/features.parquet"))[list(FEATURES)] for folder in (store, again)
    )
    assert np.array_equal(one, two)


def test_resume_of_a_complete_training_says_so_and_registers_nothing(store, run):
    done = store.run("train", "--trials", "20", "--resume")
    assert f"is complete: run {run.info.run_id} registered version 1" in done.stdout
    assert "Version 1 is champion already" in done.stdout
    assert [int(version) for version in store.versions()] == [1]
