"""The sources that a training reads: those that the user gave, else `data/raw`, else the demo shop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

RAW_DATA = Path("data/raw")


def given_sources(inputs: Sequence[str]) -> tuple[list[str], bool]:
    """The sources to read, and whether they are the demo shop. The demo shop is never mixed with other files."""
    from training.demo import DEMO_FILE, write_demo
    from training.reading.sources import files, is_readable

    sources = [source for source in inputs if source]
    if any("://" in source for source in sources):
        return sources, False
    if not sources:
        RAW_DATA.mkdir(parents=True, exist_ok=True)
        if not any(is_readable(path) for path in RAW_DATA.iterdir()):
            click.echo(
                f"{RAW_DATA} is empty: writing the demo shop there. Put your own export in it, or run `make fetch`."
            )
            write_demo(RAW_DATA / DEMO_FILE)
    paths = files(sources or [RAW_DATA])
    others = [path for path in paths if path.name != DEMO_FILE]
    if others and len(others) < len(paths):
        click.echo(f"{DEMO_FILE} is left out, because there are other data.")
    return [str(path) for path in others or paths], not others
