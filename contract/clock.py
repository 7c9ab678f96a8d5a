"""When something was recorded: the start of its run keeps the order of records, also where a clock jumped back, and a
tag has the clock's own time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

WHEN_TAG = "when"


def now_as_tag() -> dict[str, str]:
    """The tag of a record that is made now."""
    return {WHEN_TAG: datetime.now().isoformat(timespec="milliseconds")}


def recorded(tags: Mapping[str, str], start: int) -> datetime:
    """When the record with these tags was made; without the tag, the `start` of its run in milliseconds since 1970."""
    if WHEN_TAG in tags:
        return datetime.fromisoformat(tags[WHEN_TAG])
    return datetime.fromtimestamp(start / 1000)
