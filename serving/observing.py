"""The analytics API observed: every answer counted for Prometheus, and logged where that is asked for."""

from __future__ import annotations

import time
from traceback import walk_stack

from flask import Flask, Response, current_app, g, request

from serving.metrics import OTHER, Metrics
from serving.request_log import RequestLog

EXTENSION = "metrics"


def register(app: Flask) -> None:
    """Observe all requests to `app`."""
    counts, log = Metrics(), RequestLog("api")
    app.extensions[EXTENSION] = counts

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        path = request.url_rule.rule if request.url_rule else OTHER
        counts.answered(request.method, path, response.status_code, seconds)
        version = response.headers.get("X-Model-Version", type=int)
        client = request.remote_addr or "unknown"
        log.write(client, request.method, request.path, response.status_code, seconds, version)
        return response


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
