"""The analytics API as an ASGI application: a request is read whole before one of its threads begins to answer it."""

from __future__ import annotations

import json
import os
from multiprocessing import current_process
from typing import TYPE_CHECKING, cast
from urllib.parse import quote_from_bytes

from serving import app, checks
from serving.patience import Abandoned, TooSlow, read_body

if TYPE_CHECKING:
    from a2wsgi.wsgi_typing import WSGIApp
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FIRST_WORKERS = ("MainProcess", "SpawnProcess-1")
THREADS = 4  # that answer requests at once
QUERY_CHARACTERS = "%!$&'()*+,/:;=?@-._~"  # stand in a query as they are; the rest is quoted, for WSGI
TOO_SLOW = {"error": {"code": 408, "name": "Request Timeout", "message": TooSlow.message}}


def create_app() -> ASGIApp:
    """The application, with THREADS threads; the first worker says where it answers."""
    from a2wsgi import WSGIMiddleware

    threaded = WSGIMiddleware(cast("WSGIApp", app.create_app()), workers=THREADS)
    address = os.environ.get("SEGMENTS_API_ADDRESS")
    if address and current_process().name in FIRST_WORKERS:
        print(f"Dashboard on {address}/ui, API documentation on {address}/apidocs", flush=True)
    return Whole(cast("ASGIApp", threaded), checks.MAX_BYTES)


class Whole:
    """An ASGI application whose requests `app` gets whole; a body above `most_bytes` it gets empty, with its length."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self.app, self.most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or say that its body came too slowly; nothing where the client has gone."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await read_body(receive, self.most_bytes)
        except Abandoned:
            return
        except TooSlow:
            await _refuse(send)
            return
        length = self.most_bytes + 1 if body is None else len(body)
        await self.app(_with_length(scope, length), _once(body or b""), send)


def _with_length(scope: Scope, length: int) -> Scope:
    """The request with its body's length, and with a query of ASCII."""
    left_out = (b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in left_out]
    query = quote_from_bytes(scope["query_string"], safe=QUERY_CHARACTERS).encode()
    return {**scope, "headers": [*headers, (b"content-length", str(length).encode())], "query_string": query}


def _once(body: bytes) -> Receive:
    """Gives the body, and then nothing more."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


async def _refuse(send: Send) -> None:
    content = json.dumps(TOO_SLOW).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send(
        {"type": "http.response.start", "status": 408, "headers": [*headers, (b"connection", b"close")]}
    )
    await send({"type": "http.response.body", "body": content})
