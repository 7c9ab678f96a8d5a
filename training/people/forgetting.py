"""Customers are forgotten: taken out of everything that trainings left, and left out of all that come."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from contract.names import DATA_DIGEST_TAG, EXPERIMENT, FEATURE_TABLE, FORGOTTEN_TAG, MODEL
from contract.words import counted
from training.errors import InputError
from training.people import kept_log, remembered, traces
from training.people.traces import Trace
from training.shop import digest
from training.store import registry, tracking
from training.whole_file import replaced

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Forgetting:
    """What was taken out, or would be: files of runs by version or run, rows of kept columns, and lists.

    at_work: trainings that may have read the customers before they were on the list; unfinished: how many others are on
    it whom a call that was killed did not take out everywhere.
    """

    customers: Sequence[str]
    dry: bool
    files: dict[str, list[str]] = field(default_factory=dict)
    kept_rows: int = 0
    lists: Sequence[str] = ()
    at_work: Sequence[str] = ()
    unfinished: int = 0

    @property
    def sentences(self) -> list[str]:
        """The same in words."""
        verb = "Would take" if self.dry else "Took"
        who = counted(len(self.customers), "customer")
        number = sum(map(len, self.files.values()))
        if not (number or self.kept_rows or self.lists):
            what = "would be" if self.dry else "is"
            lines = [
                f"{', '.join(self.customers)}: in no file. The id {what} left out of trainings from now on."
            ]
        else:
            lines = [
                f"{verb} {who} out of {counted(number, 'file')} of {counted(len(self.files), 'training')}, "
                f"{counted(self.kept_rows, 'row')} of kept columns and {counted(len(self.lists), 'list')}."
            ]
        lines += [f"  {owner}: {', '.join(names)}" for owner, names in self.files.items()]
        lines += [f"  {path}" for path in self.lists]
        if self.at_work:
            lines.append(
                f"A training is at work that may have read the customer before (run {', '.join(self.at_work)}). "
                "Expected none. Run this again when it has ended."
            )
        if self.unfinished:
            lines.append(
                f"{counted(self.unfinished, 'customer')} of an earlier call, which was interrupted, may still be in "
                "files. Run it again with the same id."
            )
        return lines

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "customers": list(self.customers),
            "dry_run": self.dry,
            "files": self.files,
            "kept_rows": self.kept_rows,
            "lists": list(self.lists),
            "at_work": list(self.at_work),
            "unfinished": self.unfinished,
        }


def forget(
    client: MlflowClient, customers: Sequence[str], lists: Sequence[Path] = (), dry: bool = False
) -> Forgetting:
    """Take customers out everywhere, and put them on the list of those whom trainings leave out.

    The list comes first, so a training that begins meanwhile leaves them out. Whatever was done when the process is
    killed, the same call again does the rest. Raises InputError.
    """
    entries = {} if dry else remembered.begun(client, customers)
    who = traces.wanted(customers)
    versions = traces.versions_of(client)
    files: dict[str, list[str]] = {}
    for trace in traces.in_runs(client, who):
        numbers = versions.get(trace.run, [])
        owner = f"version {', '.join(map(str, numbers))}" if numbers else f"run {trace.run}"
        files.setdefault(owner, []).append(trace.name)
        if not dry:
            _erase(client, trace, numbers)
    written = list(traces.in_lists(lists, who))
    rows = kept_log.rows_of(customers)
    at_work = _trainings_at_work(client)
    if not dry:
        for path, content in written:
            with replaced(path) as new:
                new.write_bytes(content)
        kept_log.take_out(customers)
        _have_loaded_anew(client, [number for own in versions.values() for number in own])
        for entry in entries.values() if not at_work else ():
            remembered.ended(client, entry)
    others = remembered.unfinished(client, but=entries.values())
    return Forgetting(customers, dry, files, rows, [str(path) for path, _ in written], at_work, others)


def _erase(client: MlflowClient, trace: Trace, versions: Sequence[int]) -> None:
    """Take customers out of a file. The digest of its versions' table, which the gate compares, is renewed before."""
    if trace.name == FEATURE_TABLE and versions:
        before, after = (_digest_of(content) for content in (trace.before, trace.after))
        renew_digests(client, versions, before, after)
    trace.erase()


def renew_digests(client: MlflowClient, versions: Sequence[int], before: str, after: str) -> None:
    """Give versions the digest of their table as it will be; a table that was another before stays suspect."""
    for version in versions:
        if registry.record_of(client, version).tags.get(DATA_DIGEST_TAG) == before:
            client.set_model_version_tag(MODEL, str(version), DATA_DIGEST_TAG, after)


def _digest_of(table: bytes) -> str:
    import pandas as pd

    return digest(pd.read_parquet(io.BytesIO(table)))


def _have_loaded_anew(client: MlflowClient, versions: Sequence[int]) -> None:
    """Let servers load their version anew, and forget what they hold in memory."""
    now = datetime.now(UTC).isoformat()
    for version in versions:
        client.set_model_version_tag(MODEL, str(version), FORGOTTEN_TAG, now)


def _trainings_at_work(client: MlflowClient) -> list[str]:
    """The runs of trainings that have not ended: what they read they may still write."""
    tracking.close_killed(client)
    experiment = tracking.find_experiment(client, EXPERIMENT)
    if experiment is None:
        return []
    runs = client.search_runs(
        [experiment.experiment_id], "attributes.status = 'RUNNING' and tags.stage = 'sweep'"
    )
    return [run.info.run_id for run in runs]


def check_ids(customers: Sequence[str]) -> list[str]:
    """Ids as people give them: without blanks around them, each once. Raises InputError for an empty one."""
    bare = [customer.strip() for customer in customers]
    if not all(bare):
        raise InputError(
            "An id is empty. Expected the ids of customers as the shop writes them. Leave it out."
        )
    return list(dict.fromkeys(bare))
