"""A DuckDB of our own that takes little memory; what does not fit waits in temporary files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

BYTES_PER_CORE = 160_000_000


def memory_bytes() -> int:
    """The memory that `connect` allows."""
    return BYTES_PER_CORE * (os.cpu_count() or 1)


def connect() -> Backend:
    """DuckDB in memory, of which it takes `memory_bytes`."""
    import ibis

    spill = Path(tempfile.gettempdir(), ibis.util.gen_name(f"segments-{os.getpid()}"))
    return ibis.duckdb.connect(memory_limit=f"{memory_bytes()}B", temp_directory=str(spill))
