"""A process that ends what a command has started when the command ends, even when it is killed.

What was started carries a mark in its environment, which its own children inherit. So no process is forgotten that
was started a moment before the end, and none is hit that got a process id that was free again.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

MARK = "SEGMENTS_STARTED_BY"
GRACE_SECONDS = 10.0  # from SIGTERM to SIGKILL


@contextlib.contextmanager
def guarded() -> Iterator[dict[str, str]]:
    """Environment variables: what is started with them ends, at the latest, when the `with` or this process ends."""
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", __name__, mark]
    guard = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # ends with this process, and nobody else holds it
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # signals of the terminal do not reach it
    )
    try:
        yield {MARK: mark}
    finally:
        guard.communicate()


def end_all(mark: str) -> None:
    """End all processes that carry the mark: SIGTERM, and SIGKILL to what is left after GRACE_SECONDS."""
    import psutil

    for process in (marked := _marked(mark)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    psutil.wait_procs(marked, timeout=GRACE_SECONDS)
    while left := _marked(mark):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)


def _marked(mark: str) -> list[psutil.Process]:
    import psutil

    marked = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                marked.append(process)
    return marked


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end_all(sys.argv[1])
