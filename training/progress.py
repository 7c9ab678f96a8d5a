"""How far a sweep is: a bar on a terminal, and a few whole lines in a log."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

if TYPE_CHECKING:
    from training.clustering.sweep import Trial

LINES_IN_A_LOG = 4
AFTERWARDS = "Testing stability, fitting, drawing"


class SweepProgress:
    """Shows the trials of a sweep on stderr as they are done; `only_trials`: nothing comes after them."""

    def __init__(self, trials: int, only_trials: bool = False) -> None:
        self.trials, self.only_trials = trials, only_trials
        self.done, self.best = 0, ""
        self._best_silhouette = 0.0
        terminal = sys.stderr.isatty()
        self._bar = (
            tqdm(total=trials, desc="Sweep", unit="trial", file=sys.stderr, delay=0.5, dynamic_ncols=True)
            if terminal
            else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it is: what is printed from now on stands below it."""
        if self._bar is not None:
            self._bar.close()

    def show(self, trial: Trial) -> None:
        """One more trial is done."""
        self.done += 1
        if trial.feasible and trial.metrics["silhouette"] > self._best_silhouette:
            self._best_silhouette = trial.metrics["silhouette"]
            self.best = f"best silhouette {self._best_silhouette:.4f} at k={trial.k}"
        if self._bar is None:
            self._write_line()
        else:
            self._draw(self._bar)

    @property
    def _over(self) -> bool:
        return self.done == self.trials and not self.only_trials

    def _draw(self, bar: tqdm[None]) -> None:
        bar.set_postfix_str(self.best, refresh=False)
        bar.update()
        if self._over:
            bar.set_description(AFTERWARDS)

    def _write_line(self) -> None:
        every = max(1, -(-self.trials // LINES_IN_A_LOG))
        if self.done % every == 0 or self.done == self.trials:
            parts = [f"Sweep: {self.done} of {self.trials} trials", self.best or "none within the limits yet"]
            print(", ".join(parts), file=sys.stderr, flush=True)
        if self._over:
            print(f"{AFTERWARDS} ...", file=sys.stderr, flush=True)
