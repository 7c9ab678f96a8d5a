"""Killed trainings and stores that fail: nothing is lost, and what to do is said."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import requests
from click.testing import CliRunner
from mlflow.exceptions import MlflowException

from contract import artifact_paths
from training.cli import main
from training.clustering.sweep import Evaluator, Limits, run_trials
from training.errors import InputError, explain, is_passing
from training.store import tracking

BIN = Path(sys.executable).parent


def killed_when(folder, condition, *options):
    """Kill a training of `folder` as soon as `condition()` holds."""
    command = [sys.executable, "-m", "training.cli", "train", "--trials", "20", *options]
    process = subprocess.Popen(command, cwd=folder.folder, env=folder.environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_training_killed_in_its_sweep_and_at_its_registration_is_resumed(new_folder, store):
    import mlflow

    folder = new_folder("interrupted")
    studies = folder.folder / "mlruns" / "studies"

    def trials_done():
        return sum(path.read_text().count('"state":1') for path in studies.glob("*.journal"))

    def versions():
        with contextlib.closing(
            sqlite3.connect(folder.folder / "mlruns" / "mlflow.db", timeout=20)
        ) as reader:
            return reader.execute("SELECT count(*) FROM model_versions").fetchone()[0]

    killed_when(folder, lambda: trials_done() > 4, "--resume")  # nothing to resume: it starts anew
    (journal,) = studies.glob("*.journal")
    with journal.open("a") as file:
        file.write('{"op_code":')  # a line that the killed process was about to write
    lock = Path(f"{journal}.lock")
    if not lock.is_symlink():
        lock.symlink_to(journal.relative_to(folder.folder))  # and Optuna's lock, held meanwhile
    killed_when(folder, versions, "--resume")
    assert "which has 20 of 20 trials" in folder.run("train", "--trials", "20", "--resume").stdout

    assert folder.artifact("trials.csv").read_bytes() == store.artifact("trials.csv").read_bytes()
    assert list(studies.iterdir()) == []
    client = mlflow.MlflowClient(*[folder.environment["MLFLOW_TRACKING_URI"]] * 2)
    runs = client.search_runs(["1"])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert Counter(run.data.tags.get("trial") for run in runs) == Counter([None, None, *map(str, range(20))])
    parent = next(run for run in runs if "stage" in run.data.tags)
    curves = next(run for run in runs if "curve" in run.data.tags)
    assert len(parent.inputs.dataset_inputs) == 1
    steps = [point.step for point in client.get_metric_history(curves.info.run_id, "by_k_silhouette")]
    assert sorted(steps) == list(range(2, 13))
    assert [int(version) for version in folder.versions()] == [1]
    assert int(client.get_model_version_by_alias("customer-segments", "challenger").version) == 1

    # A promotion is all that a complete training may have left to do.
    again = folder.run("train", "--trials", "20", "--resume", "--promote").stdout
    assert "is complete: run" in again
    assert "Version 1 is champion. Next: segments up" in again
    assert "is champion already" in folder.run("train", "--trials", "20", "--resume", "--promote").stdout
    assert [int(version) for version in folder.versions()] == [1]


TRIALS = 13  # the ten that try each number of segments once, and three that the sampler chose


def evaluator():
    points = np.random.default_rng(0).normal(size=(60, 2))
    return Evaluator(points, points, np.arange(1.0, 61), Limits(), 0)


CUTS = {
    "a torn line": lambda text: text[:-9],
    "half": lambda text: text[: len(text) // 2],
    "empty": lambda text: text[:0],
    "zeros at the end": lambda text: text + bytes(4096),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_study_whose_journal_was_cut_goes_on_to_the_same_trials(tmp_path, cut):
    journal = tmp_path / "a.journal"
    whole = list(run_trials(evaluator(), TRIALS, 0, journal, "a", 0.015))
    journal.write_bytes(cut(journal.read_bytes()))
    assert list(run_trials(evaluator(), TRIALS, 0, journal, "a", 0.015)) == whole


def test_a_resumed_study_does_not_fit_again(tmp_path, monkeypatch):
    whole = list(run_trials(evaluator(), TRIALS, 0, tmp_path / "a.journal", "a", 0.015))
    monkeypatch.setattr(Evaluator, "_fit", lambda *_: pytest.fail("fitted again"))
    assert list(run_trials(evaluator(), TRIALS, 0, tmp_path / "a.journal", "a", 0.015)) == whole


def test_a_training_at_work_cannot_be_resumed_by_another(new_store, tmp_path):
    with (
        new_store(tmp_path) as client,
        tracking.training_run(client, "first", {"stage": "sweep"}) as run,
        pytest.raises(InputError, match="still at work in another process"),
        tracking.training_run(client, "second", {}, resume=run),
    ):
        pytest.fail("both are at work")


def test_the_next_training_ends_the_runs_of_a_killed_one(new_store, tmp_path):
    with new_store(tmp_path) as client:
        experiment = tracking.experiment_id(client)
        killed, done = (
            client.create_run(experiment, tags={"stage": stage}).info.run_id for stage in ("sweep", "done")
        )
        trial = client.create_run(experiment, tags={tracking.PARENT_TAG: killed, "trial": "0"}).info.run_id
        for run in (killed, done):
            (tmp_path / "mlruns" / "studies").mkdir(exist_ok=True)
            (tmp_path / "mlruns" / "studies" / f"{run}.running").touch()
        with tracking.training_run(client, "next", {}) as at_work:
            status = [client.get_run(run).info.status for run in (killed, trial, done, at_work)]
    assert status == ["KILLED", "KILLED", "FINISHED", "RUNNING"]


def test_a_training_that_fails_says_that_it_can_be_resumed(new_store, tmp_path):
    with (
        new_store(tmp_path) as client,
        pytest.raises(OSError, match="No space left") as raised,
        tracking.training_run(client, "full", {}),
    ):
        raise OSError(28, "No space left on device")
    assert "--resume" in raised.value.__notes__[0]


@pytest.fixture
def told(monkeypatch):
    """What `segments ARGUMENTS` tells, on the store of a folder, when it ends with exit code 2."""
    import mlflow

    def run(folder, *arguments, address=None):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address or f"sqlite:///{folder}/mlruns/mlflow.db")
        done = CliRunner().invoke(main, list(map(str, arguments)))
        assert done.exit_code == 2, done.output
        assert "Traceback" not in done.output
        return done.output

    yield run
    mlflow.set_tracking_uri(None)


def test_a_corrupt_database_is_told(told, tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"not a database" * 1000)
    assert "It is damaged: put a backup in its place" in told(tmp_path, "rollback")


@pytest.mark.parametrize(("lock", "command"), [("EXCLUSIVE", ["rollback"]), ("IMMEDIATE", ["train"])])
def test_a_locked_database_is_told_before_any_work(told, new_folder, monkeypatch, lock, command):
    folder = new_folder("locked").folder
    monkeypatch.setattr(artifact_paths, "LOCK_TIMEOUT_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(folder / "mlruns" / "mlflow.db", isolation_level=None)) as holder:
        holder.execute(f"BEGIN {lock}")
        output = told(folder, *command)
    assert (
        f"Another program holds it: wait for that program, or stop it. This names it: fuser -v {folder}"
        in output
    )
    assert "customers as of" not in output


@pytest.mark.parametrize("command", [["history"], ["train"], ["drift", "nothing.csv"]])
@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg", "mysql+pymysql"])
def test_a_server_that_is_down_is_told_within_seconds(told, tmp_path, free_port, scheme, command):
    address = f"{scheme}://owner:secret@127.0.0.1:{free_port()}/shop"  # pragma: allowlist secret
    started = time.monotonic()
    output = told(tmp_path, *command, address=address)
    assert time.monotonic() - started < 10  # MLflow tries again for a minute or two
    assert f"at {address.replace(':secret', '')} does not answer" in output
    assert "Start it" in output
    assert "secret" not in output


@pytest.mark.skipif(find_spec("pg8000") is not None, reason="pg8000 is installed")
def test_a_missing_driver_is_told_with_the_one_to_install(told, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        output = told(tmp_path, "history", address=f"postgresql+pg8000://owner:secret@127.0.0.1:{port}/shop")
    assert "The driver pg8000" in output
    assert "pip install 'customer-segments[postgres]', and postgresql+psycopg://" in output
    assert "secret" not in output


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("customer-segments", ["train"]),
        ("customer-segments-history", ["promote", "1"]),
        ("customer-segments-history", ["history"]),
    ],
)
def test_an_experiment_that_was_deleted_is_told_with_the_command_that_restores_it(
    told, new_store, tmp_path, name, command
):
    from mlflow.cli import cli as mlflow_program  # seconds, which only this test needs

    with new_store(tmp_path) as client:
        experiment = tracking.experiment_id(client, name)
        client.delete_experiment(experiment)
    output = told(tmp_path, *command)
    assert f"The experiment '{name}' was deleted in MLflow" in output
    assert "customers as of" not in output
    variable, program, *words = output.split("Restore it: ")[1].split()
    assert (variable, program) == (f"MLFLOW_TRACKING_URI={os.environ['MLFLOW_TRACKING_URI']}", "mlflow")
    assert CliRunner().invoke(mlflow_program, words).exit_code == 0
    assert client.get_experiment(experiment).lifecycle_stage == "active"


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b"PK"), Path.unlink], ids=["damaged", "missing"]
)
@pytest.mark.parametrize(
    "command", [["score", "data/raw/demo.csv.gz", "-o", "out.csv"], ["serve", "--port", 0]]
)
def test_a_model_whose_artifact_is_lost_is_told(told, store, damage, command):
    (path,) = store.folder.glob("mlruns/artifacts/models/*/artifacts/artifacts/segmenter.skops")
    whole = path.read_bytes()
    try:
        damage(path)
        output = told(store.folder, *command)
    finally:
        path.write_bytes(whole)
    assert "model version 1 are not those that were registered" in output
    assert "segments rollback" in output


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (OSError(28, os.strerror(28), "mlruns/x"), "mlruns/x: No space left on device. Expected a file that"),
        (OSError(30, os.strerror(30), "mlruns/x"), "Make it writable, or name another place"),
        (
            MlflowException("API request to http://a/b failed with exception X: Connection refused"),
            "does not answer any more: connection refused. Expected a store that answers",
        ),
        (
            requests.HTTPError("500 Server Error for url: http://a/b: timed out"),
            "does not answer any more: no answer in time",
        ),
        (
            sqlite3.OperationalError("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT]"),
            "cannot be used: database or disk is full. Expected a database",
        ),
    ],
)
def test_what_the_system_refuses_is_told_with_what_to_do(raised, message):
    assert message in explain(raised, "sqlite:///mlruns/mlflow.db")


def test_what_passes_is_told_from_what_stays():
    full, gone = OSError(28, os.strerror(28)), FileNotFoundError(2, os.strerror(2))
    assert is_passing(full)
    assert not is_passing(gone)
    silent = MlflowException("API request to http://a/b failed with exception X: Connection refused")
    missing = MlflowException(
        "API request to http://a/b failed with exception X: too many 500 error responses"
    )
    assert is_passing(silent)
    assert not is_passing(missing)
    assert is_passing(missing, server_errors=True)
    assert not is_passing(MlflowException("RESOURCE_DOES_NOT_EXIST: no such run"), server_errors=True)


def test_too_little_address_space_is_told_and_no_segmentation_fault(tmp_path):
    """A limit of 1.3 GB ended a training with a segmentation fault."""
    limit = ["bash", "-c", f"ulimit -v 1300000 && exec {BIN / 'segments'} train --trials 2"]
    done = subprocess.run(limit, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "ulimit -v 1300000" in done.stderr
    assert "Expected at least 2.5 GB" in done.stderr
    assert "ulimit -v unlimited" in done.stderr
    assert not list(tmp_path.iterdir())
