"""The two servers as a program: uvicorn, with one worker or several that count together.

python -m serving.server scoring --port 5001 --workers 2

Requests are read by the event loop: a client that sends slowly, or half a request and no more, holds a connection
and never a thread, and is given up after a while.
"""

from __future__ import annotations

import argparse

from serving.metrics import shared_by_workers
from serving.patience import PatientProtocol

APPLICATIONS = {"analytics": "serving.analytics:create_app", "scoring": "serving.scoring:create_app"}
HEALTH_CHECK_SECONDS = 60  # a worker that imports MLflow on a busy machine is not dead
SHUTDOWN_SECONDS = 5  # for requests at work when a signal comes


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("server", choices=APPLICATIONS)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    if options.workers == 1:
        _serve(options)
    else:
        with shared_by_workers():
            _serve(options)


def _serve(options: argparse.Namespace) -> None:
    import uvicorn

    uvicorn.run(
        APPLICATIONS[options.server],
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        http=PatientProtocol,
        access_log=False,
        server_header=False,
        timeout_worker_healthcheck=HEALTH_CHECK_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
