"""What the registry holds beside the champion: every version, what its training left, and who made which champion.

Read when it is first asked for and kept in memory. A version and its training never change, but the gate's verdict, the
aliases and the list of versions do: these are read again after a while.
"""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from contract.clock import recorded
from contract.names import (
    FORGOTTEN_TAG,
    GATE,
    GATE_TAG,
    HISTORY_EXPERIMENT,
    MODEL,
    PROFILES,
    REPORT,
    SCORED_CUSTOMERS,
    SUMMARY,
)
from serving.champion import Unreadable, part, prepare_reading, read_artifact, read_json, read_table
from serving.recounts import number_taken_out, recounted_metrics, recounted_profiles
from serving.registry_answers import RegistryAnswer

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

MOST_TABLES = 2  # of customers in memory beside the champion's
MOST_PROMOTIONS = 200
BY_HAND = "by hand"

Value = TypeVar("Value")


@dataclass(frozen=True)
class Promotion:
    """A change of the champion; one by hand has no time and nobody who made it, because it left no entry."""

    before: int | None
    after: int | None
    how: str
    reason: str = ""
    when: datetime | None = None
    who: str = ""


@dataclass(frozen=True)
class Training:
    """A version and what its training says of itself.

    profiles: one record per segment; gate: the verdict and its rules, None of a version that it has not judged; run: of
    the training.
    """

    version: int
    as_of: str
    summary: Mapping[str, Any]
    profiles: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, float]
    gate: Mapping[str, Any] | None
    run: str = ""

    @property
    def customers(self) -> int:
        return int(sum(profile["customers"] for profile in self.profiles))

    @property
    def revenue(self) -> float:
        return float(sum(profile["revenue"] for profile in self.profiles))

    @property
    def anomalies(self) -> int:
        return int(sum(profile["anomalies"] for profile in self.profiles))

    @property
    def names(self) -> dict[int, str]:
        """The name of each segment by its number."""
        return {int(profile["segment"]): str(profile["name"]) for profile in self.profiles}


@dataclass(frozen=True)
class Records:
    """What the registry said last: its versions, latest first, and the changes of the champion, latest first."""

    versions: Sequence[ModelVersion]
    promotions: Sequence[Promotion]


