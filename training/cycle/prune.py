"""What nightly trainings leave, bounded: runs, tables and artifacts of trainings that nobody needs any more.

MLflow's own `gc` cannot be told to leave alone what a person deleted and may want to restore: it takes every deleted
experiment with it. So the runs that are deleted here are removed one by one, as `gc` does it. Behind a tracking server
they can only be marked as deleted; `mlflow gc` on the server removes them.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from contract.cycle_tags import UNREADABLE
from contract.mlflow_setup import database_file, store_address
from contract.names import APPROVAL_TAG, CYCLE_EXPERIMENT, EXPERIMENT, FIGURES, MODEL
from contract.words import counted
from training.cycle.approval import APPROVED, WAITING
from training.cycle.record import OPEN, UNDELIVERED
from training.people import kept_log
from training.store import history, registry, tracking
from training.store.once import already_gone
from training.store.tracking import MAX_RUNS_PER_SEARCH, PARENT_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

PRUNED_TAG = "pruned"  # of a run that is being deleted: a prune that was killed goes on with it
TRAINING_STAGES = ("sweep", "done", "rejected")


@dataclass(frozen=True)
class Plan:
    """What is to be deleted: runs by their ids, and numbers of versions.

    trainings: their runs; trials: child runs, also of trainings that stay; drawn: older trainings that stay, and lose
    their figures, which their reports show, too; reports: drift reports and old cycles.
    """

    keep: int
    trainings: Sequence[str] = ()
    trials: Sequence[str] = ()
    reports: Sequence[str] = ()
    versions: Sequence[int] = ()
    models: Sequence[str] = ()
    drawn: Sequence[str] = ()
    staying: Sequence[int] = ()

    def sentences(self, dry: bool) -> list[str]:
        """What goes and what stays."""
        verb = "Would delete" if dry else "Deleting"
        parts = [
            counted(len(self.trainings), "training"),
            counted(len(self.trials), "child run"),
            counted(len(self.versions), "version"),
            f"{counted(len(self.reports), 'older report')} of drift and cycles",
            f"the figures of {counted(len(self.drawn), 'other training')}",
        ]
        numbers = ", ".join(map(str, self.versions)) or "none"
        staying = ", ".join(map(str, self.staying)) or "none"
        return [f"{verb} {', '.join(parts)}.", f"Versions that go: {numbers}; that stay: {staying}."]

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "keep": self.keep,
            "trainings": list(self.trainings),
            "child_runs": len(self.trials),
            "reports": list(self.reports),
            "figures_of": list(self.drawn),
            "versions": list(self.versions),
            "staying": list(self.staying),
        }


@dataclass(frozen=True)
class Freed:
    """What a prune gave back; None: only a server knows."""

    bytes: int | None
    sentence: str


def plan(client: MlflowClient, keep: int) -> Plan:
    """What to delete so that the latest `keep` trainings stay, and every version that somebody needs."""
    tracking.close_killed(client)
    experiment = tracking.find_experiment(client, EXPERIMENT)
    if experiment is None:
        return Plan(keep)
    records = list(client.search_model_versions(f"name='{MODEL}'", max_results=10_000))
    needed = {record.run_id for record in records if int(record.version) in _needed(client, records)}
    runs = _runs(client, experiment.experiment_id)
    trainings = [run for run in runs if run.data.tags.get("stage") in TRAINING_STAGES]
    older = [run.info.run_id for run in trainings[keep:] if run.info.status != "RUNNING"]
    gone = [run for run in older if run not in needed]
    reports = [run.info.run_id for run in runs if run.data.tags.get("stage") == "drift"][keep:]
    versions = [record for record in records if record.run_id in gone]
    return Plan(
        keep,
        gone,
        [run.info.run_id for run in runs if run.data.tags.get(PARENT_TAG) in older],
        [*reports, *_old_cycles(client, keep)],
        sorted(int(record.version) for record in versions),
        [model for run in runs if run.info.run_id in gone for model in _models(run)],
        [run for run in older if run in needed and client.list_artifacts(run, FIGURES)],
        sorted(int(record.version) for record in records if record.run_id not in gone),
    )


def delete(client: MlflowClient, planned: Plan) -> Freed:
    """Delete what was planned, versions first, so that none is left without its run."""
    database = database_file(store_address())
    before = _size(database) if database else 0
    for version in planned.versions:
        with already_gone():
            client.delete_model_version(MODEL, str(version))
    kept_log.drop_trainings([*planned.trainings, *_deleted_by_hand(client, kept_log.read().marks)])
    for model in planned.models:
        with already_gone():
            client.delete_logged_model(model)
    for run in planned.drawn:
        _delete_figures(client, run)
    for run in (*planned.trials, *planned.reports, *planned.trainings):
        client.set_tag(run, PRUNED_TAG, "yes")
        client.delete_run(run)
        tracking.journal_path(run).unlink(missing_ok=True)
    if database is None:
        return Freed(
            None, "They are marked as deleted. To free the space, run `mlflow gc` on the tracking server."
        )
    _remove(client, planned.models)
    problem = _vacuum(database)
    freed = max(0, before - _size(database))
    return Freed(freed, f"{freed / 1e6:,.1f} MB are free again.{problem}")


def _deleted_by_hand(client: MlflowClient, runs: Collection[str]) -> list[str]:
    """Those of `runs` that somebody deleted in MLflow. None where this store knows none of them: they are another's."""
    from mlflow.exceptions import MlflowException

    known: list[str] = []
    gone: list[str] = []
    for run in runs:
        try:
            (known if client.get_run(run).info.lifecycle_stage == "active" else gone).append(run)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            gone.append(run)
    return gone if known else []


