"""Events that were recorded, to the channels that have not got them yet."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.cycle import record
from training.cycle.channels import Channel, Undelivered
from training.cycle.events import Event
from training.cycle.record import DELIVERED, UNDELIVERED, Cycle

if TYPE_CHECKING:
    from mlflow import MlflowClient


def deliver(client: MlflowClient, channels: Sequence[Channel]) -> None:
    """Send each event to each channel once. What does not arrive is told, and sent again by the next call."""
    for cycle in record.undelivered(client) if channels else ():
        for event in cycle.events:
            for channel in channels:
                cycle = _with_delivery(cycle, event, channel)
        if all(_has(cycle, event, channel) for event in cycle.events for channel in channels):
            cycle.with_tags(**{UNDELIVERED: "no"})


def _has(cycle: Cycle, event: Event, channel: Channel) -> bool:
    return channel.name in cycle.tags.get(DELIVERED + event.type, "").splitlines()


def _with_delivery(cycle: Cycle, event: Event, channel: Channel) -> Cycle:
    """The same after a channel was sent an event, which is recorded if it arrived."""
    if _has(cycle, event, channel):
        return cycle
    try:
        channel.send(event)
    except Undelivered as error:
        print(f"'{event.type}' did not reach {channel.name}: {error}.", file=sys.stderr)
        return cycle
    before = cycle.tags.get(DELIVERED + event.type, "")
    return cycle.with_tags(**{DELIVERED + event.type: f"{before}\n{channel.name}".strip()})
