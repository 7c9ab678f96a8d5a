"""The outcome of a command as JSON, for other programs: in a file, or on the standard output."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from training.whole_file import replaced

STANDARD_OUTPUT = "-"


@contextlib.contextmanager
def outcome_as_json(path: str) -> Iterator[dict[str, object]]:
    """A dict for the command to fill, which is written to `path` at the end, and nothing where `path` is empty.

    "-" is the standard output; whatever is printed meanwhile then goes to stderr. A command that ends with an exit
    code of its own has an outcome, too; one that fails has none.
    """
    outcome: dict[str, object] = {}
    aside = contextlib.redirect_stdout(sys.stderr) if path == STANDARD_OUTPUT else contextlib.nullcontext()
    try:
        with aside:
            yield outcome
    except SystemExit:
        _write(outcome, path)
        raise
    _write(outcome, path)


def _write(outcome: Mapping[str, object], path: str) -> None:
    text = json.dumps(_plain(outcome), indent=1, allow_nan=False, default=str) + "\n"
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
    elif path:
        with replaced(Path(path)) as new:
            new.write_text(text, encoding="utf-8")


def _plain(value: object) -> object:
    """The same with None for what is no finite number, which JSON cannot say."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    plain = value.item() if hasattr(value, "item") else value  # a number of numpy
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
