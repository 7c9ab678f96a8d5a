"""The MLflow store: preparing this process for it, its database, and a client on it."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from contract import artifact_paths, mlflow_setup
from training.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient

GC_THRESHOLDS = (
    50_000,
    20,
    100,
)  # fewer collections than Python's default: what is imported is never garbage


def prepare_process() -> None:
    """Set up this process for MLflow: its environment, and the garbage collector. A command calls it once."""
    mlflow_setup.prepare()
    gc.set_threshold(*GC_THRESHOLDS)


def connect() -> MlflowClient:
    """A client on the store at `store_address`, whose database is made when it is missing.

    Its artifacts are found where the project is now. Raises InputError where that cannot be.
    """
    import mlflow

    mlflow_setup.set_log_level(logging.CRITICAL)  # the command prints errors, without a traceback
    address = mlflow_setup.store_address()
    os.environ["MLFLOW_TRACKING_URI"] = address  # for the parts of MLflow that look there
    if database := mlflow_setup.database_file(address):
        create_database(database)
        find_artifacts(database)
    return mlflow.MlflowClient()


def find_artifacts(database: Path) -> None:
    """Let the database of a project that was moved find its artifacts. Raises InputError where that cannot be."""
    try:
        artifact_paths.follow(database)
    except artifact_paths.Misplaced as error:
        raise InputError(str(error)) from None


def create_database(database: Path) -> None:
    """Make a missing database under another name, and rename it when it is complete.

    A process that is killed meanwhile leaves no half database behind, which nobody could use.
    """
    import mlflow

    if database.exists():
        return
    print(f"Creating the MLflow database in {database.parent}; this happens once.", file=sys.stderr)
    database.parent.mkdir(parents=True, exist_ok=True)
    new = database.with_name(f"{database.name}.new")
    with new.with_name(f"{new.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # when two trainings start at once, one makes it and the other waits
        if not database.exists():
            new.unlink(missing_ok=True)
            mlflow.MlflowClient(f"sqlite:///{new}").search_experiments(max_results=1)
            new.rename(database)
        Path(lock.name).unlink(missing_ok=True)
