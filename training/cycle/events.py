"""What a cycle tells: one event, with an id by which a receiver drops repeats."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

RETRAINED, WAITING, PROMOTED, STOPPED = "retrained", "waiting", "promoted", "stopped"
REASON_CHARACTERS = 2000  # MLflow keeps no longer tags than 8,000


@dataclass(frozen=True)
class Event:
    """One thing that happened. `id` is the same however often it is told; `time` is when it was first recorded.

    version_before: the champion before; version_after: the version that the event is about; None: there is none.
    cycle: the run of the cycle in MLflow; as_of: until when its data go.
    """

    id: str
    type: str
    time: str
    version_before: int | None
    version_after: int | None
    reason: str
    model: str
    cycle: str
    data_digest: str
    as_of: str

    def as_json(self) -> str:
        """The event as one line of JSON: the body of a webhook, and a line of a file."""
        return json.dumps(asdict(self) | {"reason": self.reason[:REASON_CHARACTERS]}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Event:
        return cls(**json.loads(text))
