"""What a training leaves in MLflow: one parent run, one child run a trial."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

NAME = "customer-segments"  # of the experiment and of the registered model
STORE = Path("mlruns")
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
SHOWN_AS = {"mlflow.experimentKind": "custom_model_development"}  # runs and charts, not traces and prompts


def connect() -> Any:
    """An MlflowClient on MLFLOW_TRACKING_URI, by default the database `mlruns/mlflow.db`, made when missing."""
    os.environ["MLFLOW_TRACKING_URI"] = address()
    import logging

    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    return mlflow.MlflowClient()


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

    An error ends the run as failed and says why in its description.
    """
    import mlflow

    if resume or os.environ.get("MLFLOW_RUN_ID"):
        run = mlflow.start_run(run_id=resume or os.environ["MLFLOW_RUN_ID"])
    else:
        run = mlflow.start_run(experiment_id=experiment_id(client), run_name=name)
    with run:
        mlflow.set_tags(dict(tags))
        try:
            yield run.info.run_id
        except Exception as error:
            mlflow.set_tag(NOTE, f"Failed: {error}")
            raise


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
    folder = STORE / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{run}.journal"


class TrialLog:
    """Child runs of one training, one a trial; a trial that already has a finished one is left alone."""

    def __init__(self, client: Any, parent: str) -> None:
        self.client, self.parent = client, parent
        self.experiment = client.get_run(parent).info.experiment_id
        finished = client.search_runs(
            [self.experiment],
            f"tags.`{PARENT}` = '{parent}' and attributes.status = 'FINISHED'",
            max_results=50_000,
        )
        self.written = {int(run.data.tags["trial"]) for run in finished}

    def write(
        self,
        number: int,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        missed: Mapping[str, float],
    ) -> None:
        """One child run: params, metrics, and `feasible`, 1 when it kept the limits; tag `missed` names the others."""
        from mlflow.entities import Metric, Param

        if number in self.written:
            return
        now = int(time.time() * 1000)
        setting = " ".join(f"{name}={value:.4g}" for name, value in params.items())
        tags = {PARENT: self.parent, "trial": str(number), "missed": ", ".join(missed)}
        run = self.client.create_run(self.experiment, now, tags, run_name=f"trial {number:03d} {setting}")
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

    now = int(time.time() * 1000)
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
    from mlflow.data.pandas_dataset import from_pandas

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about which of its own source classes MLflow picks
        dataset = from_pandas(customers, source=source, name="customers", digest=digest)
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
