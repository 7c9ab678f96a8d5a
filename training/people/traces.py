"""Where customers stand: in the files of runs, in the kept columns, and in lists that were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from contract.names import CYCLE_EXPERIMENT, EXPERIMENT, FACTS, MODEL
from training.errors import InputError
from training.people import erasure, kept_log
from training.people.erasure import Wanted
from training.people.run_files import RunFiles
from training.store import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

LIST_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class Trace:
    """A file of a run in which customers stand, and its content without them."""

    run: str
    name: str
    files: RunFiles
    before: bytes
    after: bytes

    def erase(self) -> None:
        """Take them out."""
        self.files.write(self.name, self.after)


def wanted(customers: Sequence[str]) -> Wanted:
    """Who is to be taken out, with the e-mail addresses that the shop kept of them. Raises InputError."""
    rows = kept_log.read().rows
    texts = rows[rows[kept_log.ID].isin(customers)].drop(columns=kept_log.ID).to_numpy(dtype=object).ravel()
    return Wanted(customers, {text for text in texts if isinstance(text, str) and "@" in text})


def in_runs(client: MlflowClient, who: Wanted) -> Iterator[Trace]:
    """The files of trainings and cycles in which customers stand, also of runs that were deleted in MLflow."""
    for run in training_runs(client):
        yield from _in_run(run, who)


def training_runs(client: MlflowClient) -> list[Run]:
    """The runs whose files may hold customers: all but those of single trials."""
    from mlflow.entities import ViewType

    found = (tracking.find_experiment(client, name) for name in (EXPERIMENT, CYCLE_EXPERIMENT))
    ids = [experiment.experiment_id for experiment in found if experiment]
    if not ids:
        return []
    runs = client.search_runs(ids, "", ViewType.ALL, max_results=tracking.MAX_RUNS_PER_SEARCH)
    return [run for run in runs if tracking.PARENT_TAG not in run.data.tags]


def _in_run(run: Run, who: Wanted) -> Iterator[Trace]:
    files = RunFiles.at(str(run.info.artifact_uri))
    names = files.names()
    if FACTS in names:  # read first: when its pairs are gone, nothing says which sentences are to change
        who = replace(who, returned=erasure.returned_by(files.read(FACTS), who.ids))
    for name in names:
        before = files.read(name)
        after = _erased(name, before, who, f" of run {run.info.run_id}")
        if after is not before:
            yield Trace(run.info.run_id, name, files, before, after)


def in_lists(paths: Sequence[Path], who: Wanted) -> Iterator[tuple[Path, bytes]]:
    """The lists (files, or all below folders) in which customers stand, and their content without them."""
    for path in (own for given in paths for own in _lists(given)):
        before = path.read_bytes()
        after = _erased(str(path), before, who)
        if after is not before:
            yield path, after


def _lists(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"--lists {path} does not exist. Expected a list, or a folder of lists. Correct it.")
    if path.is_file() and path.suffix.lower() not in LIST_SUFFIXES:
        raise InputError(
            f"--lists {path} is no list. Expected {' or '.join(LIST_SUFFIXES)}, or a folder of them."
        )
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return [file for file in files if file.is_file() and file.suffix.lower() in LIST_SUFFIXES]


def _erased(name: str, content: bytes, who: Wanted, owner: str = "") -> bytes:
    try:
        return erasure.erased(name, content, who)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{name}{owner} cannot be read ({error}), so nobody knows whether the customer is in it. Expected a "
            "whole file. Put it back from a backup, or delete it, and run this again."
        ) from None


def versions_of(client: MlflowClient) -> dict[str, list[int]]:
    """run -> the versions of its model: one, or more where it was registered again by hand."""
    versions: dict[str, list[int]] = {}
    for record in client.search_model_versions(f"name='{MODEL}'", max_results=10_000):
        versions.setdefault(str(record.run_id), []).append(int(record.version))
    return {run: sorted(numbers) for run, numbers in versions.items()}
