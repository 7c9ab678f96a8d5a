"""What a training leaves in MLflow: one parent run, one child run a trial."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pandas as pd

from training.errors import InputError
from training.reading.address import is_address, shown

NAME = "customer-segments"  # of the experiment and of the registered model
STORE = Path("mlruns")
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
RUNNING = ".running"  # ends the name of the file that a training at work holds locked
SHOWN_AS = {"mlflow.experimentKind": "custom_model_development"}  # runs and charts, not traces and prompts


def connect() -> Any:
    """An MlflowClient on MLFLOW_TRACKING_URI, by default the database `mlruns/mlflow.db`, made when missing."""
    os.environ["MLFLOW_TRACKING_URI"] = address()
    import gc
    import logging

    gc.set_threshold(
        50_000, 20, 100
    )  # what is imported here stays: the collector need not look for it so often
    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # its errors are told without a traceback
    if database := _database():
        create_database(database)
    return mlflow.MlflowClient()


def _database() -> Path | None:
    """The file of the database at `address()`; None when that is a server."""
    place = address()
    return Path(place.removeprefix("sqlite:///").split("?")[0]) if place.startswith("sqlite:///") else None


def create_database(database: Path) -> None:
    """Make a missing database beside its place and move it there whole: half of one could never be used."""
    import mlflow

    if database.exists():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    new = database.with_name(f"{database.name}.new")
    with new.with_name(f"{new.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two trainings at once, one makes it and the other waits
        if not database.exists():
            new.unlink(missing_ok=True)
            mlflow.MlflowClient(f"sqlite:///{new}").search_experiments(max_results=1)
            new.rename(database)
        Path(lock.name).unlink(missing_ok=True)


def address() -> str:
    """MLFLOW_TRACKING_URI, or the database in `mlruns`; telemetry and pickles are off unless asked for."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if given := os.environ.get("MLFLOW_TRACKING_URI"):
        return given
    STORE.mkdir(exist_ok=True)
    if not (STORE / "mlflow.db").exists():
        print("Creating the MLflow database in mlruns; this happens once.", file=sys.stderr)
    return f"sqlite:///{STORE}/mlflow.db"


