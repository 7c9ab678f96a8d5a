"""What a model must keep to become champion: each rule with a model that breaks it, over real stores and real HTTP."""

import json
from datetime import datetime
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io
from click.testing import CliRunner
from made_up import customers, fit, register
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

from contract.integrity import TRUST_REGISTRY
from contract.names import FEATURE_TABLE, FEATURES, FORECAST_OUTPUTS, MODEL, OUTPUTS, SEGMENTER
from training import endpoint, gate
from training.cli import main
from training.clustering.sweep import Limits
from training.data_rules import TrainingData, rules_of_data
from training.store import artifact, history, model, registry

SHOP = {"lapsed": 120, "new": 80, "best": 60}


@pytest.fixture(scope="module")
def client(new_store, tmp_path_factory):
    """A store whose version 1 is champion, a model of SHOP."""
    with new_store(tmp_path_factory.mktemp("gate")) as client:
        register(client, customers(**SHOP))
        client.set_registered_model_alias(MODEL, "champion", "1")
        yield client


@pytest.fixture(autouse=True)
def crown(client):
    """Makes another version champion, or none; each test begins with version 1."""

    def make(version):
        if version is None:
            client.delete_registered_model_alias(MODEL, "champion")
        else:
            client.set_registered_model_alias(MODEL, "champion", str(version))

    make(1)
    return make


@pytest.fixture
def verdict(client):
    """The rules that a version breaks, by name, and all that were asked."""

    def of(version, limits=None, **tolerance):
        champion = registry.version_of(client, "champion")
        tolerated = gate.Tolerance(**tolerance)
        rules = list(gate.rules_on_table(client, version, champion, limits or Limits(), tolerated))
        return {rule.name: rule.found for rule in rules if not rule.holds}, [rule.name for rule in rules]

    return of


def rules_of(client, version):
    """The rules that a version is held against, beside the champion."""
    champion = registry.version_of(client, "champion")
    return list(gate.rules_on_table(client, version, champion, Limits(), gate.Tolerance()))


@pytest.fixture(scope="module")
def next_month(client):
    """A good challenger."""
    return register(client, customers(seed=1, **SHOP))


OWN = ["table", "segments", "stability", "smallest_segment", "value_step", "anomaly_rate"]
BESIDE = [
    "data",
    "customers",
    "same_shop",
    "order_value",
    "signature",
    "features",
    "weights",
    "silhouette",
    "identity",
    "moved",
]


def test_a_model_of_the_next_month_passes_every_rule(verdict, next_month):
    broken, asked = verdict(next_month)
    assert broken == {}
    assert asked == OWN + BESIDE


def test_the_first_model_is_judged_by_itself(crown, verdict):
    crown(None)
    broken, asked = verdict(1)
    assert broken == {}
    assert asked == OWN


@pytest.mark.parametrize(
    ("limits", "rule", "found"),
    [
        ({"min_segments": 4}, "segments", "3"),
        ({"min_stability": 1.1}, "stability", "1.000"),
        ({"min_share": 0.24}, "smallest_segment", "23.1%"),
        ({"min_value_step": 3}, "value_step", "2.86"),
        ({"min_anomaly_rate": 0.03, "max_anomaly_rate": 0.05}, "anomaly_rate", "1.9%"),
        ({"max_anomaly_rate": 0.01}, "anomaly_rate", "1.9%"),
    ],
)
def test_a_limit_that_is_not_kept_is_named_with_what_was_found(verdict, next_month, limits, rule, found):
    assert verdict(next_month, Limits(**limits))[0] == {rule: found}


def test_a_worse_silhouette_on_the_same_customers_fails(client, verdict):
    split = register(client, customers(seed=1, **SHOP), k=4)
    limits = Limits(min_share=0.01, min_stability=0)
    broken, _ = verdict(split, limits, max_moved=1)
    assert set(broken) == {"silhouette"}
    assert verdict(split, limits, max_moved=1, max_silhouette_loss=0.5)[0] == {}


def test_customers_who_change_segment_are_counted_after_alignment(client, verdict):
    table = customers(seed=1, lapsed=120, new=80, best=60, cooling=40)
    four = register(client, table, k=4)
    broken, _ = verdict(four, max_moved=0.1)
    assert set(broken) == {"moved"}
    assert float(broken["moved"].rstrip("%")) == pytest.approx(100 * 40 / 300, abs=2)


def test_a_model_with_numbers_of_its_own_fails(client, verdict):
    table = customers(**SHOP)
    money = ["Monetary", "AverageOrderValue"]
    table.loc[:119, money] *= 1.7
    table.loc[120:199, money] *= 0.5
    broken, _ = verdict(register(client, table, aligned=False), max_moved=1)
    assert set(broken) == {"identity"}
    assert "is the champion's 1" in broken["identity"]
    assert verdict(register(client, table))[0] == {}


