"""What segments say of next quarter's spend, beside plain RFM: a table for any shops' files.

    python benchmarks/worth.py FILE [FILE...] [--seeds 5]

Each file is trained on by `segments train` in a folder of its own, with the weights that are the default and with all
weights alike, and the figures are those that the runs hold. d is eta squared of the log of spend less that of RFM tiers
of the same number, its mean and its range over the cut-offs.

A second table has, for the default weights, as many tiers of the expected spend beside the segments and RFM tiers (eta
squared of the log of spend), and rank correlations with spend. Gradient boosting of the days before each cut-off, the
bound of what five numbers can say, is worked out here: no product would ship it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from forecast_study import boosted, numbers

from contract.mlflow_setup import prepare
from contract.names import FORECAST, FORECAST_STATE, FORWARD, MODEL, PROFILES
from training.report.forward import eta_squared
from training.shop import Reading, count_customers
from training.value.backtest import spearman
from training.value.plain import quantile_group
from training.value.window import between

HORIZON = 90  # days, the default of `segments train`
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


def bound(file: Path, cut_offs: list[str], horizon: int, tiers: int) -> dict[str, float]:
    """Gradient boosting at the cut-offs of a training: its rank with spend, and eta squared of its tiers."""
    shop = count_customers([str(file)], Reading())
    rows = []
    for day in cut_offs:
        days = (shop.as_of.date() - date.fromisoformat(day)).days
        before, now, after = (
            shop.earlier(ago) if ago else shop for ago in (days + horizon, days, days - horizon)
        )
        came = between(now.customers, after.customers)
        expected, _ = boosted(numbers(before), between(before.customers, now.customers), numbers(now))
        group = quantile_group(expected, tiers)
        rows.append((spearman(expected, came.spend), eta_squared(np.log1p(came.spend), group)))
    rank, explained = np.mean(rows, axis=0)
    return {"boosting rank": float(rank), "boosting tiers": float(explained)}


def figures(store: str) -> dict[str, object]:
    """The figures of the only version of a store."""
    prepare()
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
        "outlook": outlook(artifact(FORECAST), metrics),
    }


def outlook(kept: dict[str, Any], metrics: dict[str, float]) -> dict[str, object]:
    """What a run says of its forecast, beside segments and RFM: a row of the second table."""
    if not kept["backtests"]:
        return {FORECAST_STATE: "not tested"}
    ranks = {row["way"]: row["spend"] for row in kept["ranks"]}
    return {
        FORECAST_STATE: "holds" if kept["holds"] else "does not hold",
        "cut_offs": [test["cut_off"] for test in kept["backtests"]],
        "segments": metrics["forward_eta_squared_segments_log"],
        "RFM tiers": metrics["forward_eta_squared_rfm_log"],
        "expected tiers": metrics["forecast_eta_squared_tiers_log"],
        **{f"{way} rank": ranks[way] for way in ("forecast", "segment mean", "RFM sum", "Monetary")},
    }


def beside(file: Path, row: dict[str, Any]) -> dict[str, object]:
    """A file's row of the second table, from its row of the first."""
    own = row.get("outlook", {FORECAST_STATE: row.get("result", "")})
    days = own.get("cut_offs", [])
    more = bound(file, days, HORIZON, row["k"]) if days else {}
    return {"shop": file.name, **own, "cut_offs": len(days), **more}


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
    table = pd.DataFrame(rows)
    print(table.drop(columns="outlook", errors="ignore").to_string(index=False, float_format="%.3f"))
    firsts = {row["shop"]: row for row in rows if row["weights"] == "default, seed 0"}
    second = [beside(file, firsts[file.name]) for file in given.files]
    print("\n" + pd.DataFrame(second).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
