"""One shape for every error: {"error": {"code", "name", "message"}}; never a traceback."""

from __future__ import annotations

import json
import logging

from flask import Flask, Response, request
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    ServiceUnavailable,
)

RETRY_AFTER_SECONDS = 5

log = logging.getLogger(__name__)


class NotReady(ServiceUnavailable):
    """There is nothing to answer from yet. state: loading or failed, where /health is to say it."""

    def __init__(self, description: str, state: str | None = None) -> None:
        super().__init__(description)
        self.state = state


def register(app: Flask) -> None:
    """Answer every error of `app` as JSON."""
    app.register_error_handler(HTTPException, _expected)
    app.register_error_handler(Exception, _unexpected)


def _expected(error: HTTPException) -> HTTPException | Response:
    if error.code is None or error.code < 400 or error.response is not None:
        return error  # a redirect, or an answer that was made elsewhere
    headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
    if isinstance(error, NotReady):
        headers.append(("Retry-After", str(RETRY_AFTER_SECONDS)))
    body: dict[str, object] = {"error": {"code": error.code, "name": error.name, "message": _message(error)}}
    if isinstance(error, NotReady) and error.state:
        body = {"status": error.state, **body}
    return Response(json.dumps(body) + "\n", error.code, headers, mimetype="application/json")


def _unexpected(error: Exception) -> HTTPException | Response:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _expected(InternalServerError("This should not happen. The log of the server says what did."))


def _message(error: HTTPException) -> str:
    if isinstance(error, RequestEntityTooLarge) and error.description == RequestEntityTooLarge.description:
        limit = request.max_content_length or 0
        return f"The body is larger than {limit:,} bytes. Send fewer rows at a time."
    if isinstance(error, NotFound) and error.description == NotFound.description:
        return f"There is nothing at {request.path[:200]}. GET / lists what there is."
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return f"{request.method} is not possible here. Expected one of: {allowed}."
    return error.description or error.name
