"""A real cluster of Spark, a master and two workers as processes of their own, gives the answers of one machine."""

import importlib.util
import json
import os
import shutil

import duckdb
import mlflow
import pandas as pd
import pytest
from clusters import cluster

from training.demo import write_demo

FEW_TRIALS = ("--trials", "3")
HERE = importlib.util.find_spec("pyspark") and (shutil.which("java") or "JAVA_HOME" in os.environ)
pytestmark = pytest.mark.skipif(
    not HERE, reason="pyspark or Java is not here: pip install -e '.[spark]', and Java 17 or 21"
)


@pytest.fixture(scope="module")
def spark(tmp_path_factory, free_port):
    with cluster(tmp_path_factory.mktemp("cluster"), free_port()) as running:
        yield running


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
def champion(store, tmp_path_factory):
    """A copy of the store with a champion."""
    return store.copy(tmp_path_factory.mktemp("champion"))


def on_both(store, cluster, *words):
    """The JSON outcomes of a command: of this machine, and of the cluster."""
    here = store.run(*words, "--json", store.folder / "here.json")
    there = store.process(
        *words, "--engine", "spark", "--json", store.folder / "there.json", check=False, **cluster.environment
    )
    assert there.returncode == here.returncode, there.stderr
    return [json.loads((store.folder / f"{name}.json").read_text()) for name in ("here", "there")]


def test_a_training_counts_and_chooses_the_same(new_folder, shop, spark):
    store = new_folder("trained")
    here, there = on_both(store, spark, "train", shop, *FEW_TRIALS)
    address = store.environment["MLFLOW_TRACKING_URI"]
    client = mlflow.MlflowClient(address, address)
    runs = [client.get_run(outcome["run_id"]) for outcome in (here, there)]
    digests = [run.inputs.dataset_inputs[0].dataset.digest for run in runs]
    assert digests[0] == digests[1]
    tables = [
        pd.read_parquet(
            next((store.folder / "mlruns").glob(f"artifacts/{run.info.run_id}/**/customers*.parquet"))
        )
        for run in runs
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert spark.executors() == {"work-1", "work-2"}


def test_scores_are_the_same(champion, shop, spark):
    champion.run("score", shop, "-o", "here.parquet")
    champion.process("score", shop, "--engine", "spark", "-o", "there.parquet", **spark.environment)
    here, there = (pd.read_parquet(champion.folder / f"{name}.parquet") for name in ("here", "there"))
    here = here.drop(columns="returns_note")  # a sentence that is written on one machine only
    pd.testing.assert_frame_equal(there.sort_values("customer_id", ignore_index=True), here, check_exact=True)


def test_moves_between_two_days_are_the_same(champion, shop, spark):
    here, there = on_both(champion, spark, "compare", shop, "--from", "2024-11-21", "--to", "2024-12-21")
    assert here == there


def test_drift_is_the_same(champion, shop, spark):
    here, there = on_both(champion, spark, "drift", shop)
    assert here == there
