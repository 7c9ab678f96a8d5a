"""Child runs written many at a time: the same rows as MLflow's calls leave, or none, and only into known tables."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from training.store import bulk, tracking
from training.store.trial_log import TrialLog

SETTING = {"k": 3, "eps": 0.5, "min_samples": 20}
METRICS = {"silhouette": 0.25, "unknown": float("nan"), "step": float("inf")}
DATABASE = Path("mlruns/mlflow.db")


def log_trials(client, parent, numbers):
    with TrialLog(client, parent) as log:
        for number in numbers:
            log.write(number, SETTING, METRICS, {"min_share": 0.01})


def content(client, run):
    """Everything of a run but its id and its moments."""
    moments = run.info.start_time, run.info.end_time
    assert moments[0] <= moments[1]
    history = client.get_metric_history(run.info.run_id, "silhouette")
    return {
        "info": {
            name: value
            for name, value in dict(run.info).items()
            if not name.endswith(("_id", "_time", "_uri"))
        },
        "artifacts": run.info.artifact_uri.replace(run.info.run_id, "ID"),
        "data": {"params": run.data.params, "tags": run.data.tags, "metrics": repr(run.data.metrics)},
        "history": [(metric.value, metric.step) for metric in history],
    }


def change(statement):
    with contextlib.closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.execute(statement)


def test_runs_are_those_that_mlflow_s_own_calls_leave(new_store, tmp_path, monkeypatch):
    with new_store(tmp_path) as client:
        first, second = (client.create_run(tracking.experiment_id(client)).info.run_id for _ in range(2))
        assert bulk.tables_are_known(DATABASE)
        log_trials(client, first, range(2))
        monkeypatch.setattr(bulk, "KNOWN_SCHEMAS", ())
        assert not bulk.tables_are_known(DATABASE)
        log_trials(client, second, range(2))
        in_bulk, one_by_one = (
            tracking.trial_runs(client, tracking.experiment_id(client), parent) for parent in (first, second)
        )
        for number in range(2):
            in_bulk[number].data.tags[tracking.PARENT_TAG] = second
            assert content(client, in_bulk[number]) == content(client, one_by_one[number])


def test_a_database_of_another_version_is_left_to_mlflow(new_store, tmp_path):
    with new_store(tmp_path):
        change("UPDATE alembic_version SET version_num = 'of tomorrow'")
        assert not bulk.tables_are_known(DATABASE)
    assert not bulk.tables_are_known(tmp_path / "nothing.db")


def test_a_resumed_training_writes_what_was_not_written_and_ends_what_was_begun(new_store, tmp_path):
    with new_store(tmp_path) as client:
        experiment = tracking.experiment_id(client)
        parent = client.create_run(experiment).info.run_id
        log_trials(client, parent, [0])
        begun = client.create_run(experiment, tags={tracking.PARENT_TAG: parent, tracking.TRIAL_TAG: "1"})
        log_trials(client, parent, range(4))
        runs = tracking.child_runs(client, experiment, parent)
        assert sorted(run.data.tags["trial"] for run in runs) == ["0", "1", "2", "3"]
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert client.get_run(begun.info.run_id).data.params["k"] == "3"


def test_of_runs_of_which_one_cannot_be_written_none_is(new_store, tmp_path):
    with new_store(tmp_path) as client:
        experiment = tracking.experiment_id(client)
        good = bulk.FinishedRun("good", 1, {"trial": "0"}, {"k": "3"}, {"silhouette": 0.5})
        bad = bulk.FinishedRun("bad", 1, {"trial": "1"}, {"k": None}, {})
        with pytest.raises(sqlite3.IntegrityError):
            bulk.write(DATABASE, experiment, "file:///artifacts", [good, bad])
        assert client.search_runs([experiment]) == []


def test_runs_that_wait_are_written_when_the_search_fails(new_store, tmp_path):
    with new_store(tmp_path) as client:
        parent = client.create_run(tracking.experiment_id(client)).info.run_id
        with contextlib.suppress(ZeroDivisionError), TrialLog(client, parent) as log:
            log.write(0, SETTING, METRICS, {})
            1 / 0  # noqa: B018
        assert list(tracking.trial_runs(client, tracking.experiment_id(client), parent)) == [0]