def test_segments_that_are_worth_the_same_fail_by_the_value_step(client, verdict):
    table = customers(seed=1, **SHOP)
    table.loc[120:199, ["Monetary", "AverageOrderValue"]] *= 0.4
    broken, _ = verdict(register(client, table), max_moved=1)
    assert set(broken) == {"value_step"}
    assert 1 <= float(broken["value_step"]) < 1.25


def test_a_name_that_gave_way_is_told_and_no_fault(client):
    table = customers(seed=1, **SHOP)
    money = ["Monetary", "AverageOrderValue"]
    table.loc[:119, money] *= 1.7
    table.loc[120:199, money] *= 0.4
    rules = {rule.name: rule for rule in rules_of(client, register(client, table))}
    assert rules["identity"].holds
    assert "Low-value lapsed is now Medium-value lapsed" in rules["identity"].found


OTHER = {"Recency": 1.0, "Frequency": 1.0, "Monetary": 1.0, "AverageOrderValue": 1.0, "Tenure": 1.0}


def test_a_model_of_other_weights_cannot_be_compared(client, verdict):
    version = register(client, customers(seed=1, **SHOP), weights=OTHER)
    broken, asked = verdict(version)
    assert broken == {"weights": "1, 1, 1, 1, 1"}
    assert asked == [*OWN, *BESIDE[:6], "weights"]
    tag = client.get_model_version(MODEL, str(version)).tags["identity.champion"]
    assert tag == "version 1 is of other weights"


def write_as_before(path, segmenter, features, names, typical):
    """A model's file as release 0.1.0 wrote it: with no weights and no gap."""
    skops.io.dump(
        {
            "features": list(features),
            "columns": [int(column) for column in segmenter.columns],
            "scaler": segmenter.scaler_,
            "kmeans": segmenter.kmeans_,
            "span": None,
            "density_scaler": segmenter.scaler_,
            "dbscan": {
                "eps": float(segmenter.eps_),
                "min_samples": int(segmenter.min_samples),
                "core_samples": segmenter.core_samples_,
            },
            "names": list(names),
            "typical": np.asarray(typical, dtype=np.float64),
        },
        path,
    )
    return path


@pytest.fixture
def trusting(monkeypatch):
    """Code that is not of this release is loaded, too."""
    monkeypatch.setenv(TRUST_REGISTRY, "1")


@pytest.fixture
def champion_without_weights(client, tmp_path, crown, trusting):  # noqa: ARG001
    """Version 1 gives way to a champion as release 0.1.0 registered them, with code that knows no weights; put back."""
    code = Path(model.__file__).read_text(encoding="utf-8")
    for new, old in {
        'fitted["weights"]': "np.ones(5)",
        'fitted["gap"]': 'float("nan")',
        "            **self._forecast(values),\n": "",
        '            "state": self.states[text_array].take(self._state(values)),\n': "",
    }.items():
        assert new in code
        code = code.replace(new, old)
    (tmp_path / "model.py").write_text(code, encoding="utf-8")
    table = customers(**SHOP)
    segmenter, profiles = fit(table, weights=OTHER)
    numbers = table[list(FEATURES)]
    typical = numbers.median().to_numpy()
    file = write_as_before(tmp_path / SEGMENTER, segmenter, FEATURES, profiles.name, typical)
    later = ("state", *FORECAST_OUTPUTS)
    outputs = Schema([ColSpec(kind, name) for kind, name in OUTPUTS if name not in later])
    with mlflow.start_run(experiment_id="1") as run:
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(tmp_path / "model.py"),
            artifacts={"segmenter": str(file)},
            signature=ModelSignature(Schema([ColSpec("double", name) for name in FEATURES]), outputs),
            input_example=numbers.head(2),
            pip_requirements=["mlflow"],
        )
        version = registry.register(client, run.info.run_id, logged.model_uri, {"data": "real"}, "")
    crown(version)
    return version


def test_a_first_weighted_model_is_judged_by_its_own_limits_beside_one_without_weights(
    client, verdict, champion_without_weights
):
    version = register(client, customers(seed=1, **SHOP))
    broken, asked = verdict(version)
    assert broken == {}
    assert asked == [*OWN, "data", "signature", "features", "weights"]
    (rule,) = [rule for rule in rules_of(client, version) if rule.name == "weights"]
    assert rule.found == (
        f"version {champion_without_weights} is of a release without weights: judged as a first model"
    )
    tag = client.get_model_version(MODEL, str(version)).tags["identity.champion"]
    assert tag == f"version {champion_without_weights} is of a release without weights"
    assert verdict(version, Limits(min_stability=1.1))[0] == {"stability": "1.000"}


