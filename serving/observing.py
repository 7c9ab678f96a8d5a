"""The analytics API observed: every answer counted for Prometheus, and logged where that is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from traceback import walk_stack
from typing import TYPE_CHECKING

from flask import Flask, current_app

from serving.metrics import OTHER, Metrics
from serving.request_log import RequestLog

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Request

EXTENSION = "metrics"
VERSION_HEADER = "X-Model-Version"


class Observed:
    """A WSGI application whose answers are counted and logged.

    It stands around Flask, because a function that Flask calls before or after a request costs several times as much.
    """

    def __init__(self, app: WSGIApplication, counts: Metrics, log: RequestLog) -> None:
        self.app, self.counts, self.log = app, counts, log

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, and count it when its answer begins."""
        started = time.perf_counter()

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None
        ) -> Callable[[bytes], object]:
            self._observe(environ, int(status[:3]), headers, time.perf_counter() - started)
            return start_response(status, headers, exc_info)

        return self.app(environ, start)

    def _observe(
        self, environ: WSGIEnvironment, status: int, headers: list[tuple[str, str]], seconds: float
    ) -> None:
        request: Request = environ["werkzeug.request"]
        rule = request.url_rule
        self.counts.answered(request.method, rule.rule if rule else OTHER, status, seconds)
        if self.log.wanted:
            version = next((int(value) for name, value in headers if name == VERSION_HEADER), None)
            client = request.remote_addr or "unknown"
            self.log.write(client, request.method, request.path, status, seconds, version)


def register(app: Flask) -> None:
    """Observe all requests to `app`."""
    counts = app.extensions[EXTENSION] = Metrics()
    app.wsgi_app = Observed(app.wsgi_app, counts, RequestLog("api"))  # type: ignore[method-assign]


def metrics() -> Metrics:
    """The counts of the application that answers just now."""
    counts: Metrics = current_app.extensions[EXTENSION]
    return counts


def before_a_fork() -> bool:
    """Whether `gunicorn --preload` makes the application: a thread would not outlive the fork, but its locks would."""
    return any(
        frame.f_code.co_name == "setup" and frame.f_code.co_filename.endswith("gunicorn/arbiter.py")
        for frame, _ in walk_stack(None)
    )