@dataclass(eq=False)
class Archive:
    """The registry at `address`, read when asked and kept."""

    address: str
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _records: RegistryAnswer[Records] = field(default_factory=RegistryAnswer, repr=False)
    _files: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    _tables: OrderedDict[int, Any] = field(default_factory=OrderedDict, repr=False)

    def clear(self) -> None:
        """Forget what was read. Who is reading now fills what nobody looks at any more."""
        with self._lock:
            self._files, self._tables = {}, OrderedDict()
        self._records.clear()

    def records(self, champion: int) -> Records:
        """The registry's versions and the changes that led to `champion`, as the registry said last."""
        return self._records.get(champion, lambda: self._read(champion))

    def trainings(self, champion: int) -> list[Training]:
        """Each version whose training can be read, the latest version first."""
        records = self.records(champion)
        trainings = (self._training(version) for version in records.versions)
        return [training for training in trainings if training is not None]

    def training(self, champion: int, number: int) -> Training | None:
        """One of them by its version."""
        return next((own for own in self.trainings(champion) if own.version == number), None)

    def customers(self, champion: int, number: int) -> pd.DataFrame:
        """The scored customers of a version, one row each. Raises Unreadable."""
        with self._lock:
            if number in self._tables:
                self._tables.move_to_end(number)
                return self._tables[number]
            tables = self._tables
        run_id = self._run_of(champion, number)
        table = self._fetched(run_id, SCORED_CUSTOMERS, read_table)
        with self._lock:
            tables[number] = table
            while len(tables) > MOST_TABLES:
                tables.popitem(last=False)
        return table

    def report(self, champion: int, number: int) -> bytes:
        """The report of a version's training, as HTML. Raises Unreadable."""
        run_id = self._run_of(champion, number)
        return self._once(
            (run_id, REPORT), lambda: self._fetched(run_id, REPORT, lambda path: path.read_bytes())
        )

    def _run_of(self, champion: int, number: int) -> str:
        for version in self.records(champion).versions:
            if int(version.version) == number and version.run_id:
                return str(version.run_id)
        raise Unreadable(f"version {number} is not in the registry")

    def _training(self, version: ModelVersion) -> Training | None:
        run_id = str(version.run_id)
        try:
            forgotten = version.tags.get(FORGOTTEN_TAG, "")
            key = (run_id, SUMMARY, forgotten)
            summary, profiles, metrics = self._once(key, lambda: self._told(run_id, bool(forgotten)))
        except Unreadable:
            return None
        as_of = str(summary["as_of"])
        return Training(
            int(version.version), as_of, summary, profiles, metrics, self._gate(version, run_id), run_id
        )

    def _told(self, run_id: str, may_lack_customers: bool) -> tuple[Any, Any, dict[str, float]]:
        """Summary, profiles and metrics of a training, counted anew where customers were taken out of its table."""
        import mlflow

        summary = self._fetched(run_id, SUMMARY, read_json)
        profiles = self._fetched(run_id, PROFILES, read_json)
        run = part("run", lambda: mlflow.MlflowClient(self.address, self.address).get_run(run_id))
        metrics = dict(run.data.metrics)
        if may_lack_customers:
            customers = self._fetched(run_id, SCORED_CUSTOMERS, read_table)
            if number_taken_out(profiles, customers):
                profiles = recounted_profiles(profiles, customers)
                metrics = recounted_metrics(metrics, customers)
        return summary, profiles, metrics

    def _gate(self, version: ModelVersion, run_id: str) -> Mapping[str, Any] | None:
        """The verdict; None of a version that was not judged, and for as long as the verdict cannot be read."""
        if GATE_TAG not in version.tags:
            return None
        key = (run_id, GATE, str(version.last_updated_timestamp))
        try:
            return cast("Mapping[str, Any]", self._once(key, lambda: self._fetched(run_id, GATE, read_json)))
        except Unreadable:
            return None

    def _fetched(self, run_id: str, path: str, read: Callable[[Any], Value]) -> Value:
        prepare_reading(self.address)
        with tempfile.TemporaryDirectory() as folder:
            try:
                return read(read_artifact(self.address, run_id, folder, path))
            except Exception as error:
                raise Unreadable(f"{path} of its training cannot be read: {type(error).__name__}") from error

    def _once(self, key: Hashable, read: Callable[[], Value]) -> Value:
        files = self._files
        if key not in files:
            files[key] = read()
        return cast("Value", files[key])

    def _read(self, champion: int) -> Records:
        prepare_reading(self.address)
        import mlflow

        client = mlflow.MlflowClient(self.address, self.address)
        versions = sorted(
            client.search_model_versions(f"name='{MODEL}'"), key=lambda own: int(own.version), reverse=True
        )
        experiment = client.get_experiment_by_name(HISTORY_EXPERIMENT)
        runs: Sequence[Run] = []
        if experiment is not None:
            runs = client.search_runs(
                [experiment.experiment_id],
                order_by=["attributes.start_time DESC"],
                max_results=MOST_PROMOTIONS,
            )
        return Records(versions, promotions([_entry(run) for run in runs], champion))


def promotions(entries: Sequence[tuple[Promotion, bool]], champion: int) -> list[Promotion]:
    """Entries of the history, latest first, each with whether it was ended, to all changes, latest first.

    Where an entry does not lead to the version at which the next one begins, somebody moved the alias by hand. An entry
    that was not ended counts only if the next one begins at its version.
    """
    changes: list[Promotion] = []
    live: int | None = champion
    for entry, ended in entries:
        if entry.after != live:
            if not ended:
                continue
            changes.append(Promotion(entry.after, live, BY_HAND))
        changes.append(entry)
        live = entry.before
    if live is not None and len(entries) < MOST_PROMOTIONS:
        changes.append(Promotion(None, live, BY_HAND))
    return changes


def _entry(run: Run) -> tuple[Promotion, bool]:
    tags = run.data.tags
    entry = Promotion(
        _version(tags.get("from", "")),
        _version(tags.get("to", "")),
        tags.get("command", ""),
        tags.get("reason", ""),
        recorded(tags, run.info.start_time),
        tags.get("mlflow.user", ""),
    )
    return entry, run.info.status == "FINISHED"


def _version(tag: str) -> int | None:
    return int(tag) if tag.isdecimal() else None
