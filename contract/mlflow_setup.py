"""MLflow as both wings use it: its environment, its log levels, and the address of its store."""

from __future__ import annotations

import logging
import os
from pathlib import Path

STORE = Path("mlruns")
DATABASE = STORE / "mlflow.db"
ENVIRONMENT_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of each run that ends on a server
    "AWS_MAX_ATTEMPTS": "2",  # of a bucket that is asked without a tracking server between; boto3's default is 5
}
TIMEOUT, RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
# A command waits for a tracking server that is restarted: a minute where nobody listens, and four where one listens and
# does not answer; MLflow's own defaults are two minutes and twenty.
PATIENCE_OF_COMMANDS = {TIMEOUT: "30", RETRIES: "5"}
# Of a command that ends because the store was silent for so long.
PATIENCE_AT_THE_END = {TIMEOUT: "5", RETRIES: "0"}
# Servers have a model to answer from, and ask again.
PATIENCE_OF_SERVERS = {TIMEOUT: "10", RETRIES: "1"}


def store_address() -> str:
    """MLFLOW_TRACKING_URI, or the database in `mlruns` below the working directory."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DATABASE}"


def database_file(address: str) -> Path | None:
    """The file of an SQLite store; None when the address is that of a server or of another database."""
    if not address.startswith("sqlite:///"):
        return None
    return Path(address.removeprefix("sqlite:///").split("?")[0])


def prepare(**environment: str) -> None:
    """Set MLflow's environment, before its first import. What the user has set stays."""
    for name, value in {**ENVIRONMENT_DEFAULTS, **environment}.items():
        os.environ.setdefault(name, value)


def prepare_command() -> None:
    """As `prepare`, for a process that must not lose its work because the store is restarted."""
    prepare(**PATIENCE_OF_COMMANDS)


def lose_patience() -> None:
    """Ask the store only once from now on: what is left to say to it may fail as all before."""
    os.environ.update(PATIENCE_AT_THE_END)


def prepare_server(**environment: str) -> None:
    """As `prepare`, for a process that answers others. What the command that began it had set for itself goes."""
    for name, value in PATIENCE_OF_COMMANDS.items():
        if os.environ.get(name) == value:
            del os.environ[name]
    prepare(**PATIENCE_OF_SERVERS, **environment)


def set_log_level(level: int) -> None:
    """Set the level of MLflow's logs, after its first import, which sets a level of its own."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(level)
