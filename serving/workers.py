"""gunicorn's settings: each worker loads the champion when it starts, not at its first request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker

control_socket_disable = True  # nobody asks it, and it would stand in the user's home, one for all


def post_worker_init(worker: Worker) -> None:
    """Start following the champion in a worker that has just come up."""
    worker.wsgi.extensions["champion"].start()
