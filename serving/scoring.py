"""The scoring endpoint: MLflow's own scoring server behind a check of what comes in.

MLflow's server turns "5" and true into numbers, puts tracebacks into some answers, repeats a malformed
body whole and takes a body of any size. Here each of these is a plain 4xx that says what to do.
"""

from __future__ import annotations

import csv
import gc
import io
import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from serving.checks import first_of, is_finite, shown

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 16 * 1024 * 1024


def create_app() -> ASGIApp:
    """The ASGI application for the model that SEGMENTS_MODEL names, as any URI that MLflow loads."""
    import mlflow
    from mlflow.pyfunc import scoring_server

    model = mlflow.pyfunc.load_model(os.environ["SEGMENTS_MODEL"])
    features = model.metadata.get_input_schema().input_names()
    app = Checked(scoring_server.init(model), features)
    gc.freeze()  # what is loaded now stays; collecting it again and again costs tail latency
    return app


class Checked:
    """An ASGI application that looks at each POST to /invocations before `app` does."""

    def __init__(self, app: ASGIApp, features: list[str]) -> None:
        self.app, self.features = app, features

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/invocations" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            await _refuse(
                scope, receive, send, 413, f"The body is larger than {MAX_BYTES:,} bytes. Send fewer rows."
            )
            return
        kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1").split(";")[0].strip()
        status, problem = self._problem(body, kind)
        if problem:
            await _refuse(scope, receive, send, status, problem)
            return

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, _without_traceback(send))

    def _problem(self, body: bytes, kind: str) -> tuple[int, str]:
        if kind == "application/vnd.apache.parquet":
            return 200, ""
        if kind not in ("application/json", "text/csv"):
            expected = "application/json, text/csv or application/vnd.apache.parquet"
            return 415, f"Content type '{kind}'. Expected {expected}."
        try:
            text = body.decode("utf-8-sig")
            cells = list(self._cells(json.loads(text)) if kind == "application/json" else _csv_cells(text))
        except UnicodeDecodeError as error:
            return 400, f"The body is not UTF-8: byte {error.start}."
        except json.JSONDecodeError as error:
            return 400, f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        except (RecursionError, TypeError, ValueError, csv.Error):
            return 400, f"The body cannot be read. Expected rows of {', '.join(self.features)} as numbers."
        problems = [
            f"Row {row}, column {name}: given {shown(value)}, expected a number."
            for row, name, value in cells
            if name in self.features and not _is_number(value)
        ]
        return (400, first_of(problems)) if problems else (200, "")

    def _cells(self, payload: Any) -> Iterable[tuple[int, str, Any]]:
        """(row, column, value) of every cell in any of MLflow's JSON forms; nothing where the form is another."""
        if not isinstance(payload, dict):
            return
        names, rows = self.features, None
        if isinstance(split := payload.get("dataframe_split"), dict):
            names, rows = split.get("columns") or [], split.get("data") or []
        else:
            rows = next(
                (payload[key] for key in ("dataframe_records", "instances", "inputs") if key in payload), []
            )
        if isinstance(rows, dict):
            for name, values in rows.items():
                column = values if isinstance(values, list) else [values]
                yield from ((row, name, value) for row, value in enumerate(column))
            return
        for row, record in enumerate(rows):
            pairs = record.items() if isinstance(record, dict) else zip(names, record, strict=False)
            yield from ((row, name, value) for name, value in pairs)


def _csv_cells(text: str) -> Iterable[tuple[int, str, Any]]:
    for row, record in enumerate(csv.DictReader(io.StringIO(text))):
        for name, value in record.items():
            try:
                yield row, str(name), float(value)
            except (TypeError, ValueError):
                yield row, str(name), value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None as soon as it is larger than MAX_BYTES."""
    parts, size = [], 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, problem: str) -> None:
    from starlette.responses import JSONResponse

    await JSONResponse({"error_code": "BAD_REQUEST", "message": problem}, status)(scope, receive, send)


def _without_traceback(send: Send) -> Send:
    """Pass an answer on; an error's body loses MLflow's `stack_trace`."""
    start: Message | None = None
    parts: list[bytes] = []

    async def checked(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and message["status"] >= 400:
            start = message
        elif start is None:
            await send(message)
        else:
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                body = _plain_error(b"".join(parts))
                headers = [
                    (name, value)
                    for name, value in start["headers"]
                    if name not in (b"content-length", b"content-type")
                ]
                headers += [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                ]
                await send({**start, "headers": headers})
                await send({"type": "http.response.body", "body": body})

    return checked


def _plain_error(body: bytes) -> bytes:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = {"message": body.decode("utf-8", "replace")}
    if not isinstance(answer, dict):
        answer = {"message": answer}
    code, message = answer.get("error_code", "BAD_REQUEST"), str(answer.get("message", ""))
    if message.startswith("Failed to predict data") and "\nError: " in message:
        message = message.rsplit("\nError: ", 1)[1]  # what comes before repeats the rows
    return json.dumps({"error_code": code, "message": message}).encode()
