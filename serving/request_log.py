"""The access log, one line per request, in the same form for both servers; written only when it is asked for."""

from __future__ import annotations

import logging
import os
import sys
from urllib.parse import quote

ASKED_FOR = "SEGMENTS_ACCESS_LOG"  # set to anything but nothing
PATH_CHARACTERS = 200


class RequestLog:
    """Writes a line per request to stderr: server, client, method, path, status, milliseconds, version."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.wanted = bool(os.environ.get(ASKED_FOR))
        self.log = logging.getLogger(f"segments.requests.{server}")
        if self.wanted and not self.log.handlers:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            self.log.addHandler(handler)
            self.log.setLevel(logging.INFO)
            self.log.propagate = False

    def write(
        self, client: str, method: str, path: str, status: int, seconds: float, version: int | None
    ) -> None:
        """Log a request that was answered. The path is quoted, so that it cannot begin a line of its own."""
        if self.wanted:
            shown = quote(path[:PATH_CHARACTERS], safe="/")
            self.log.info(
                f"{self.server} {client} {quote(method)} {shown} {status} {seconds * 1000:.1f} ms "
                f"version {version or 'none'}"
            )
