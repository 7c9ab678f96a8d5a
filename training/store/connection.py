"""The MLflow store: preparing this process for it, its database, and a client on it."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from contract import artifact_paths, mlflow_setup
from training.errors import InputError
from training.reading.address import scheme, shown
from training.store.template import copy_template, keep_template

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Of the garbage collector: fewer collections than Python's default, and none while all is imported, of which nothing is
# garbage.
GC_THRESHOLDS = (50_000, 20, 100)
GC_WHILE_IMPORTING = 10_000_000
# OpenMP's threads sleep between two pieces of work: by default they keep a processor busy, which others want.
WAITING_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}
SERVER_TIMEOUT_SECONDS = 10.0
GATEWAY_ERRORS = (502, 503, 504)  # of a proxy whose server is down
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}  # where a database server listens by default
START_SERVER = "Start it: mlflow server --backend-store-uri ADDRESS --artifacts-destination FOLDER"
DRIVERS = {
    "postgresql": "Install and name it: pip install 'customer-segments[postgres]', and postgresql+psycopg://...",
    "mysql": "Install and name it: pip install 'customer-segments[mysql]', and mysql+pymysql://...",
}


def prepare_process() -> None:
    """Set up this process: MLflow's environment, its threads, and the garbage collector. A command calls it once."""
    mlflow_setup.prepare_command()
    for name, value in WAITING_THREADS.items():
        os.environ.setdefault(name, value)
    gc.set_threshold(GC_WHILE_IMPORTING)


def connect() -> MlflowClient:
    """A client on the store at `store_address`, whose database is made when it is missing.

    Its artifacts are found where the project is now. What a command needs is imported then, and garbage is collected
    from now on. Raises InputError where the store cannot be reached.
    """
    import mlflow

    mlflow_setup.set_log_level(logging.CRITICAL)  # the command prints errors, without a traceback
    address = mlflow_setup.store_address()
    os.environ["MLFLOW_TRACKING_URI"] = address  # for the parts of MLflow that look there
    if database := mlflow_setup.database_file(address):
        create_database(database)
        find_artifacts(database)
    else:
        check_server(address)
    try:
        client = mlflow.MlflowClient()
    except ModuleNotFoundError as error:
        raise InputError(
            f"The driver {error.name} for the MLflow store at {shown(address)} is not installed. Expected the driver "
            f"that its address names. {DRIVERS.get(scheme(address).split('+')[0], 'Install it.')}"
        ) from None
    gc.set_threshold(*GC_THRESHOLDS)
    return client


def check_server(address: str) -> None:
    """Raise InputError, within seconds, when no server answers at `address`. MLflow would try again for minutes."""
    kind = scheme(address)
    if kind in ("http", "https"):
        _check_web_server(address)
    elif kind.split("+")[0] in PORTS:
        _check_database_server(address, PORTS[kind.split("+")[0]])


def _check_web_server(address: str) -> None:
    import requests

    try:
        status = requests.get(address, timeout=SERVER_TIMEOUT_SECONDS, stream=True).status_code
    except requests.RequestException as error:
        raise _silent(address, type(error).__name__, START_SERVER) from None
    if status in GATEWAY_ERRORS:
        raise _silent(address, f"HTTP {status}", START_SERVER)


def _check_database_server(address: str, port: int) -> None:
    parts = urlsplit(address)
    if not parts.hostname:  # a socket of this machine
        return
    try:
        socket.create_connection((parts.hostname, parts.port or port), SERVER_TIMEOUT_SECONDS).close()
    except OSError as error:
        raise _silent(address, error.strerror or str(error), "Start it") from None


def _silent(address: str, cause: str, to_do: str) -> InputError:
    return InputError(
        f"The MLflow store at {shown(address)} does not answer ({cause}). Expected a running server. {to_do}, or "
        "correct MLFLOW_TRACKING_URI."
    )


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
    if database.exists():
        return
    print(f"Creating the MLflow database in {database.parent}; this happens once.", file=sys.stderr)
    database.parent.mkdir(parents=True, exist_ok=True)
    new = database.with_name(f"{database.name}.new")
    with new.with_name(f"{new.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # when two trainings start at once, one makes it and the other waits
        if not database.exists():
            _make(new)
            new.rename(database)
        Path(lock.name).unlink(missing_ok=True)


def _make(new: Path) -> None:
    """A new database: the template, if MLflow takes it, or else what its migrations make."""
    new.unlink(missing_ok=True)
    copy = new.with_name(f"{new.name}.copy")  # MLflow would not look again at a file under the same name
    if copy_template(copy):
        try:
            _open(copy)
        except Exception:  # whatever it is: the template is not what MLflow wants
            copy.unlink()
        else:
            copy.rename(new)
            return
    _open(new)
    keep_template(new)


def _open(database: Path) -> None:
    """Have MLflow check the tables of a database, or make them, and its default experiment."""
    import mlflow

    mlflow.MlflowClient(f"sqlite:///{database}").search_experiments(max_results=1)
