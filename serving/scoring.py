"""The scoring endpoint: MLflow's protocol for the champion, which it follows.

It takes every form that MLflow's own scoring server takes, and writes the same answer, to the byte. What differs:
it follows the alias without a restart, bounds what comes in, refuses what is no number in words, never repeats a
body, and says which version answered. Nothing of it needs MLflow's server or a frame.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from contract.names import CHAMPION, FEATURES, MODEL
from serving import forms
from serving.access import Access, Denied
from serving.champion import FIRST_LOOK_SECONDS, Follower, LoadedModel, load_model
from serving.errors import RETRY_AFTER_SECONDS
from serving.metrics import OTHER, Metrics
from serving.patience import Abandoned, TooSlow, read_body
from serving.request_log import RequestLog

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

MAX_BYTES = 16 * 1024 * 1024
AT_ONCE_BYTES = 32 * 1024  # a body this small is answered sooner than a thread begins
ROWS_PER_PART = 20_000  # written at a time; between two parts the work stops if nobody waits any more
TIMEOUT_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 0.05  # for the model that is being loaded
MODEL_VARIABLE = "SEGMENTS_MODEL"  # models:/NAME/3 or models:/NAME@champion
VERSION_COLUMN_VARIABLE = "SEGMENTS_VERSION_COLUMN"
CHALLENGE = (b"www-authenticate", b"Bearer")
OPEN_PATHS = ("/health", "/ping")  # without a token, too
JSON_HEADER = (b"content-type", b"application/json")
ABOUT = {
    "name": MODEL,
    "about": "The scoring endpoint: which segment a customer belongs to, and whether they are unusual.",
    "endpoints": {
        "GET /": "What this is",
        "GET /health": "Is a model loaded, and which; 503 while it is being loaded",
        "GET /ping": "As /health, for load balancers",
        "GET /version": "MLflow's version",
        "GET /metrics": "Counts for Prometheus",
        "POST /invocations": f"Customers in one of {', '.join(forms.FORMS)}, CSV or Parquet; answers for all or none",
    },
    "columns": list(FEATURES),
    "optional": ["AverageOrderValue"],
}


class Answer(NamedTuple):
    """What is sent: status, body, and headers beside its length."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (JSON_HEADER,)


def create_app() -> Endpoint:
    """The ASGI application for the version that SEGMENTS_MODEL names; the champion, which it follows, without it."""
    uri = os.environ.get(MODEL_VARIABLE) or f"models:/{MODEL}@{CHAMPION}"
    name = uri.replace("@", "/").rsplit("/", 1)[1]
    follower = Follower(name=name, read=load_model)
    follower.start()
    return Endpoint(follower, bool(os.environ.get(VERSION_COLUMN_VARIABLE)), Access.from_environment())


