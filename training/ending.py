"""The end of a program that has done its work: what was registered for it is done, and nothing is taken apart."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable

BROKEN_PIPE = 120  # what Python itself answers when the last words cannot be written


def end_at_once(program: Callable[[], object]) -> None:
    """Run a program, and let its process end as usual, but for the objects of Python.

    To take those of some thousand modules apart takes a large part of a second. What has to be closed is closed by
    `with` or at exit, which comes before.
    """
    code = 1  # of an error that nobody caught

    def leave() -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            os._exit(BROKEN_PIPE)
        os._exit(code)

    atexit.register(leave)  # who registers first is called last
    try:
        program()
        code = 0
    except SystemExit as end:
        code = 0 if end.code is None else end.code if isinstance(end.code, int) else 1
        raise
