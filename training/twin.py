"""Twins: processes forked from this one when everything is imported, and before it has data, threads or connections.

A new Python needs seconds of the processor to import the same again; a twin has it all, and none of what its parent
does later. It waits for work at its end of a pipe, and ends when the other end is closed: also when its parent is
killed.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@dataclass(frozen=True)
class Twin:
    """A process that waits for work, and this process's end of the pipe to it."""

    process: BaseProcess
    connection: Connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End it, whatever it does."""
        self.connection.close()
        self.process.kill()
        self.process.join()

    @property
    def has_ended(self) -> bool:
        return not self.process.is_alive()


def can_fork() -> bool:
    """Whether a twin can be made: on Linux, while no other thread of Python could hold a lock for ever in the twin."""
    return sys.platform == "linux" and threading.active_count() == 1


def twin(work: Callable[[Connection], None]) -> Twin:
    """A twin that does `work` with its end of the pipe."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=_live, args=(work, theirs, ours), daemon=True)
    gc.freeze()  # what is there now is garbage for neither of the two
    process.start()
    theirs.close()
    return Twin(process, ours)


def _live(work: Callable[[Connection], None], connection: Connection, of_parent: Connection) -> None:
    of_parent.close()  # or the pipe would never end
    os.setsid()  # signals of the terminal do not reach it
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(EOFError, BrokenPipeError):
        work(connection)


def print_to(path: Path) -> None:
    """Let what this process prints go to a file."""
    with path.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def end_with_parent(connection: Connection) -> None:
    """Let this process end when its parent does, whatever it is busy with. Nothing more can be received."""

    def wait() -> None:
        with contextlib.suppress(EOFError, OSError):
            connection.recv()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