def test_a_model_of_other_features_cannot_be_compared(client, verdict):
    version = register(client, customers(**SHOP), features=("Recency", "Frequency", "Monetary"))
    broken, asked = verdict(version)
    assert broken == {"features": "Recency, Frequency, Monetary"}
    assert "silhouette" not in asked
    tag = client.get_model_version(MODEL, str(version)).tags["identity.champion"]
    assert tag.startswith("version 1 is of other features")


def test_demo_never_replaces_real_data_but_real_data_replace_demo(client, crown, verdict):
    demo = register(client, customers(**SHOP), kind="demo")
    assert verdict(demo)[0] == {"data": "demo"}
    crown(demo)
    broken, asked = verdict(1)
    assert (broken, asked) == ({}, OWN)


def test_a_signature_that_breaks_the_champions_callers_fails(client, verdict, monkeypatch):
    others = tuple((kind, name) for kind, name in OUTPUTS if name != "distance")
    monkeypatch.setattr(registry, "OUTPUTS", (*others, ("float", "distance")))
    assert verdict(register(client, customers(seed=1, **SHOP)))[0] == {
        "signature": "gives no distance (double)"
    }
    monkeypatch.setattr(registry, "OUTPUTS", (*OUTPUTS, ("long", "more")))
    assert verdict(register(client, customers(seed=1, **SHOP)))[0] == {}


def test_a_table_that_is_not_the_trainings_any_more_ends_it(client, verdict):
    version = register(client, customers(seed=1, **SHOP))
    run = client.get_model_version(MODEL, str(version)).run_id
    path = Path(mlflow.artifacts.download_artifacts(run_id=run)) / FEATURE_TABLE
    table = pd.read_parquet(path)
    table.loc[7, "Monetary"] += 0.01
    table.to_parquet(path, index=False)
    broken, asked = verdict(version)
    assert asked == ["table"]
    assert ", not " in broken["table"]
    path.write_bytes(b"PAR1")
    assert verdict(version)[0] == {"table": "cannot be read: ArrowInvalid"}
    path.unlink()
    assert verdict(version)[0] == {"table": "cannot be read: MlflowException"}


def test_a_champion_that_cannot_be_loaded_must_be_replaced_by_force(client, crown, verdict, next_month):
    broken_one = register(client, customers(seed=2, **SHOP))
    source = client.get_model_version_download_uri(MODEL, str(broken_one))
    (Path(mlflow.artifacts.download_artifacts(source)) / "artifacts" / "segmenter.skops").write_bytes(b"PK")
    crown(broken_one)
    broken, _ = verdict(next_month)
    after = register(client, customers(seed=1, **SHOP))
    crown(1)
    assert set(broken) == {"champion"}
    assert "cannot be read" in client.get_model_version(MODEL, str(after)).tags["identity.champion"]
    assert verdict(broken_one)[0].keys() == {"model"}


def test_a_stability_that_is_gone_or_no_number_fails(client, verdict):
    version = register(client, customers(seed=1, **SHOP))
    client.set_model_version_tag(MODEL, str(version), "stability", "high")
    assert verdict(version)[0] == {"stability": "nan"}
    client.delete_model_version_tag(MODEL, str(version), "stability")
    assert verdict(version)[0] == {"stability": "nan"}


def test_a_version_whose_run_was_deleted_is_told_and_not_judged(client, next_month):
    run_id = client.get_model_version(MODEL, str(next_month)).run_id
    client.delete_run(run_id)
    done = run("promote", str(next_month))
    client.restore_run(run_id)
    assert done.exit_code == 2
    assert f"mlflow runs restore --run-id {run_id}" in done.stderr


# The shipped model, whose `distance` is the number of the process that answers.
OTHER_OVER_HTTP = """

class Process(SegmentModel):
    def _columns(self, values, text_array):
        return super()._columns(values, text_array) | {"distance": np.full(len(values), float(os.getpid()))}


set_model(Process())
"""


