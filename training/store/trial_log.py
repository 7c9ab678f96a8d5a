"""The child runs of one training: one run per trial."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from training.store.tracking import PARENT_TAG, TRIAL_TAG, rounded, trial_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient


class TrialLog:
    """Writes one child run per trial. A run that was begun is finished; a finished run stays as it is.

    A thread writes the runs, in order, while the next trials are computed. The end of the `with` waits for the
    thread. An error of the store is raised there, or by the next `write`.
    """

    def __init__(self, client: MlflowClient, parent: str) -> None:
        self.client, self.parent = client, parent
        self.experiment = client.get_run(parent).info.experiment_id
        self.runs = trial_runs(client, self.experiment, parent)
        self._thread = ThreadPoolExecutor(1)
        self._writes: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(cancel_futures=self._failed())
        if kind is None:
            self._check()

    def write(
        self,
        number: int,
        params: Mapping[str, float],
        metrics: Mapping[str, float],
        missed: Mapping[str, float],
    ) -> None:
        """One child run: params, metrics, and `feasible`, which is 1 when it kept all limits.

        The tag `missed` names the limits that it did not keep.
        """
        self._check()
        self._writes.append(self._thread.submit(self._write, number, params, metrics, missed))

    def _failed(self) -> bool:
        return any(future.done() and future.exception() for future in self._writes)

    def _check(self) -> None:
        while self._writes and self._writes[0].done():
            self._writes.popleft().result()

    def _write(
        self,
        number: int,
        params: Mapping[str, float],
        metrics: Mapping[str, float],
        missed: Mapping[str, float],
    ) -> None:
        from mlflow.entities import Metric, Param

        run = self.runs.get(number)
        if run is None:
            now = int(time.time() * 1000)
            setting = " ".join(f"{name}={value:.4g}" for name, value in params.items())
            tags = {PARENT_TAG: self.parent, TRIAL_TAG: str(number), "missed": ", ".join(missed)}
            run = self.client.create_run(self.experiment, now, tags, run_name=f"trial {number:03d} {setting}")
        elif run.info.status == "FINISHED":
            return
        now = run.info.start_time  # a metric that is there already, at this time, is not logged twice
        values = {**metrics, "feasible": float(not missed)}
        self.client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in values.items()],
            params=[Param(name, value) for name, value in rounded(params).items()],
        )
        self.client.set_terminated(run.info.run_id)
