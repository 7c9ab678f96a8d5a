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
}


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


def set_log_level(level: int) -> None:
    """Set the level of MLflow's logs, after its first import, which sets a level of its own."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(level)
