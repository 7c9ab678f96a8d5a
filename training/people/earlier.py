"""Kept columns of earlier releases, which stand in the tables of their runs, moved to where they are kept now."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contract.lists.columns import COLUMNS, NOT_LISTED
from contract.names import FEATURE_TABLE, FORGOTTEN_TAG, MODEL, SCORED_CUSTOMERS, SUMMARY
from contract.people import ID, KEPT
from contract.words import counted
from training.people import kept_log, traces
from training.people.forgetting import renew_digests
from training.people.run_files import RunFiles
from training.shop import digest

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True)
class Moved:
    """The columns that were moved, or would be, by their runs."""

    dry: bool
    columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def sentences(self) -> list[str]:
        """The same in words."""
        if not self.columns:
            return ["No run holds kept columns."]
        verb = "Would move" if self.dry else "Moved"
        lines = [f"{verb} the kept columns of {counted(len(self.columns), 'training')} out of their runs."]
        return lines + [f"  run {run}: {', '.join(names)}" for run, names in self.columns.items()]

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"dry_run": self.dry, "moved": self.columns}


def move_kept_columns(client: MlflowClient, dry: bool = False) -> Moved:
    """Move the kept columns of all runs to the file of kept columns, the oldest training first. Raises InputError.

    The file has them before they leave the run, and the summary names them before that: a server finds them all the
    time. What a kill left undone, the next call does.
    """
    versions = traces.versions_of(client)
    columns: dict[str, list[str]] = {}
    for run in sorted(traces.training_runs(client), key=lambda run: int(run.info.start_time)):
        files = RunFiles.at(str(run.info.artifact_uri))
        if names := _kept_in(files):
            columns[run.info.run_id] = names
            if not dry:
                _move(client, run, files, names, versions.get(run.info.run_id, []))
    return Moved(dry, columns)


def _kept_in(files: RunFiles) -> list[str]:
    """The kept columns in the tables of a run."""
    there = files.names()
    tables = [_table(files, name) for name in (SCORED_CUSTOMERS, FEATURE_TABLE) if name in there]
    names = dict.fromkeys(name for table in tables for name in table)
    return [name for name in names if name not in COLUMNS and name not in NOT_LISTED]


def _move(client: MlflowClient, run: Run, files: RunFiles, names: list[str], versions: Sequence[int]) -> None:
    there = files.names()
    source = SCORED_CUSTOMERS if SCORED_CUSTOMERS in there else FEATURE_TABLE
    table = _table(files, source)
    if versions and set(names) <= set(table):  # else a call that was killed has kept them
        kept_log.keep(run.info.run_id, table[[ID, *names]].astype(dict.fromkeys(names, "str")))
    if SUMMARY in there:
        summary = json.loads(files.read(SUMMARY))
        files.write(SUMMARY, json.dumps(summary | {KEPT: names}, indent=1).encode())
    if FEATURE_TABLE in there:
        _write_features(client, files, names, versions)
    if SCORED_CUSTOMERS in there:
        files.write(SCORED_CUSTOMERS, _as_parquet(_table(files, SCORED_CUSTOMERS), names))
    for version in versions:
        client.set_model_version_tag(MODEL, str(version), FORGOTTEN_TAG, f"kept columns of {run.info.run_id}")


def _write_features(client: MlflowClient, files: RunFiles, names: list[str], versions: Sequence[int]) -> None:
    """Write the feature table without columns; the digest that the gate compares is renewed before."""
    table = _table(files, FEATURE_TABLE)
    after = digest(table.drop(columns=names, errors="ignore"))
    renew_digests(client, versions, digest(table), after)
    files.write(FEATURE_TABLE, _as_parquet(table, names))


def _table(files: RunFiles, name: str) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(io.BytesIO(files.read(name)))


def _as_parquet(table: pd.DataFrame, without: list[str]) -> bytes:
    buffer = io.BytesIO()
    table.drop(columns=without, errors="ignore").to_parquet(buffer, index=False)
    return buffer.getvalue()
