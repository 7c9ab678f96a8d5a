"""`segments train --resume`: what an earlier training of the same data with the same settings left, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.names import MODEL
from training.errors import Rejected
from training.store import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Resumption:
    """How to go on: with the run `run_id` (None: with a new one), or with nothing but the promotion of `version`."""

    sentence: str
    run_id: str | None = None
    version: int | None = None


def resumption(client: MlflowClient, fingerprint: str, trials: int) -> Resumption:
    """What the latest training with this fingerprint left to do; `trials` is how many it is to have.

    Raises Rejected when that training ended without a version, because no setting kept the limits.
    """
    run = tracking.latest_training(client, fingerprint)
    if run is None:
        return Resumption("No training of these data with these settings was begun. This one starts anew.")
    run_id, stage = run.info.run_id, run.data.tags["stage"]
    if stage == "rejected":
        raise Rejected(
            "There is no interrupted training of these data with these settings: the last one ended, and no setting "
            f"kept the limits (run {run_id}). Expected a training that was stopped. Change a setting."
        )
    if stage == "done":
        return _of_finished(client, run_id)
    trial_runs = tracking.trial_runs(client, run.info.experiment_id, run_id).values()
    done = sum(trial.info.status == "FINISHED" for trial in trial_runs)
    return Resumption(f"Going on with run {run_id}, which has {done} of {trials} trials.", run_id)


def _of_finished(client: MlflowClient, run_id: str) -> Resumption:
    versions = client.search_model_versions(f"name='{MODEL}' and run_id='{run_id}'")
    if not versions:
        return Resumption(
            f"Run {run_id} is complete, but its version was deleted. This training starts anew."
        )
    version = int(versions[0].version)
    return Resumption(
        f"The training of these data with these settings is complete: run {run_id} registered version {version}.",
        run_id,
        version,
    )
