"""What was live when: one MLflow run for each time the champion changed, in an experiment of its own."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from contract.names import HISTORY_EXPERIMENT
from training.store import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

HAND = "by hand"


@dataclass(frozen=True)
class Move:
    """The champion's alias from a version (None: there was none) to another; reason: why that was forced."""

    before: int | None
    after: int
    command: str
    reason: str = ""


@dataclass(frozen=True)
class Change:
    """One line of the history; a line without `when` and `who` is no entry but follows from its neighbours."""

    after: int | None
    before: int | None
    how: str
    reason: str = ""
    when: datetime | None = None
    who: str = ""


@contextlib.contextmanager
def entry(client: MlflowClient, move: Move, verdicts: Mapping[str, str] = {}) -> Iterator[None]:
    """Enter a move that happens inside: the entry is begun before it and ended after it, and never changed again."""
    before = "none" if move.before is None else str(move.before)
    note = f"{move.command}: version {move.after} is champion, before {before}."
    reason = f" Forced: {move.reason}" if move.reason else ""
    given = {"from": before, "to": str(move.after), "command": move.command, "reason": move.reason}
    marks = given | dict(verdicts) | {"mlflow.user": _user(), tracking.NOTE_TAG: note + reason}
    name = f"version {before} to {move.after}"
    run = client.create_run(
        tracking.experiment_id(client, HISTORY_EXPERIMENT), tags=marks, run_name=name
    ).info.run_id
    try:
        yield
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run)


def changes_until(client: MlflowClient, champion: int | None) -> list[Change]:
    """The history, oldest first, up to the version that is `champion` now.

    Where an entry does not begin at the version that the one before led to, the alias was moved without
    an entry: by hand. An entry that was not ended counts if what follows it begins at its version.
    """
    experiment = client.get_experiment_by_name(HISTORY_EXPERIMENT)
    runs: Sequence[Run] = []
    if experiment is not None:
        runs = client.search_runs(
            [experiment.experiment_id], order_by=["attributes.start_time ASC"], max_results=tracking.MOST_RUNS
        )
    lines: list[Change] = []
    live: int | None = None
    starts = [_number(run.data.tags["from"]) for run in runs] + [champion]
    for run, start, following in zip(runs, starts, starts[1:], strict=False):
        if start != live:
            lines.append(Change(start, live, HAND))
        tags = run.data.tags
        after, how = int(tags["to"]), tags["command"]
        done = run.info.status == "FINISHED" or following == after
        if run.info.status != "FINISHED":
            how += " (cut off)"
        when = datetime.fromtimestamp(run.info.start_time / 1000)
        lines.append(Change(after, start, how, tags.get("reason", ""), when, tags.get("mlflow.user", "")))
        live = after if done else start
    if champion != live:
        lines.append(Change(champion, live, HAND))
    return lines


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may know no name for its user
        return "unknown"
