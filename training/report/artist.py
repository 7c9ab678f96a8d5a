"""Who draws the figures: a twin of this process while the training goes on, or else this process itself.

The library that draws is imported by who draws.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from training.report.picture import Picture
from training.twin import Twin

# Whose functions draw a figure each.
MODULES = ("training.report.figures", "training.report.forecast_figures")


class Artist:
    """Draws figures, each by the name of its function in one of MODULES, in the order in which they are asked for."""

    def __init__(self, twin: Twin | None = None) -> None:
        self._twin = twin
        self._thread = ThreadPoolExecutor(1)  # it waits for the twin
        self._pictures: dict[str, Future[Picture]] = {}

    def draw(self, name: str, *arguments: Any) -> None:
        """Have the figure of this name drawn of its function's arguments."""
        self._pictures[name] = self._thread.submit(self._drawn, name, *arguments)
        if self._twin is None:
            self._pictures[name].result()

    def pictures(self, names: Collection[str]) -> dict[str, Picture]:
        """Those of these names that were asked for, in this order; waits until they are drawn."""
        return {name: self._pictures[name].result() for name in names if name in self._pictures}

    def _drawn(self, name: str, *arguments: Any) -> Picture:
        if self._twin is not None:
            try:
                self._twin.connection.send((name, arguments))
                answer: Picture | Exception = self._twin.connection.recv()
            except (EOFError, OSError):  # it was killed, perhaps for want of memory
                self._twin = None
            else:
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return _picture(name, *arguments)


def draw_for(connection: Connection) -> None:
    """The work of the twin."""
    for module in MODULES:  # before the first figure is asked for
        import_module(module)
    while True:
        name, arguments = connection.recv()
        try:
            answer: Picture | Exception = _picture(name, *arguments)
        except Exception as error:  # raised again where the picture is wanted
            answer = error
        connection.send(answer)


def _picture(name: str, *arguments: Any) -> Picture:
    from training.report.figures import picture

    figure = next(getattr(module, name) for module in map(import_module, MODULES) if hasattr(module, name))
    return picture(figure(*arguments))
