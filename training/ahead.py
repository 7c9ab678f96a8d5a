"""A shop's lines, read by a twin while this process still imports what it needs later.

The twin is forked before these imports. It sends what `cleaning.moments` makes of the lines; where it cannot, this
process reads them itself, and tells what is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Self

from training.errors import InputError
from training.reading.address import is_address
from training.reading.sources import files
from training.shop import Moments, Reading, moments_of
from training.twin import Twin, can_fork, end_with_parent, print_to, twin

if TYPE_CHECKING:
    import pyarrow as pa

    from training.reading.understanding import Understanding

MOST_BYTES = 50_000_000  # of files: to send what was made of more takes as long as it saves


class Ahead:
    """The moments of some sources, if a twin reads them; to be used in a `with`, which ends the twin."""

    def __init__(self, sources: Sequence[str], reading: Reading) -> None:
        self._twin: Twin | None = twin(partial(_read, sources, reading)) if _pays(sources, reading) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._twin:
            self._twin.end()

    def moments(self) -> Moments | None:
        """What the twin read, as `shop.moments_of` gives it; None where there is no twin, or it could not."""
        if self._twin is None:
            return None
        try:
            answer: tuple[pa.Table, Understanding] | None = self._twin.connection.recv()
        except (EOFError, OSError):  # it was killed, perhaps for want of memory
            return None
        if answer is None:
            return None
        import ibis

        from training.reading import memory

        rows, understanding = answer
        table = memory.connect().create_table(ibis.util.gen_name("moments"), rows, temp=True)
        return memory.with_room(table), understanding


def _pays(sources: Sequence[str], reading: Reading) -> bool:
    """Whether a twin can be made that has a processor of its own, and reads files that are not too large."""
    if not can_fork() or len(os.sched_getaffinity(0)) == 1 or reading.engine != "duckdb":
        return False
    if any(map(is_address, sources)):
        return False
    try:
        return sum(path.stat().st_size for path in files(sources)) <= MOST_BYTES
    except (InputError, OSError):  # told by who reads them
        return False


def _read(
    sources: Sequence[str],
    reading: Reading,
    connection: Connection[tuple[pa.Table, Understanding] | None, object],
) -> None:
    """The work of the twin."""
    end_with_parent(connection)
    print_to(Path(os.devnull))
    try:
        table, understanding = moments_of(sources, reading)
        answer = table.to_pyarrow(), understanding
    except Exception:  # it happens again where it is told
        connection.send(None)
        return
    connection.send(answer)
