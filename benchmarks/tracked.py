"""`python benchmarks/tracked.py customers.parquet --trials 100`: the tracked search beside that of `usual.py`.

It runs as in `segments train`, in the current folder's MLflow store, without the figures and the report.
"""

from __future__ import annotations

import argparse
from functools import partial

from training.ending import end_at_once


def tracked(path: str, trials: int) -> None:
    """Every trial of the search as a child run."""
    from training.store.connection import connect, prepare_process

    prepare_process()  # before the libraries are imported that it sets up
    import pandas as pd

    from contract.names import FEATURES
    from training.clustering.segmenter import standardise
    from training.clustering.sweep import ANOMALY_RATE, Evaluator, Limits, run_trials
    from training.store import tracking
    from training.store.trial_log import TrialLog

    customers = pd.read_parquet(path)[list(FEATURES)].to_numpy()
    points = standardise(customers)[1]
    evaluate = Evaluator(points, points, points[:, 2], Limits(), 0)
    client = connect()
    with tracking.training_run(client, "benchmark", {}) as run, TrialLog(client, run) as log:
        for trial in run_trials(evaluate, trials, 0, tracking.journal_path(run), run, ANOMALY_RATE):
            setting = {"k": trial.k, "eps": trial.eps, "min_samples": trial.min_samples}
            log.write(trial.number, setting, trial.metrics, trial.missed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("customers")
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    end_at_once(partial(tracked, options.customers, options.trials))  # as `segments` does
