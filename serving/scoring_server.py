"""The scoring endpoint as a program: uvicorn, with one worker or several that count together.

python -m serving.scoring_server --port 5001 --workers 2
"""

from __future__ import annotations

import argparse

APPLICATION = "serving.scoring:create_app"
HEALTH_CHECK_SECONDS = 60  # a worker that imports MLflow on a busy machine is not dead


def main() -> None:
    """Serve until a signal ends it."""
    import uvicorn

    from serving.metrics import shared_by_workers

    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5001)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()

    def serve() -> None:
        uvicorn.run(
            APPLICATION,
            factory=True,
            host=options.host,
            port=options.port,
            workers=options.workers,
            access_log=False,
            server_header=False,
            timeout_worker_healthcheck=HEALTH_CHECK_SECONDS,
        )

    if options.workers == 1:
        serve()
    else:
        with shared_by_workers():
            serve()


if __name__ == "__main__":
    main()