def test_a_model_that_answers_otherwise_over_http_fails(client, tmp_path, trusting):  # noqa: ARG001
    segmenter, profiles = fit(customers(seed=1, **SHOP))
    file = artifact.write(
        tmp_path / "segmenter.skops", segmenter, FEATURES, profiles.name, np.ones(5), float("nan")
    )
    text = Path(model.__file__).read_text() + OTHER_OVER_HTTP
    (tmp_path / "process.py").write_text(text)
    with mlflow.start_run(experiment_id="1") as run:
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(tmp_path / "process.py"),
            artifacts={"segmenter": str(file)},
            input_example=customers(new=2)[list(FEATURES)],
            pip_requirements=["mlflow"],
        )
        version = registry.register(client, run.info.run_id, logged.model_uri, {}, "")
    with endpoint.started(version) as server:
        assert gate.answers(client, server, version).found == "2 rows, not the same"
    assert server.process.poll() is not None


def test_a_version_that_is_not_there_is_said_by_its_server(client):  # noqa: ARG001
    with endpoint.started(999) as server, pytest.raises(endpoint.Unanswered, match="999"):
        server.ask(customers(new=2)[list(FEATURES)])


def run(*words):
    return CliRunner().invoke(main, words)


def test_promotion_by_force_is_recorded_with_its_reason_and_every_verdict(client):
    version = register(client, customers(seed=1, **SHOP, cooling=100), k=4)
    refused = run("promote", str(version))
    assert refused.exit_code == 1
    assert "FAIL" in refused.stdout
    assert "--force" in refused.stderr
    assert registry.version_of(client, "champion") == 1
    tags = client.get_model_version(MODEL, str(version)).tags
    assert tags["gate"] == "FAILED: moved"

    assert run("promote", str(version), "--force", "the spring campaign").exit_code == 0
    found = client.get_model_version(MODEL, str(version))
    of_run = client.get_run(found.run_id).data.tags
    assert {n: v for n, v in found.tags.items() if n.startswith("gate")}.items() <= of_run.items()
    assert found.tags["gate"] == "forced: the spring campaign"
    written = json.loads(
        Path(mlflow.artifacts.download_artifacts(run_id=found.run_id, artifact_path="gate.json")).read_text()
    )
    assert written["reason"] == "the spring campaign"
    found_by_rule = {rule["name"]: rule["found"] for rule in written["rules"]}
    assert {rule["name"] for rule in written["rules"] if not rule["holds"]} == {"moved"}
    assert found_by_rule["moved"].startswith("2")
    assert found_by_rule["answers"] == "2 rows, the same"
    history_run = client.search_runs(
        [client.get_experiment_by_name("customer-segments-history").experiment_id]
    )[0]
    assert history_run.data.tags["gate.moved"].startswith("FAIL: 2")

    *_, last = history.changes_until(client, registry.version_of(client, "champion"))
    assert (last.before, last.after, last.reason) == (1, version, "the spring campaign")
    assert last.how == f"segments promote {version} --force 'the spring campaign'"
    assert "the spring campaign" in run("history").stdout


def test_force_does_not_excuse_a_limit_which_has_an_option_of_its_own(client):
    champion = registry.version_of(client, "champion")
    before = history.changes_until(client, champion)
    done = run("promote", "1", "--min-segments", "4", "--force", "never mind")
    assert done.exit_code == 1
    assert ">= 4" in done.stdout
    assert "--force" not in done.stderr
    assert history.changes_until(client, registry.version_of(client, "champion")) == before


@pytest.mark.parametrize(
    ("change", "rule", "found"),
    [
        (lambda table: table.assign(AverageOrderValue=table.AverageOrderValue * 100), "order_value", "6,"),
        (lambda table: table.assign(AverageOrderValue=table.AverageOrderValue / 4), "order_value", "1"),
        (lambda table: table.assign(customer_id="x" + table.customer_id), "same_shop", "0.0%"),
        (lambda table: table.head(100), "customers", "100"),
    ],
)
def test_data_that_are_not_like_the_champions_fail_by_their_rule(change, rule, found):
    old = TrainingData(customers(**SHOP), datetime(2024, 6, 1))
    new = TrainingData(change(old.customers), datetime(2024, 7, 1))
    broken = {each.name: each for each in rules_of_data(new, old, 3) if not each.holds}
    assert set(broken) == {rule}
    assert broken[rule].found.startswith(found)
    assert broken[rule].forcible
    wide = {each.name for each in rules_of_data(new, old, 1000) if not each.holds}
    assert wide == set(broken) - {"order_value"}


def test_data_of_an_earlier_day_or_of_the_future_fail_and_of_the_same_do_not():
    def broken(day):
        new, old = (TrainingData(customers(**SHOP), each) for each in (day, datetime(2024, 6, 1)))
        return [rule.name for rule in rules_of_data(new, old, 3) if not rule.holds]

    assert broken(datetime(2024, 5, 31)) == broken(datetime(2099, 1, 1)) == ["as_of"]
    assert broken(datetime(2024, 6, 1)) == broken(None) == []
