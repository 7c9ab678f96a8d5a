"""Files that are of before or complete, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Where to write the new content of `path`, which takes its place at the end of the `with`.

    It stands beside the file: a full disk, or a kill, leaves the file of before as it was. A missing folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        new = Path(folder) / path.name
        yield new
        new.replace(path)
