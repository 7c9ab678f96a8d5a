"""The scoring endpoint as a process: the command that `segments serve` becomes, and a short-lived one to ask."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from training import processes

if TYPE_CHECKING:
    import pandas as pd

PATIENCE = 180.0  # seconds until a server must answer; two idle cores need four


def command(host: str, port: int, workers: int = 1) -> list[object]:
    """The scoring server; SEGMENTS_MODEL names its model."""
    scoring = ["--factory", "serving.scoring:create_app", "--no-access-log", "--workers", workers]
    return ["uvicorn", *scoring, "--host", host, "--port", port]


class Unanswered(Exception):
    """The endpoint did not answer; the message says why."""


@dataclass(frozen=True)
class Endpoint:
    """A scoring server that was started."""

    address: str
    process: subprocess.Popen
    log: IO[str]

    def ask(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        """POST n rows to /invocations as soon as the server is up; its n answers. Raises Unanswered."""
        import requests

        self._wait()
        body = {"dataframe_split": rows.to_dict(orient="split", index=False)}
        try:
            answer = requests.post(f"{self.address}/invocations", json=body, timeout=60)
            answers = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise Unanswered(type(error).__name__) from None
        if not answer.ok or "predictions" not in answers:
            raise Unanswered(f"HTTP {answer.status_code}: {answers}")
        return answers["predictions"]

    def _wait(self) -> None:
        import requests

        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.address}/ping", timeout=5).ok:
                    return
            if self.process.poll() is not None:
                self.log.seek(0)
                said = self.log.read().strip().splitlines() or ["it said nothing"]
                raise Unanswered(f"the server ended: {said[-1]}")
            if time.monotonic() > deadline:
                raise Unanswered(f"no answer within {PATIENCE:.0f} seconds")
            time.sleep(0.1)


@contextlib.contextmanager
def started(model: str) -> Iterator[Endpoint]:
    """A scoring server of the model at the URI `model`, starting on a free port; stopped on the way out."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program, *arguments = command("127.0.0.1", port)
    words = [str(Path(sys.executable).with_name(str(program))), *map(str, arguments)]
    environment = os.environ | {"SEGMENTS_MODEL": model}
    with tempfile.TemporaryFile("w+") as log, _ended_by_sigterm():
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield Endpoint(f"http://127.0.0.1:{port}", process, log)
        finally:
            processes.stop_all([process])


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM unwinds the stack inside, as Ctrl-C does, so that the server does not outlive this process."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
