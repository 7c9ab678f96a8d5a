"""What was live when: one MLflow run for each time the champion changed, in an experiment of its own."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from contract.clock import now_as_tag, recorded
from contract.names import HISTORY_EXPERIMENT
from training.store import once, tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BY_HAND = "by hand"
CUT_OFF = " (cut off)"  # of an entry that was begun and not ended


@dataclass(frozen=True)
class Move:
    """A move of the champion's alias from the version `before` (None: there was none) to the version `after`.

    reason: why the promotion was forced.
    """

    before: int | None
    after: int
    command: str
    reason: str = ""


@dataclass(frozen=True)
class Change:
    """One line of the history. A line without `when` and `who` has no entry: it follows from the lines around it."""

    after: int | None
    before: int | None
    how: str
    reason: str = ""
    when: datetime | None = None
    who: str = ""

    def happened_to(self, version: int) -> bool:
        """Whether this line surely made `version` champion: it was not cut off."""
        return self.after == version and not self.how.endswith(CUT_OFF)

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return asdict(self) | {"when": self.when.isoformat() if self.when else None}


@contextlib.contextmanager
def entry(client: MlflowClient, move: Move, verdicts: Mapping[str, str] = {}) -> Iterator[None]:
    """Enter a move in the history; the move happens inside the `with`.

    The entry is begun before the move and ended after it. It is never changed again.
    """
    before = "none" if move.before is None else str(move.before)
    note = f"{move.command}: version {move.after} is champion, before {before}."
    if move.reason:
        note += f" Forced: {move.reason}"
    tags = {"from": before, "to": str(move.after), "command": move.command, "reason": move.reason}
    tags |= dict(verdicts) | {"mlflow.user": user_name(), tracking.NOTE_TAG: note}
    experiment = tracking.experiment_id(client, HISTORY_EXPERIMENT)
    begun = _begun(client, experiment, tags)  # by a process that was killed before the move
    run = begun or once.create_run(
        client,
        experiment,
        tags | now_as_tag(),
        f"version {before} to {move.after}",
        tracking.start_after_all(client, experiment),
    )
    try:
        yield
    except BaseException:
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id)


def end_begun(client: MlflowClient, move: Move) -> None:
    """End the entry of a move that happened, where the process was killed before it could."""
    before = "none" if move.before is None else str(move.before)
    tags = {"from": before, "to": str(move.after), "command": move.command}
    if run := _begun(client, tracking.experiment_id(client, HISTORY_EXPERIMENT), tags):
        client.set_terminated(run.info.run_id)


def _begun(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> Run | None:
    """The latest entry, if it is of this move and was not ended."""
    order = ["attributes.start_time DESC"]
    for run in client.search_runs([experiment], order_by=order, max_results=1):
        alike = all(run.data.tags.get(name) == tags[name] for name in ("from", "to", "command"))
        if run.info.status == "RUNNING" and alike:
            return run
    return None


def changes_until(client: MlflowClient, champion: int | None) -> list[Change]:
    """The history, oldest first, up to the version that is `champion` now.

    An entry should begin at the version to which the entry before it led. Where it does not, somebody moved
    the alias by hand, without an entry. An entry that was not ended counts if the next one begins at its version.
    """
    experiment = tracking.find_experiment(client, HISTORY_EXPERIMENT)
    runs: Sequence[Run] = []
    if experiment is not None:
        runs = client.search_runs(
            [experiment.experiment_id],
            order_by=["attributes.start_time ASC"],
            max_results=tracking.MAX_RUNS_PER_SEARCH,
        )
    changes: list[Change] = []
    live: int | None = None
    starts = [_version(run.data.tags["from"]) for run in runs] + [champion]
    for run, start, next_start in zip(runs, starts, starts[1:], strict=False):
        if start != live:
            changes.append(Change(start, live, BY_HAND))
        change = _change(run, start)
        changes.append(change)
        happened = run.info.status == "FINISHED" or next_start == change.after
        live = change.after if happened else start
    if champion != live:
        changes.append(Change(champion, live, BY_HAND))
    return changes


def _change(run: Run, start: int | None) -> Change:
    """The line of one entry, which begins at the version `start`."""
    tags = run.data.tags
    how = tags["command"] if run.info.status == "FINISHED" else tags["command"] + CUT_OFF
    when = recorded(tags, run.info.start_time)
    return Change(int(tags["to"]), start, how, tags.get("reason", ""), when, tags.get("mlflow.user", ""))


def _version(tag: str) -> int | None:
    return int(tag) if tag.isdecimal() else None


def user_name() -> str:
    """The name of the user of this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may know no name for its user
        return "unknown"