def experiment_id(client: Any, name: str = NAME) -> str:
    """The id of the experiment `name`; made when missing, with its artifacts under `mlruns` if the store is local."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        local = os.environ["MLFLOW_TRACKING_URI"].startswith("sqlite:")
        location = (STORE / "artifacts").resolve().as_uri() if local else None
        try:
            return client.create_experiment(name, artifact_location=location, tags=SHOWN_AS)
        except MlflowException:  # another process made it a moment ago
            found = client.get_experiment_by_name(name)
    return found.experiment_id


@contextlib.contextmanager
def training_run(client: Any, name: str, tags: Mapping[str, str], resume: str | None = None) -> Iterator[str]:
    """The id of the parent run, active inside: a new one `name`, the one `mlflow run` began, or the one to `resume`.

    An error ends the run as failed and says why in its description. Raises InputError when another
    process is at work on the run.
    """
    import mlflow

    close_killed(client)
    begun, run = resume or os.environ.get("MLFLOW_RUN_ID"), None
    try:
        with contextlib.ExitStack() as stack:
            if begun:
                stack.enter_context(_alone(begun))
                run = stack.enter_context(mlflow.start_run(run_id=begun, tags=dict(tags)))
            else:
                new = mlflow.start_run(experiment_id=experiment_id(client), run_name=name, tags=dict(tags))
                run = stack.enter_context(new)
                stack.enter_context(_alone(run.info.run_id))
            try:
                yield run.info.run_id
            except Exception as error:
                with contextlib.suppress(Exception):  # the store itself may be what fails
                    mlflow.set_tag(NOTE, f"Failed: {error}")
                raise
    except Exception as error:
        if run and not isinstance(error, InputError):
            error.add_note("The trials that are done are kept: mend it and run again with --resume.")
        raise


@contextlib.contextmanager
def moving() -> Iterator[None]:
    """Hold the lock of the champion: of two promotions or rollbacks at once, one moves it and the other waits.

    The lock ends with its process, killed or not. It lies beside the database, in `mlruns` for an MLflow
    server, and is known on one machine only: several machines must not move the champion of one store at once.
    """
    folder = database.parent if (database := _database()) else STORE
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "champion.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _alone(run: str) -> Iterator[None]:
    """Hold the lock of a training. One that is killed or fails lets it go, and leaves its file behind."""
    path = _studies() / f"{run}{RUNNING}"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"The training to resume (run {run}) is still at work in another process. Expected one that "
                "was interrupted. Wait for it, or run without --resume."
            ) from None
        yield
        path.unlink()


def close_killed(client: Any) -> None:
    """End the runs of trainings whose process was killed: as killed, or finished when nothing was left to do."""
    from mlflow.exceptions import MlflowException

    for path in _studies().glob(f"*{RUNNING}"):
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                run = client.get_run(path.stem)
            except (BlockingIOError, MlflowException):  # at work, or a run of another store
                continue
            done = run.data.tags.get("stage") == "done"
            for left in (run, *_children(client, run.info.experiment_id, path.stem)):
                if left.info.status == "RUNNING":
                    client.set_terminated(left.info.run_id, "FINISHED" if done else "KILLED")
            if done:
                journal(path.stem).unlink(missing_ok=True)
            path.unlink()


def _studies() -> Path:
    folder = STORE / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _children(client: Any, experiment: str, parent: str) -> list[Any]:
    """The child runs of a training."""
    return list(client.search_runs([experiment], f"tags.`{PARENT}` = '{parent}'", max_results=50_000))


def interrupted(client: Any, fingerprint: str) -> str | None:
    """The id of the latest training that stopped during its sweep, with the same data and settings."""
    found = client.search_runs(
        [experiment_id(client)],
        f"tags.fingerprint = '{fingerprint}' and tags.stage = 'sweep'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return found[0].info.run_id if found else None


def journal(run: str) -> Path:
    """Where the Optuna study of a training is kept until the training is done."""
    return _studies() / f"{run}.journal"


class TrialLog:
    """Child runs of one training, one a trial; finished ones are left alone, begun ones are finished.

    A thread writes them, in order, while the next trials are computed. Leaving the `with` waits for it, and an
    error of the store is raised there or by the next `write`.
    """

    def __init__(self, client: Any, parent: str) -> None:
        self.client, self.parent = client, parent
        self.experiment = client.get_run(parent).info.experiment_id
        self.begun = {int(run.data.tags["trial"]): run for run in _children(client, self.experiment, parent)}
        self._thread = ThreadPoolExecutor(1)
        self._writes: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(cancel_futures=self._failed())
        if kind is None:
            self._check()

    def write(
        self,
        number: int,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        missed: Mapping[str, float],
    ) -> None:
        """One child run: params, metrics, and `feasible`, 1 when it kept the limits; tag `missed` names the others."""
        self._check()
        self._writes.append(self._thread.submit(self._write, number, params, metrics, missed))

    def _failed(self) -> bool:
        return any(write.done() and write.exception() for write in self._writes)

    def _check(self) -> None:
        while self._writes and self._writes[0].done():
            self._writes.popleft().result()

    def _write(
        self,
        number: int,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        missed: Mapping[str, float],
    ) -> None:
        from mlflow.entities import Metric, Param

        run = self.begun.get(number)
        if run is None:
            now = int(time.time() * 1000)
            setting = " ".join(f"{name}={value:.4g}" for name, value in params.items())
            tags = {PARENT: self.parent, "trial": str(number), "missed": ", ".join(missed)}
            run = self.client.create_run(self.experiment, now, tags, run_name=f"trial {number:03d} {setting}")
        elif run.info.status == "FINISHED":
            return
        now = run.info.start_time  # so that a metric which is there already stays one
        values = {**metrics, "feasible": float(not missed)}
        self.client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in values.items()],
            params=[Param(name, f"{value:.6g}") for name, value in params.items()],
        )
        self.client.set_terminated(run.info.run_id)


def log_curve(client: Any, run: str, curve: pd.DataFrame) -> None:
    """Every column of `curve` that is not all 0 as a metric `by_k_<column>`, with k as the step."""
    from mlflow.entities import Metric

    now = client.get_run(run).info.start_time  # so that a resumed training logs the same points again
    client.log_batch(
        run,
        metrics=[
            Metric(f"by_k_{name}", float(row[name]), now, int(row["k"]))
            for row in curve.to_dict("records")
            for name in curve.columns.drop("k")
            if curve[name].any()
        ],
    )


def log_data(customers: pd.DataFrame, source: str, digest: str) -> None:
    """The feature table as the active run's data set, under a digest of all its rows."""
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.pandas_dataset import from_pandas

    place = (
        CodeDatasetSource({"source": shown(source)}) if is_address(source) else source
    )  # MLflow opens no database
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about which of its own source classes MLflow picks
        dataset = from_pandas(customers, source=place, name="customers", digest=digest)
    mlflow.log_input(dataset, context="training")


def log_files(files: Mapping[str, Any]) -> None:
    """Artifacts of the active run by path: DataFrames (.parquet, .csv), bytes, texts, else JSON."""
    import tempfile

    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".parquet":
                content.to_parquet(path, index=False)
            elif path.suffix == ".csv":
                content.to_csv(path, index=False)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            else:
                path.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
        mlflow.log_artifacts(folder)
