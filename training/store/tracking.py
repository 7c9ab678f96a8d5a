"""What a training leaves in MLflow: its run, its data set, its curve and its files."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contract import artifact_paths
from contract.mlflow_setup import STORE, database_file, lose_patience, store_address
from contract.names import EXPERIMENT, HISTORY_EXPERIMENT, MODEL
from training.errors import InputError, Rejected, silence_of
from training.reading.address import is_address, shown
from training.store import once
from training.store.lease import leased_in_turn
from training.tables import write_table

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
TRIAL_TAG = "trial"
CURVE_TAG = "curve"  # of the child run with the curves by k
CURVE_NOTE = (
    "How the measures change with the number of segments: the step of each metric is k, at the chosen eps and "
    "min_samples. Look at the charts, and not at the last values, which are those of the largest k."
)
RUNNING_SUFFIX = ".running"  # of the file that a training at work holds locked
# MLflow's UI then shows runs and charts, and not traces and prompts.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
MOVE_PATIENCE_SECONDS = 30.0  # a move of the champion takes a second
MAX_RUNS_PER_SEARCH = 50_000  # MLflow returns no more


def experiment_id(client: MlflowClient, name: str = EXPERIMENT) -> str:
    """The id of the experiment `name`, which is made when missing. A database file has its artifacts beside it.

    Raises InputError when it was deleted.
    """
    from mlflow.exceptions import MlflowException

    experiment = find_experiment(client, name)
    if experiment is None:
        database = database_file(store_address())
        location = artifact_paths.location(database) if database else None
        try:
            return client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_TAGS)
        except MlflowException:  # another process made it a moment ago
            experiment = find_experiment(client, name)
            if experiment is None:
                raise
    return experiment.experiment_id


def find_experiment(client: MlflowClient, name: str) -> Experiment | None:
    """The experiment `name`, or None when nobody made it yet. Raises InputError when it was deleted."""
    experiment = client.get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage != "active":
        command = mlflow_command(f"experiments restore --experiment-id {experiment.experiment_id}")
        raise InputError(
            f"The experiment '{name}' was deleted in MLflow. Expected it, because it holds the runs. Restore it: "
            f"{command}"
        )
    return experiment


def mlflow_command(words: str) -> str:
    """A command of MLflow on this store, to be typed by a person. A server's address is in their environment."""
    address = store_address()
    return f"MLFLOW_TRACKING_URI={address} mlflow {words}" if database_file(address) else f"mlflow {words}"


def check_ready(client: MlflowClient) -> None:
    """Raise an error, before any long work, when the store could not take the work's result."""
    for name in (EXPERIMENT, HISTORY_EXPERIMENT):
        find_experiment(client, name)
    if database := database_file(store_address()):
        artifact_paths.check_writable(database)


@contextlib.contextmanager
def training_run(
    client: MlflowClient, name: str, tags: Mapping[str, str], resume: str | None = None
) -> Iterator[str]:
    """The id of the parent run, which is active inside the `with`.

    It is the run to `resume`, or the run that `mlflow run` began, or else a new one called `name`. An error ends
    the run as failed, and the run's description then says why. Raises InputError when another process is at
    work on the run.
    """
    import mlflow

    close_killed(client)
    begun_id, run = resume or os.environ.get("MLFLOW_RUN_ID"), None
    try:
        with contextlib.ExitStack() as stack:
            if begun_id:
                stack.enter_context(_training_lock(begun_id))
                run = stack.enter_context(mlflow.start_run(run_id=begun_id, tags=dict(tags)))
            else:
                new_run = mlflow.start_run(
                    experiment_id=experiment_id(client), run_name=name, tags=once.with_request(tags)
                )
                run = stack.enter_context(new_run)
                once.delete_doubles(client, run)
                stack.enter_context(_training_lock(run.info.run_id))
            try:
                yield run.info.run_id
            except Rejected:  # its description is written: it says what there is to look at
                raise
            except Exception as error:
                if silence_of(error):
                    lose_patience()
                with contextlib.suppress(Exception):  # the store itself may be what fails
                    mlflow.set_tag(NOTE_TAG, f"Failed: {error}")
                raise
    except Exception as error:
        if run and not isinstance(error, InputError):
            error.add_note("The trials that are done are kept: mend it and run again with --resume.")
        raise


def start_after_all(client: MlflowClient, experiment: str) -> int:
    """The start of a new run in milliseconds since 1970: now, but after all runs of the experiment.

    So runs stay in order when a clock jumps back, or when another machine's clock is ahead.
    """
    latest = client.search_runs([experiment], order_by=["attributes.start_time DESC"], max_results=1)
    now = int(time.time() * 1000)
    return max([now, *(int(run.info.start_time) + 1 for run in latest)])


@contextlib.contextmanager
def champion_lock(client: MlflowClient) -> Iterator[None]:
    """Hold the lock of the champion: of two promotions or rollbacks at once, one moves the alias and the other waits.

    Beside an SQLite database it is a locked file, which ends with its process, also when that is killed. Any other
    store may have clients on several machines, and grants a lease: raises Busy when another process holds it for
    longer than MOVE_PATIENCE_SECONDS.
    """
    database = database_file(store_address())
    if database is None:
        with leased_in_turn(client, f"{MODEL}-champion", MOVE_PATIENCE_SECONDS):
            yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with (database.parent / "champion.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _training_lock(run: str) -> Iterator[None]:
    """Hold the lock of a training. A training that fails or is killed releases the lock, and leaves its file."""
    path = _studies_folder() / f"{run}{RUNNING_SUFFIX}"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"The training to resume (run {run}) is still at work in another process. Expected a training that "
                "was interrupted. Wait for it, or run without --resume."
            ) from None
        yield
        path.unlink()


