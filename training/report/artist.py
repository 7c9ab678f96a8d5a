"""Who draws the figures: a twin of this process while the training goes on, or else this process itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from matplotlib.figure import Figure

from training.report.figures import Picture, picture
from training.twin import Twin


class Artist:
    """Draws figures, each by a name, in the order in which they are asked for."""

    def __init__(self, twin: Twin | None = None) -> None:
        self._twin = twin
        self._thread = ThreadPoolExecutor(1)  # it waits for the twin
        self._pictures: dict[str, Future[Picture]] = {}

    def draw(self, name: str, function: Callable[..., Figure], *arguments: Any) -> None:
        """Have the figure drawn that a function makes of its arguments."""
        self._pictures[name] = self._thread.submit(self._drawn, function, *arguments)
        if self._twin is None:
            self._pictures[name].result()

    def pictures(self, names: Collection[str]) -> dict[str, Picture]:
        """Those of these names that were asked for, in this order; waits until they are drawn."""
        return {name: self._pictures[name].result() for name in names if name in self._pictures}

    def _drawn(self, function: Callable[..., Figure], *arguments: Any) -> Picture:
        if self._twin is not None:
            try:
                self._twin.connection.send((function, arguments))
                answer: Picture | Exception = self._twin.connection.recv()
            except (EOFError, OSError):  # it was killed, perhaps for want of memory
                self._twin = None
            else:
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return picture(function(*arguments))


def draw_for(connection: Connection) -> None:
    """The work of the twin."""
    while True:
        function, arguments = connection.recv()
        try:
            answer: Picture | Exception = picture(function(*arguments))
        except Exception as error:  # raised again where the picture is wanted
            answer = error
        connection.send(answer)
