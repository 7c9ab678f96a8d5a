"""How long a server waits for a client that sends slowly: for the head of a request, and for its body."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from starlette.types import Receive

HEAD_SECONDS = (
    10.0  # from a connection's first moment, or the first byte of its next request, to the end of the head
)
HEAD_BYTES = 64 * 1024
STALLED_SECONDS = 10.0  # between two parts of a body
BODY_SECONDS = 120.0  # from a request's head to the end of its body


class Abandoned(Exception):
    """The client has gone: nobody waits for the answer any more."""


class TooSlow(Exception):
    """The body did not come in time."""

    message = "The body did not come in time. Send it without a pause."


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which closes a connection whose request's head does not end in HEAD_SECONDS or HEAD_BYTES."""

    deadline: asyncio.TimerHandle | None = None
    head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stop waiting as soon as a request's head is whole."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
            return
        self.head_bytes += len(data)
        if self.head_bytes > HEAD_BYTES:
            self.transport.close()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self.deadline is None:
            self.deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        self.head_bytes = 0
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


async def read_body(receive: Receive, most_bytes: int) -> bytes | None:
    """The whole body, or None as soon as it is larger than `most_bytes`. Raises Abandoned, and TooSlow."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await asyncio.wait_for(receive(), STALLED_SECONDS)
                if message["type"] == "http.disconnect":
                    raise Abandoned
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most_bytes:
                    return None
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise TooSlow from None
