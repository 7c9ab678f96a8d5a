"""The scoring endpoint: MLflow's own scoring server behind a check of what comes in.

MLflow's server turns "5" and true into numbers, puts tracebacks into some answers, repeats a malformed
body whole and takes a body of any size. Here each of these is a plain 4xx that says what to do.

Rows of JSON are read once, for the check and for the answer, and the answer is written in one go: MLflow's
server, which walks through every value of it in Python, needs most of its time for that. Its answer is the
same to the byte. Whatever is not plainly rows, and every error, goes through MLflow's server as it came.
"""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import json
import math
import os
import tempfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.integrity import checked_copy
from serving.checks import first_of, is_finite, shown

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 16 * 1024 * 1024
JSON_TYPES = ("application/json", "application/json;charset=utf-8")
FORMS = {"dataframe_split", "dataframe_records", "instances", "inputs"}


def create_app() -> ASGIApp:
    """The ASGI application for the version that SEGMENTS_MODEL names, as models:/NAME/3.

    Raises contract.integrity.Tampered when its files are not those that were registered.
    """
    import mlflow
    from mlflow.pyfunc import scoring_server

    name, version = os.environ["SEGMENTS_MODEL"].removeprefix("models:/").split("/")
    client = mlflow.MlflowClient()
    record = client.get_model_version(name, version)
    with tempfile.TemporaryDirectory() as folder:
        model = mlflow.pyfunc.load_model(str(checked_copy(client, record, Path(folder))))
    app = Checked(scoring_server.init(model), model)
    gc.freeze()  # what is loaded now stays; collecting it again and again costs tail latency
    return app


class Checked:
    """An ASGI application that looks at each POST to /invocations before `app` does."""

    def __init__(self, app: ASGIApp, model: PyFuncModel) -> None:
        self.app, self.model = app, model
        self.schema = model.metadata.get_input_schema()
        self.features: list[str] = self.schema.input_names()

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
        kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        status, answer = await asyncio.to_thread(self._answer, body, kind)
        if status == 200 and answer:
            await _send(scope, receive, send, answer)
            return
        if answer:
            await _refuse(scope, receive, send, status, answer)
            return

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, _without_traceback(send))

    def _answer(self, body: bytes, content_type: str) -> tuple[int, str]:
        """Status and predictions, or status and what is wrong; 200 and nothing where MLflow's server shall answer."""
        kind = content_type.split(";")[0].strip()
        if kind == "application/vnd.apache.parquet":
            return 200, ""
        if kind not in ("application/json", "text/csv"):
            expected = "application/json, text/csv or application/vnd.apache.parquet"
            return 415, f"Content type '{kind}'. Expected {expected}."
        try:
            text = body.decode("utf-8-sig")
            payload = json.loads(text) if kind == "application/json" else None
            cells = list(_csv_cells(text) if kind == "text/csv" else self._cells(payload))
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
        if problems:
            return 400, first_of(problems)
        return 200, self._predictions(payload) if content_type.replace(" ", "").lower() in JSON_TYPES else ""

    def _predictions(self, payload: Any) -> str:
        """What MLflow's server answers to one of its forms; nothing for all else, errors included."""
        from mlflow.pyfunc.scoring_server import infer_and_parse_data

        if not isinstance(payload, dict) or len(payload) != 1 or not FORMS.issuperset(payload):
            return ""
        try:
            answers: Any = self.model.predict(infer_and_parse_data(payload, self.schema))
            columns = {name: answers[name].tolist() for name in answers}
            rows = zip(*columns.values(), strict=True)
            return json.dumps({"predictions": [dict(zip(columns, row, strict=True)) for row in rows]})
        except Exception:  # MLflow's server meets it again, and says what it is
            return ""

    def _cells(self, payload: Any) -> Iterable[tuple[int, str, Any]]:
        """(row, column, value) of every cell in any of MLflow's JSON forms; nothing where the form is another.

        Nothing, too, where a glance shows that all are finite numbers.
        """
        if not isinstance(payload, dict):
            return
        names, rows = self.features, None
        if isinstance(split := payload.get("dataframe_split"), dict):
            names, rows = split.get("columns") or [], split.get("data") or []
        else:
            rows = next(
                (payload[key] for key in ("dataframe_records", "instances", "inputs") if key in payload), []
            )
        if isinstance(names, list) and _are_numbers(rows):
            return
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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)


def _are_numbers(rows: Any) -> bool:
    """Whether every cell is a finite number, by one pass in C; False where that cannot tell."""
    records = rows.values() if isinstance(rows, dict) else rows
    try:
        values = list(chain.from_iterable(row.values() if isinstance(row, dict) else row for row in records))
        return {int, float}.issuperset(map(type, values)) and all(map(math.isfinite, values))
    except (TypeError, OverflowError):
        return False


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


async def _send(scope: Scope, receive: Receive, send: Send, content: str) -> None:
    from starlette.responses import Response

    await Response(content, media_type="application/json")(scope, receive, send)


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