class Endpoint:
    """The scoring endpoint as an ASGI application. version_column: whether each answer says its model_version."""

    def __init__(
        self,
        follower: Follower[LoadedModel],
        version_column: bool = False,
        access: Access = Access(),  # noqa: B008
    ) -> None:
        self.follower, self.version_column, self.access = follower, version_column, access
        self.metrics, self.log = Metrics(), RequestLog("scoring")
        self.pages: Mapping[str, Callable[[LoadedModel | None], Answer]] = {
            "/": self._home,
            "/health": self._health,
            "/ping": self._ping,
            "/version": self._mlflow_version,
            "/metrics": self._metrics,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request from one model, from its first line to its last."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            started, model = time.perf_counter(), self.follower.snapshot
            if model is None and scope["path"] == "/invocations":
                model = await self._first_model()
            answer = await self._answer(scope, receive, model)
            if answer is not None:
                await _send(scope, send, answer, model)
            self._observe(scope, 499 if answer is None else answer.status, started, model)

    async def _answer(self, scope: Scope, receive: Receive, model: LoadedModel | None) -> Answer | None:
        """None where the client has gone."""
        path, method, headers = scope["path"], scope["method"], dict(scope["headers"])
        host, authorization = (
            headers.get(name, b"").decode("latin-1") for name in (b"host", b"authorization")
        )
        try:
            self.access.check(host, authorization, is_open=path in OPEN_PATHS)
        except Denied as denied:
            refusal = _refusal(denied.status, denied.message)
            return (
                refusal._replace(headers=(*refusal.headers, CHALLENGE)) if denied.status == 401 else refusal
            )
        if path == "/invocations":
            return (
                await self._invocations(scope, receive, model) if method == "POST" else _not_allowed("POST")
            )
        if path not in self.pages:
            return _refusal(404, "There is nothing here. GET / lists what there is.")
        return self.pages[path](model) if method in ("GET", "HEAD") else _not_allowed("GET, HEAD")

    async def _invocations(self, scope: Scope, receive: Receive, model: LoadedModel | None) -> Answer | None:
        if model is None:
            return self._not_ready()
        try:
            body = await read_body(receive, MAX_BYTES)
        except Abandoned:
            return None
        except TooSlow:
            return _refusal(408, TooSlow.message)
        if body is None:
            return _refusal(413, f"The body is larger than {MAX_BYTES:,} bytes. Send fewer rows.")
        kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        gone = threading.Event()
        if len(body) <= AT_ONCE_BYTES and forms.PARQUET not in kind.lower():
            return self._predictions(body, kind, model, gone)
        work = asyncio.ensure_future(asyncio.to_thread(self._predictions, body, kind, model, gone))
        client = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({work, client}, timeout=TIMEOUT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            return None if client.done() else _refusal(503, "This takes too long. Send fewer rows.")
        finally:
            gone.set()  # the thread stops at its next part
            client.cancel()

    async def _first_model(self) -> LoadedModel | None:
        """The model, waited for where it is being loaded; meanwhile /health goes on saying so."""
        deadline = time.monotonic() + FIRST_LOOK_SECONDS
        while self.follower.snapshot is None and not self.follower.problem and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return self.follower.snapshot

    def _predictions(self, body: bytes, kind: str, model: LoadedModel, gone: threading.Event) -> Answer:
        try:
            values = forms.values_of(body, kind)
            _stop_if(gone)
            columns = model.answers(values)
            _stop_if(gone)
        except forms.Refused as refused:
            return _refusal(refused.status, str(refused))
        except ValueError as error:
            return _refusal(400, str(error), "INVALID_PARAMETER_VALUE")
        except Abandoned:
            return _refusal(503, "Nobody waits for this answer.")
        rows = len(columns["segment"])
        if self.version_column:
            columns["model_version"] = [model.version] * rows
        try:
            answer = Answer(200, _written(columns, gone))
        except Abandoned:
            return _refusal(503, "Nobody waits for this answer.")
        self.metrics.scored(rows, sum(columns["is_anomaly"]))
        return answer

    def _home(self, model: LoadedModel | None) -> Answer:
        state = {"model_version": model.version} if model else {"problem": self._problem()}
        return Answer(200, json.dumps({**ABOUT, **state}).encode())

    def _health(self, model: LoadedModel | None) -> Answer:
        if model is None:
            return self._not_ready()
        stale = self.follower.stale
        state = {"status": "ok", "model": MODEL, "alias": self.follower.name, "model_version": model.version}
        if self.follower.name.isdecimal():
            del state["alias"]
        if self.follower.name == CHAMPION and model.by_hand:
            state["promoted_by_hand"] = model.by_hand
        return Answer(200, json.dumps({**state, **({"stale": stale} if stale else {})}).encode())

    def _ping(self, model: LoadedModel | None) -> Answer:
        return self._not_ready() if model is None else Answer(200, b"\n")

    def _mlflow_version(self, model: LoadedModel | None) -> Answer:  # noqa: ARG002
        from importlib.metadata import version

        return Answer(200, version("mlflow").encode())

    def _metrics(self, model: LoadedModel | None) -> Answer:
        version, registered = (model.version, model.registered) if model else (None, 0.0)
        text, kind = self.metrics.text(version, registered)
        return Answer(200, text, ((b"content-type", kind.encode()),))

    def _problem(self) -> str:
        return self.follower.problem or "The model is being loaded. Ask again in a few seconds."

    def _not_ready(self) -> Answer:
        state = "failed" if self.follower.problem else "loading"
        body = {"status": state, "error_code": "TEMPORARILY_UNAVAILABLE", "message": self._problem()}
        retry = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())
        return Answer(503, json.dumps(body).encode(), (JSON_HEADER, retry))

    def _observe(self, scope: Scope, status: int, started: float, model: LoadedModel | None) -> None:
        seconds, path = time.perf_counter() - started, scope["path"]
        known = path if path in self.pages or path == "/invocations" else OTHER
        self.metrics.answered(scope["method"], known, status, seconds)
        client = (scope.get("client") or ("unknown",))[0]
        self.log.write(client, scope["method"], path, status, seconds, model.version if model else None)


def _written(columns: dict[str, list[Any]], gone: threading.Event) -> bytes:
    """The answer as MLflow's server writes it, part by part. Raises Abandoned."""
    rows = zip(*columns.values(), strict=True)
    count, parts = len(columns["segment"]), []
    for start in range(0, count, ROWS_PER_PART):
        _stop_if(gone)
        part = [dict(zip(columns, next(rows), strict=True)) for _ in range(min(ROWS_PER_PART, count - start))]
        parts.append(json.dumps(part)[1:-1].encode())
    return b'{"predictions": [' + b", ".join(parts) + b"]}"


def _stop_if(gone: threading.Event) -> None:
    if gone.is_set():
        raise Abandoned


def _refusal(status: int, problem: str, code: str = "BAD_REQUEST") -> Answer:
    return Answer(status, json.dumps({"error_code": code, "message": problem}).encode())


def _not_allowed(methods: str) -> Answer:
    refusal = _refusal(405, f"Expected one of: {methods}.")
    return refusal._replace(headers=(JSON_HEADER, (b"allow", methods.encode())))


async def _until_gone(receive: Receive) -> None:
    """Wait until the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)


async def _send(scope: Scope, send: Send, answer: Answer, model: LoadedModel | None) -> None:
    headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
    if model is not None:
        headers.append((b"x-model-version", str(model.version).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> Awaitable[None] | None:
    """Say yes to the server's start and end."""
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return None
