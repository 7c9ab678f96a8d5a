"""Finished child runs written many at a time, straight into the tables of MLflow's SQLite store.

MLflow's own calls take 18 ms for a child run, nearly all of it Python; one transaction takes less than one for each. So
only a database whose tables are known is written to: `tables_are_known`. Any other store gets MLflow's calls.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

KNOWN_SCHEMAS = ("dc11669786a5",)  # the last migration of MLflow 3.17.2  # pragma: allowlist secret
LOCK_TIMEOUT_SECONDS = 30.0
LARGEST = sys.float_info.max  # what MLflow writes for an infinite metric
NAME_TAG = "mlflow.runName"


@dataclass(frozen=True)
class FinishedRun:
    """A child run as it is written; `moment` in milliseconds is its start, its end and that of its metrics."""

    name: str
    moment: int
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


def tables_are_known(database: Path) -> bool:
    """Whether the tables of a database are those that this module writes to."""
    try:
        with _opened(database) as connection:
            versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return [version for (version,) in versions] in [[known] for known in KNOWN_SCHEMAS]


def write(database: Path, experiment: str, artifacts: str, runs: Iterable[FinishedRun]) -> None:
    """Write runs of an experiment whose artifacts are at the address `artifacts`: all of them, or none."""
    with _opened(database) as connection, connection:
        for run in runs:
            _insert(connection, experiment, artifacts, run)


def _insert(connection: sqlite3.Connection, experiment: str, artifacts: str, run: FinishedRun) -> None:
    """The rows that MLflow's create_run, log_batch and set_terminated leave."""
    key = uuid.uuid4().hex
    values = (key, run.name, run.moment, run.moment, f"{artifacts.rstrip('/')}/{key}/artifacts", experiment)
    connection.execute(
        "INSERT INTO runs (run_uuid, name, start_time, end_time, artifact_uri, experiment_id, source_type, "
        "source_name, entry_point_name, user_id, status, source_version, lifecycle_stage) "
        "VALUES (?, ?, ?, ?, ?, ?, 'UNKNOWN', '', '', 'unknown', 'FINISHED', '', 'active')",
        values,
    )
    tags = {**run.tags, NAME_TAG: run.name}.items()
    connection.executemany("INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)", _rows(key, tags))
    params = _rows(key, run.params.items())
    connection.executemany("INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)", params)
    metrics = [
        (key, name, _finite(value), math.isnan(value), run.moment) for name, value in run.metrics.items()
    ]
    for table in ("metrics", "latest_metrics"):
        connection.executemany(
            f"INSERT INTO {table} (run_uuid, key, value, is_nan, timestamp, step) VALUES (?, ?, ?, ?, ?, 0)",
            metrics,
        )


def _rows(key: str, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    return ((key, name, value) for name, value in pairs)


def _finite(value: float) -> float:
    return 0.0 if math.isnan(value) else min(max(value, -LARGEST), LARGEST)


@contextlib.contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a database that is there already."""
    address = f"{database.absolute().as_uri()}?mode=rw"
    with contextlib.closing(sqlite3.connect(address, LOCK_TIMEOUT_SECONDS, uri=True)) as connection:
        yield connection
