"""The state of cycles in MLflow: a run for each state of the data, found by its digest, with tags for what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contract.clock import now_as_tag
from contract.cycle_tags import AS_OF, OUTCOME, REASON, UNREADABLE, VERSION, WAITS
from contract.names import CYCLE_EXPERIMENT, DATA_DIGEST_TAG, MODEL
from training.cycle.events import Event
from training.store import once, tracking
from training.store.history import user_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from training.cycle.channels import Channel

BEFORE, WHY, MOVED_BY, OPEN = "champion_before", "why", "moved_by", "open"
EVENT, DELIVERED, UNDELIVERED = "event.", "delivered.", "undelivered"
NOTE = (
    "One run is one state of the data that `segments cycle` handled: why it trained or did not, what came of it, and "
    "which events it told. A run that is open goes on at the next call."
)


@dataclass(frozen=True)
class Cycle:
    """The record of one state of the data; `tags` are those of its run when it was read."""

    client: MlflowClient
    run_id: str
    tags: Mapping[str, str]

    @property
    def outcome(self) -> str:
        return self.tags.get(OUTCOME, "")

    @property
    def digest(self) -> str:
        return self.tags[DATA_DIGEST_TAG]

    @property
    def summary(self) -> str:
        """What came of it, in a few words."""
        return f"{self.outcome}: {self.tags.get(REASON, '')}"

    @property
    def version(self) -> int | None:
        return _number(self.tags.get(VERSION, ""))

    @property
    def before(self) -> int | None:
        """The champion when the cycle began."""
        return _number(self.tags.get(BEFORE, ""))

    @property
    def events(self) -> list[Event]:
        """The events it told, oldest first."""
        texts = [text for name, text in self.tags.items() if name.startswith(EVENT)]
        return sorted((Event.from_json(text) for text in texts), key=lambda event: event.time)

    def read_again(self) -> Cycle:
        """The same as MLflow has it now."""
        return Cycle(self.client, self.run_id, self.client.get_run(self.run_id).data.tags)

    def with_tags(self, **tags: object) -> Cycle:
        """The same with more tags, which are written."""
        from mlflow.entities import RunTag

        texts = {name: str(value) for name, value in tags.items()}
        self.client.log_batch(self.run_id, tags=[RunTag(name, text) for name, text in texts.items()])
        return Cycle(self.client, self.run_id, {**self.tags, **texts})

    def told(self, kind: str, reason: str, channels: Sequence[Channel]) -> Cycle:
        """The same with an event, which is recorded once and to be delivered to the channels."""
        if EVENT + kind in self.tags:
            return self
        event = Event(
            f"{self.run_id}.{kind}",
            kind,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            self.before,
            self.version,
            reason,
            MODEL,
            self.run_id,
            self.digest,
            self.tags.get(AS_OF, ""),
        )
        undelivered = "yes" if channels else self.tags.get(UNDELIVERED, "no")
        return self.with_tags(**{EVENT + kind: event.as_json(), UNDELIVERED: undelivered})

    def ended(self, outcome: str, reason: str) -> Cycle:
        """The same with its outcome. One that waits for a person stays open."""
        waits = outcome == WAITS
        note = f"{outcome}: {reason}"
        tags = {OUTCOME: outcome, REASON: reason, OPEN: "yes" if waits else "no", tracking.NOTE_TAG: note}
        ended = self.with_tags(**tags)
        if not waits:
            self.client.set_terminated(self.run_id)
        return ended


def cycle_of(client: MlflowClient, digest: str) -> Cycle | None:
    """The cycle that handles, or handled, the data of this digest."""
    cycles = _search(client, f"tags.{DATA_DIGEST_TAG} = '{digest}'")
    return cycles[0] if cycles else None


def begun(client: MlflowClient, digest: str, before: int | None, **tags: object) -> Cycle:
    """A new cycle; everything that names it is written with it, at once."""
    texts = {
        DATA_DIGEST_TAG: digest,
        BEFORE: str(before or "none"),
        OPEN: "yes",
        UNDELIVERED: "no",
        "mlflow.user": user_name(),
        **{name: str(value) for name, value in tags.items()},
    }
    name = f"{texts.get(AS_OF, '')[:10] or 'unreadable'}, digest {digest[:8]}"
    experiment = _experiment(client)
    start = tracking.start_after_all(client, experiment)
    run = once.create_run(client, experiment, texts | now_as_tag(), name, start)
    return Cycle(client, run.info.run_id, run.data.tags)


def open_cycles(client: MlflowClient) -> list[Cycle]:
    """Those that wait for a person, and those that were killed; oldest first."""
    return _search(client, f"tags.{OPEN} = 'yes'")


def unreadable(client: MlflowClient) -> list[Cycle]:
    """Those whose data could not be read, when no data could be read since."""
    return _search(client, f"tags.{UNREADABLE} = 'yes'")


def undelivered(client: MlflowClient) -> list[Cycle]:
    """Those with an event that did not reach everybody, oldest first."""
    return _search(client, f"tags.{UNDELIVERED} = 'yes'")


def _search(client: MlflowClient, text: str) -> list[Cycle]:
    runs: Sequence[Run] = client.search_runs(
        [_experiment(client)], text, order_by=["attributes.start_time ASC"]
    )
    return [Cycle(client, run.info.run_id, run.data.tags) for run in runs]


def _experiment(client: MlflowClient) -> str:
    experiment = tracking.experiment_id(client, CYCLE_EXPERIMENT)
    if tracking.NOTE_TAG not in client.get_experiment(experiment).tags:
        client.set_experiment_tag(experiment, tracking.NOTE_TAG, NOTE)
    return experiment


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
