"""What segments say of next quarter's spend, beside plain RFM: a table for any shops' files.

    python benchmarks/worth.py FILE [FILE...] [--seeds 5]

Each file is trained on by `segments train` in a folder of its own, with the weights that are the default and with all
weights alike, and the figures are those that the runs hold: nothing is worked out here. d is eta squared of the log of
spend less that of RFM tiers of the same number, its mean and its range over the cut-offs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from contract.names import FORWARD, MODEL, PROFILES

ALIKE = "Recency=1,Frequency=1,Monetary=1,AverageOrderValue=1,Tenure=1"


def trained(file: Path, *options: str) -> dict[str, object]:
    """What one training of a file came to: a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlruns/mlflow.db"}
        command = [Path(sys.executable).with_name("segments"), "train", file.resolve(), *options]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            return {"result": done.stderr.strip().splitlines()[-1]}
        return figures(f"sqlite:///{folder}/mlruns/mlflow.db")


def figures(store: str) -> dict[str, object]:
    """The figures of the only version of a store."""
    import mlflow

    mlflow.set_tracking_uri(store)
    client = mlflow.MlflowClient()
    run = client.get_run(str(client.get_model_version(MODEL, "1").run_id))
    metrics = run.data.metrics

    def artifact(name: str) -> object:
        return json.loads(
            Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name)).read_text()
        )

    row: dict[str, object] = {
        "k": int(metrics["k"]),
        "medians": " / ".join(f"{profile['median_Monetary']:,.0f}" for profile in artifact(PROFILES)),
        "silhouette": metrics["silhouette"],
        "stability": metrics["stability"],
        "anomalies": metrics["anomaly_rate"],
    }
    if "forward_cut_offs" not in metrics:
        return row | {"result": "the past is too short"}
    by_cut_off = pd.DataFrame(artifact(FORWARD)["by_cut_off"])
    lead = by_cut_off.segments_log - by_cut_off.rfm_log
    return row | {
        "tiers": metrics["forward_eta_squared_rfm_log"],
        "segments": metrics["forward_eta_squared_segments_log"],
        "d": metrics["forward_ahead_of_rfm"],
        "d se": metrics["forward_ahead_of_rfm_se"],
        "d range": f"{lead.min():+.3f} to {lead.max():+.3f}",
        "same sizes": metrics["forward_eta_squared_rfm_same_sizes_log"],
        "25 cells": metrics["forward_eta_squared_rfm_cells_log"],
        "top share": metrics["forward_top_share_segments"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    rows = []
    for file in given.files:
        rows.append({"shop": file.name, "weights": "alike", **trained(file, "--weights", ALIKE)})
        for seed in range(given.seeds):
            rows.append(
                {"shop": file.name, "weights": f"default, seed {seed}", **trained(file, "--seed", str(seed))}
            )
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
