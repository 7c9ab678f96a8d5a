"""A real cluster of Spark, a master and two workers as processes of their own, gives the answers of one machine."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import duckdb
import mlflow
import pandas as pd
import pytest
from clusters import cluster

from training.demo import write_demo

HERE = importlib.util.find_spec("pyspark") and (shutil.which("java") or "JAVA_HOME" in os.environ)
pytestmark = pytest.mark.skipif(
    not HERE, reason="pyspark or Java is not here: pip install -e '.[spark]', and Java 17 or 21"
)
# One process for all commands: each would wait for a driver and two executors of its own.
ONE_APPLICATION = """
import json, sys
from click.testing import CliRunner
from training.cli import main
for words in json.loads(sys.argv[1]):
    result = CliRunner().invoke(main, words)
    if result.exit_code not in (0, 1) or (result.exception and not isinstance(result.exception, SystemExit)):
        sys.exit(f"{words}: {result.output} {result.exception!r}")
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The demo shop as two Parquet files, typed, so that both workers have something to read."""
    folder = tmp_path_factory.mktemp("shop")
    lines = duckdb.connect().read_csv(str(write_demo(folder / "demo.csv.gz")))
    for half in (0, 1):
        lines.filter(f"hash(InvoiceNo) % 2 = {half}").write_parquet(str(folder / f"{half}.parquet"))
    (folder / "demo.csv.gz").unlink()
    return str(folder)


@pytest.fixture(scope="module")
def answered(store, shop, tmp_path_factory, free_port):
    """The store in which every command has run on this machine (`here-`) and on the cluster (`there-`)."""
    mine = store.copy(tmp_path_factory.mktemp("answered"))
    for words in commands(shop, "here"):
        mine.run(*words, check=False)
    on_cluster = json.dumps([[*words, "--engine", "spark"] for words in commands(shop, "there")])
    with cluster(tmp_path_factory.mktemp("cluster"), free_port()) as spark:
        done = subprocess.run(
            [sys.executable, "-c", ONE_APPLICATION, on_cluster],
            cwd=mine.folder,
            env=mine.environment | spark.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert spark.executors() == {"work-1", "work-2"}
    return mine


def commands(shop, where):
    """The commands, each with the file of its outcome."""
    days = ("--from", "2024-11-21", "--to", "2024-12-21")
    return [
        ["score", shop, "-o", f"{where}.parquet"],
        ["compare", shop, *days, "--json", f"{where}-compare.json"],
        ["drift", shop, "--json", f"{where}-drift.json"],
        ["train", shop, "--trials", "3", "--json", f"{where}-train.json"],
    ]


def outcomes(store, command):
    """The JSON of a command, of this machine and of the cluster."""
    return [json.loads((store.folder / f"{where}-{command}.json").read_text()) for where in ("here", "there")]


def test_a_training_counts_and_chooses_the_same(answered):
    here, there = outcomes(answered, "train")
    address = answered.environment["MLFLOW_TRACKING_URI"]
    client = mlflow.MlflowClient(address, address)
    runs = [client.get_run(outcome["run_id"]) for outcome in (here, there)]
    digests = {run.inputs.dataset_inputs[0].dataset.digest for run in runs}
    assert len(digests) == 1
    assert here["segments"] == there["segments"]
    artifacts = answered.folder / "mlruns" / "artifacts"
    tables = [
        pd.read_parquet(artifacts / run.info.run_id / "artifacts" / "data" / "customers.parquet")
        for run in runs
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_scores_are_the_same(answered):
    here, there = (pd.read_parquet(answered.folder / f"{where}.parquet") for where in ("here", "there"))
    here = here.drop(columns="returns_note")  # a sentence that is written on one machine only
    pd.testing.assert_frame_equal(there.sort_values("customer_id", ignore_index=True), here, check_exact=True)


@pytest.mark.parametrize("command", ["compare", "drift"])
def test_moves_and_drift_are_the_same(answered, command):
    here, there = outcomes(answered, command)
    assert here == there
