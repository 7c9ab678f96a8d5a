"""The scoring endpoint as a process: its command, and a server that runs only as long as the gate asks it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from runpy import run_module
from typing import IO, TYPE_CHECKING

from contract.hosts import LOOPBACK, TOKEN_VARIABLE
from contract.names import MODEL
from training import processes
from training.guard import guarded
from training.twin import Twin, end_with_parent, print_to

if TYPE_CHECKING:
    import pandas as pd

START_TIMEOUT_SECONDS = 180.0  # two idle cores need four seconds
ANSWER_TIMEOUT_SECONDS = 60.0
HEALTH_TIMEOUT_SECONDS = 5.0
FAILURE_SECONDS = (
    15.0  # after which a model that cannot be loaded is given up; the server tries again meanwhile
)
# Words of what the server says while the store does not answer it. Who asks it has loaded the model from there itself.
OF_STORE = ("registry cannot be reached", "MlflowException")


def command(host: str, port: int, workers: int = 1) -> list[object]:
    """The scoring server; SEGMENTS_MODEL names its model."""
    program = ["python", "-m", "serving.server", "scoring"]
    return [*program, "--host", host, "--port", port, "--workers", workers]


class Unanswered(Exception):
    """The endpoint did not answer. The message says why."""


@dataclass(frozen=True)
class Endpoint:
    """A scoring server that was started."""

    address: str
    has_ended: Callable[[], bool]
    log: IO[str]

    def ask(self, rows: pd.DataFrame) -> list[dict[str, object]]:
        """POST n rows to /invocations as soon as the server has started; its n answers. Raises Unanswered."""
        import requests

        self._wait()
        body = {"dataframe_split": rows.to_dict(orient="split", index=False)}
        try:
            response = requests.post(f"{self.address}/invocations", json=body, timeout=ANSWER_TIMEOUT_SECONDS)
            content = response.json()
        except (requests.RequestException, ValueError) as error:
            raise Unanswered(type(error).__name__) from None
        if not response.ok or "predictions" not in content:
            raise Unanswered(f"HTTP {response.status_code}: {content}")
        answers: list[dict[str, object]] = content["predictions"]
        return answers

    def _wait(self) -> None:
        import requests

        started, failed_from = time.monotonic(), float("inf")
        deadline = started + START_TIMEOUT_SECONDS
        while True:
            with contextlib.suppress(requests.RequestException, ValueError):
                answer = requests.get(f"{self.address}/health", timeout=HEALTH_TIMEOUT_SECONDS)
                if answer.ok:
                    return
                state, problem = (str(answer.json().get(name)) for name in ("status", "message"))
                failed = state == "failed" and not any(words in problem for words in OF_STORE)
                failed_from = min(failed_from, time.monotonic()) if failed else float("inf")
                if time.monotonic() - failed_from > FAILURE_SECONDS:
                    raise Unanswered(problem)
            if self.has_ended():
                self.log.seek(0)
                lines = self.log.read().strip().splitlines() or ["its log is empty"]
                raise Unanswered(f"the server ended: {lines[-1]}")
            if time.monotonic() > deadline:
                raise Unanswered(f"no answer within {START_TIMEOUT_SECONDS:.0f} seconds")
            time.sleep(0.1)


@contextlib.contextmanager
def started(version: int) -> Iterator[Endpoint]:
    """A scoring server of a version of the model, on a free port. It stops at the end of the `with`."""
    port = processes.free_port()
    program, *arguments = command(LOOPBACK, port)
    words = [str(Path(sys.executable).with_name(str(program))), *map(str, arguments)]
    with (
        tempfile.TemporaryFile("w+") as log,
        processes.handled((signal.SIGTERM, signal.SIGHUP), processes.leave),
        guarded() as marked,
    ):
        process = processes.start(words, {**os.environ, **marked, **_variables(version)}, log)
        try:
            yield Endpoint(_address(port), lambda: process.poll() is not None, log)
        finally:
            processes.stop_all([process])


@contextlib.contextmanager
def started_in(twin: Twin, version: int) -> Iterator[Endpoint]:
    """The same, in a twin that waits to `serve`."""
    port = processes.free_port()
    with twin, tempfile.NamedTemporaryFile("w+") as log:
        twin.connection.send((port, {**os.environ, **_variables(version)}, log.name))
        yield Endpoint(_address(port), lambda: twin.has_ended, log)


def serve(connection: Connection[object, tuple[int, dict[str, str], str]]) -> None:
    """The work of a twin: import what the scoring server needs, wait for port, environment and log; then serve."""
    import_module("uvicorn")
    import_module("serving.scoring")
    port, environment, log = connection.recv()
    end_with_parent(connection)
    os.environ.update(environment)
    print_to(Path(log))
    _, _, module, *arguments = map(str, command(LOOPBACK, port))
    sys.argv = [module, *arguments]
    run_module(module, run_name="__main__")


def _variables(version: int) -> dict[str, str]:
    return {"SEGMENTS_MODEL": f"models:/{MODEL}/{version}", TOKEN_VARIABLE: ""}


def _address(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


class EarlyServer(contextlib.ExitStack):
    """The gate's server, started as soon as there is a version, while its training goes on with what it draws.

    It starts at once in a `twin` that waits to `serve`, where there is one.
    """

    endpoint: Endpoint | None = None

    def start(self, version: int, twin: Twin | None = None) -> None:
        """Start the server of a version; it stops at the end of the `with`."""
        self.endpoint = self.enter_context(started_in(twin, version) if twin else started(version))
