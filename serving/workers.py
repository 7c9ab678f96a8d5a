"""gunicorn's settings: each worker loads the champion when it starts, and all workers count together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

control_socket_disable = True  # nobody asks it, and it would stand in the user's home, one for all


def on_starting(server: Arbiter) -> None:
    """Make the folder in which the workers count, before there are workers."""
    from serving import metrics

    server.segments_metrics = metrics.share()


def on_exit(server: Arbiter) -> None:
    """Remove the folder in which the workers counted."""
    from serving import metrics

    metrics.unshare(server.segments_metrics)


def post_worker_init(worker: Worker) -> None:
    """Start following the champion in a worker that has just come up; the first one says where it answers."""
    worker.wsgi.extensions["champion"].start()
    address = os.environ.get("SEGMENTS_API_ADDRESS")
    if address and worker.age == 1:
        print(f"Dashboard on {address}/ui, API documentation on {address}/apidocs", flush=True)
