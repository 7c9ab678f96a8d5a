"""What came of the data that `segments cycle` handled, and what of it a reader of today's figures should know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contract.clock import recorded
from contract.cycle_tags import (
    AS_OF,
    KEPT,
    OUTCOME,
    PROMOTED,
    REASON,
    REJECTED,
    STOPPED,
    UNREADABLE,
    VERSION,
    WAITS,
)
from contract.names import CYCLE_EXPERIMENT
from serving.champion import prepare_reading
from serving.registry_answers import RegistryAnswer

if TYPE_CHECKING:
    from mlflow.entities import Run

    from serving.snapshot import Snapshot

MOST_CYCLES = 20
ENDS = (KEPT, WAITS, PROMOTED, STOPPED, REJECTED)  # the others gave way to later data


@dataclass(frozen=True)
class Cycle:
    """What came of one state of the data.

    as_of: until when the data go, "" of data that could not be read; begun: when they were first handled; version:
    that was trained on them, if one was; settled: whether other data could be read after these could not.
    """

    as_of: str
    begun: datetime
    outcome: str
    reason: str
    version: int | None
    settled: bool = False

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "as_of": self.as_of or None,
            "begun": self.begun.isoformat(timespec="seconds"),
            "outcome": self.outcome,
            "reason": self.reason,
            "version": self.version,
        }


@dataclass(eq=False)
class Cycles:
    """The cycles that the MLflow store at `address` knows, read when asked and kept for a while."""

    address: str
    _latest: RegistryAnswer[Sequence[Cycle]] = field(default_factory=RegistryAnswer, repr=False)

    def latest(self) -> Sequence[Cycle]:
        """Those that came to an end or wait for a person, latest first, at most MOST_CYCLES."""
        return self._latest.get(MOST_CYCLES, self._read)

    def _read(self) -> Sequence[Cycle]:
        prepare_reading(self.address)
        import mlflow

        client = mlflow.MlflowClient(self.address, self.address)
        experiment = client.get_experiment_by_name(CYCLE_EXPERIMENT)
        if experiment is None:
            return []
        order = ["attributes.start_time DESC"]
        runs = client.search_runs([experiment.experiment_id], order_by=order, max_results=MOST_CYCLES)
        return [_cycle(run) for run in runs if run.data.tags.get(OUTCOME) in ENDS]


def _cycle(run: Run) -> Cycle:
    tags: Mapping[str, str] = run.data.tags
    number = tags.get(VERSION, "")
    return Cycle(
        tags.get(AS_OF, ""),
        recorded(tags, run.info.start_time),
        tags[OUTCOME],
        tags.get(REASON, ""),
        int(number) if number.isdecimal() else None,
        settled=tags.get(UNREADABLE) == "no",
    )


def cycles(snapshot: Snapshot, known: Cycles) -> dict[str, Any]:
    """The latest cycles, and what they leave to be known about the figures of a snapshot."""
    return {
        "model_version": snapshot.version,
        "as_of": snapshot.as_of,
        "news": news(snapshot, known.latest()),
        "cycles": [cycle.as_json() for cycle in known.latest()],
    }


def news(snapshot: Snapshot, latest: Sequence[Cycle]) -> str | None:
    """Why the snapshot is not of the latest data, in sentences; None where it is, or where nobody knows of others."""
    cycle = next((cycle for cycle in latest if not cycle.settled), None)
    if cycle is None or cycle.begun.timestamp() < snapshot.registered or cycle.version == snapshot.version:
        return None
    came = f"{cycle.begun:%Y-%m-%d}"
    data = f"data (as of {cycle.as_of[:10]})" if cycle.as_of else "data"
    here = f"The figures here are as of {snapshot.as_of[:10]}."
    if cycle.outcome == WAITS:
        return f"Version {cycle.version}, of new {data}, has been waiting for approval since {came}. {here}"
    if cycle.outcome == REJECTED:
        return f"New {data} came on {came}; {_ended(cycle.reason)} {here}"
    if cycle.outcome == KEPT:
        return f"New {data} came on {came} and asked for no new model: {_ended(cycle.reason)} {here}"
    if cycle.outcome == STOPPED:
        return f"New {data} came on {came} and were not used. {_ended(cycle.reason)} {here}"
    return None


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
