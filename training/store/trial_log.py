"""The child runs of one training: one run per trial.

Into the SQLite store they are written in bulk, into any other one by one, by MLflow's calls.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from contract.mlflow_setup import database_file
from training.store import bulk
from training.store.tracking import PARENT_TAG, TRIAL_TAG, child_runs, rounded, trial_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient


BULK_EVERY_SECONDS = 0.5  # so that a training that is killed has lost no more than that of its runs


class TrialLog:
    """Writes one child run per trial. A run that was begun is finished; a finished run stays as it is.

    The trial stands in the study's journal already: what was not written when a training was killed is written when it
    is resumed. Runs go in bulk into a store whose tables are known. Else a thread writes them, in order, while
    the next trials are computed; the end of the `with` waits for all. An error of the store is raised there, or
    by the next `write`.
    """

    def __init__(self, client: MlflowClient, parent: str) -> None:
        self.client, self.parent = client, parent
        self.experiment = client.get_run(parent).info.experiment_id
        self.runs = trial_runs(client, self.experiment, parent)
        database = database_file(client.tracking_uri)
        self._bulk = database if database and bulk.tables_are_known(database) else None
        self._finished: list[bulk.FinishedRun] = []
        self._written_at = time.monotonic()
        self._thread = ThreadPoolExecutor(1)
        self._writes: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(cancel_futures=self._failed())
        if kind is None:
            self._write_finished()
            self._check()
            self._delete_doubles()
        else:
            with contextlib.suppress(sqlite3.Error):  # the first error says more
                self._write_finished()

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
        values = {**metrics, "feasible": float(not missed)}
        tags = {PARENT_TAG: self.parent, TRIAL_TAG: str(number), "missed": ", ".join(missed)}
        setting = " ".join(f"{name}={value:.4g}" for name, value in params.items())
        now = int(time.time() * 1000)
        run = bulk.FinishedRun(f"trial {number:03d} {setting}", now, tags, rounded(params), values)
        if self._bulk and number not in self.runs:
            self._finished.append(run)
            if time.monotonic() - self._written_at > BULK_EVERY_SECONDS:
                self._write_finished()
            return
        self._check()
        self._writes.append(self._thread.submit(self._write, number, run))

    def _write_finished(self) -> None:
        """Write the runs that wait for it."""
        waiting, self._finished = self._finished, []
        if self._bulk and waiting:
            artifacts = self.client.get_experiment(self.experiment).artifact_location
            bulk.write(self._bulk, self.experiment, artifacts, waiting)
        self._written_at = time.monotonic()

    def _delete_doubles(self) -> None:
        """Delete the runs that were made once more because an answer was lost: each trial has a finished one."""
        if not self._bulk:
            for run in child_runs(self.client, self.experiment, self.parent):
                if TRIAL_TAG in run.data.tags and run.info.status != "FINISHED":
                    self.client.delete_run(run.info.run_id)

    def _failed(self) -> bool:
        return any(future.done() and future.exception() for future in self._writes)

    def _check(self) -> None:
        while self._writes and self._writes[0].done():
            self._writes.popleft().result()

    def _write(self, number: int, finished: bulk.FinishedRun) -> None:
        from mlflow.entities import Metric, Param

        run = self.runs.get(number)
        if run is None:
            tags = dict(finished.tags)
            run = self.client.create_run(self.experiment, finished.moment, tags, run_name=finished.name)
        elif run.info.status == "FINISHED":
            return
        now = run.info.start_time  # a metric that is there already, at this time, is not logged twice
        self.client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in finished.metrics.items()],
            params=[Param(name, value) for name, value in finished.params.items()],
        )
        self.client.set_terminated(run.info.run_id)