def close_killed(client: MlflowClient) -> None:
    """End the runs of trainings whose process was killed, as killed, or as finished when all their work was done."""
    from mlflow.exceptions import MlflowException

    for path in _studies_folder().glob(f"*{RUNNING_SUFFIX}"):
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                run = client.get_run(path.stem)
            except (
                BlockingIOError,
                MlflowException,
            ):  # the training is at work, or its run is in another store
                continue
            done = run.data.tags.get("stage") == "done"
            for open_run in (run, *child_runs(client, run.info.experiment_id, path.stem)):
                if open_run.info.status == "RUNNING":
                    client.set_terminated(open_run.info.run_id, "FINISHED" if done else "KILLED")
            if done:
                journal_path(path.stem).unlink(missing_ok=True)
            path.unlink()


def child_runs(client: MlflowClient, experiment: str, parent: str) -> list[Run]:
    """The child runs of a training: one per trial, and one with the curves by k."""
    return list(
        client.search_runs([experiment], f"tags.`{PARENT_TAG}` = '{parent}'", max_results=MAX_RUNS_PER_SEARCH)
    )


def trial_runs(client: MlflowClient, experiment: str, parent: str) -> dict[int, Run]:
    """The child runs of a training's trials, by their numbers; of two with one number the one that is finished."""
    runs = [run for run in child_runs(client, experiment, parent) if TRIAL_TAG in run.data.tags]
    runs.sort(key=lambda run: run.info.status == "FINISHED")
    return {int(run.data.tags[TRIAL_TAG]): run for run in runs}


def latest_training(client: MlflowClient, fingerprint: str) -> Run | None:
    """The latest training with the same data and settings, however far it came."""
    runs = client.search_runs(
        [experiment_id(client)],
        f"tags.fingerprint = '{fingerprint}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return runs[0] if runs else None


def journal_path(run: str) -> Path:
    """Where the Optuna study of a training is kept until the training is done."""
    return _studies_folder() / f"{run}.journal"


def _studies_folder() -> Path:
    folder = STORE / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rounded(values: Mapping[str, float]) -> dict[str, str]:
    """Numbers as parameters of a run, alike in the run of a training and in those of its trials."""
    return {name: f"{value:.6g}" for name, value in values.items()}


def rename(client: MlflowClient, run: str, old: str, new: str) -> None:
    """Give a run the name `new`, if it has the name `old`; a name that a person gave stays."""
    if client.get_run(run).info.run_name == old:
        client.update_run(run, name=new)


def log_curve(client: MlflowClient, parent: str, curve: pd.DataFrame) -> None:
    """Log each column of `curve` that is not all 0 as a metric `by_k_<column>`, with k as the step.

    They are in a child run of their own: MLflow shows the last step of a metric as its value, and in the training's
    own run that would read as the result.
    """
    from mlflow.entities import Metric

    run = _curve_run(client, parent)
    now = run.info.start_time  # so that a resumed training logs the same points again
    client.log_batch(
        run.info.run_id,
        metrics=[
            Metric(f"by_k_{name}", float(row[name]), now, int(row["k"]))
            for row in curve.to_dict("records")
            for name in curve.columns.drop("k")
            if curve[name].any()
        ],
    )
    client.set_terminated(run.info.run_id)


def _curve_run(client: MlflowClient, parent: str) -> Run:
    """The child run with the curves by k; a training that was interrupted may have begun it."""
    experiment = client.get_run(parent).info.experiment_id
    for run in child_runs(client, experiment, parent):
        if CURVE_TAG in run.data.tags:
            return run
    tags = {PARENT_TAG: parent, CURVE_TAG: "by k", NOTE_TAG: CURVE_NOTE}
    return once.create_run(client, experiment, tags, "curves by k")


def log_data(customers: pd.DataFrame, source: str, digest: str) -> None:
    """Log the feature table as the active run's data set, with a digest of all its rows."""
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.pandas_dataset import from_pandas

    # MLflow opens no database, and finds no source for its address.
    origin = CodeDatasetSource({"source": shown(source)}) if is_address(source) else source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns about its own choice of a source class
        dataset = from_pandas(customers, source=origin, name="customers", digest=digest)
        # MLflow looks at every value to tell a column's type, 20 s for a million customers.
        dataset.schema = from_pandas(_of_each_kind(customers), source=origin).schema
    mlflow.log_input(dataset, context="training")


def _of_each_kind(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each column's first empty and first filled cell: types, and what may be empty, are the table's."""
    empty = table.isna().to_numpy()
    return table.iloc[np.unique([empty.argmax(axis=0), empty.argmin(axis=0)])]


def log_files(files: Mapping[str, object]) -> None:
    """Log artifacts of the active run, by path: tables (.parquet or .csv), bytes, texts, and the rest as JSON.

    What can be called writes its file itself, at the path that it is given.
    """
    import mlflow
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, pd.DataFrame):
                write_table(content, path)
            elif callable(content):
                content(path)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                path.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
        mlflow.log_artifacts(folder)