def _needed(client: MlflowClient, records: Sequence[ModelVersion]) -> set[int]:
    """The versions that have an alias, were champion, or wait for a person."""
    aliases = (
        {int(number) for number in client.get_registered_model(MODEL).aliases.values()} if records else set()
    )
    changes = history.changes_until(client, registry.version_of(client, "champion"))
    champions = {number for change in changes for number in (change.before, change.after) if number}
    waiting = {int(r.version) for r in records if r.tags.get(APPROVAL_TAG) in (WAITING, APPROVED)}
    return aliases | champions | waiting


def _old_cycles(client: MlflowClient, keep: int) -> list[str]:
    """The cycles before the latest `keep` that nothing is left to do for."""
    experiment = tracking.find_experiment(client, CYCLE_EXPERIMENT)
    if experiment is None:
        return []
    runs = _runs(client, experiment.experiment_id)[keep:]
    unfinished = (OPEN, UNDELIVERED, UNREADABLE)
    return [run.info.run_id for run in runs if "yes" not in map(run.data.tags.get, unfinished)]


def _runs(client: MlflowClient, experiment: str) -> list[Run]:
    """All runs of an experiment, latest first."""
    order = ["attributes.start_time DESC"]
    return list(client.search_runs([experiment], order_by=order, max_results=MAX_RUNS_PER_SEARCH))


def _models(run: Run) -> list[str]:
    return [output.model_id for output in run.outputs.model_outputs] if run.outputs else []


def _remove(client: MlflowClient, models: Sequence[str]) -> None:
    """Remove the deleted runs and models from the database, and their files; also those that an earlier prune left."""
    from mlflow.entities import ViewType
    from mlflow.tracking._tracking_service.utils import _get_store

    store = _get_store(store_address())
    experiments = [tracking.find_experiment(client, name) for name in (EXPERIMENT, CYCLE_EXPERIMENT)]
    ids = [experiment.experiment_id for experiment in experiments if experiment]
    deleted = client.search_runs(
        ids, f"tags.{PRUNED_TAG} = 'yes'", ViewType.DELETED_ONLY, max_results=MAX_RUNS_PER_SEARCH
    )
    for model in {*models, *(model for run in deleted for model in _models(run))}:
        with already_gone():
            _delete_files(store.get_logged_model(model, allow_deleted=True).artifact_location)
            store._hard_delete_logged_model(model)
    for run in deleted:
        _delete_files(str(Path(run.info.artifact_uri).parent) if run.info.artifact_uri else "")
        store._hard_delete_run(run.info.run_id)


def _delete_figures(client: MlflowClient, run: str) -> None:
    """Delete the pictures of a run, in whatever store its artifacts are."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(str(client.get_run(run).info.artifact_uri)).delete_artifacts(FIGURES)


def _delete_files(address: str) -> None:
    """Delete a folder of artifacts, if it lies beside the database."""
    path = Path(unquote(urlparse(address).path))
    database = database_file(store_address())
    if address and database and database.parent.resolve() in path.resolve().parents:
        shutil.rmtree(path, ignore_errors=True)


def _vacuum(database: Path) -> str:
    """Give the database's free pages back; a sentence when another program holds it."""
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
            connection.execute("VACUUM")
    except sqlite3.OperationalError as error:
        return f" The database itself keeps its size ({error}); the next trainings use its free pages."
    return ""


def _size(database: Path) -> int:
    return sum(path.stat().st_size for path in database.parent.rglob("*") if path.is_file())
