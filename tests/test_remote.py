"""A client whose MLflow is on another machine: a tracking server with PostgreSQL, which also keeps the artifacts."""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass

import mlflow
import pytest
import requests
import servers
from conftest import BIN, Store

from contract.names import MODEL

SECONDS_TO_START = 240


@dataclass(frozen=True)
class RemoteStore(Store):
    """A folder without a database, whose MLflow is at `address`."""

    address: str = ""

    @property
    def environment(self):
        return super().environment | {"MLFLOW_TRACKING_URI": self.address}

    @property
    def client(self):
        return mlflow.MlflowClient(self.address, self.address)


@contextlib.contextmanager
def tracking_server(database, folder, port):
    """`mlflow server` on a database, with its artifacts in a folder of its own; its address."""
    command = [BIN / "mlflow", "server", "--backend-store-uri", database, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--artifacts-destination", str(folder / "artifacts")]
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{address}/health", timeout=5).ok:
                    break
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((folder / "server.log").read_text())
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


@pytest.fixture(scope="module")
def remote(tmp_path_factory, free_port):
    """A store on another machine, whose version 1 is champion; version 2 is the same model."""
    if servers.program("initdb") is None:
        pytest.skip("PostgreSQL is not installed")
    with servers.postgres() as postgres:
        database = postgres.address().replace("postgresql://", "postgresql+psycopg://")
        folder = tmp_path_factory.mktemp("server")
        with tracking_server(database, folder, free_port()) as address:
            store = RemoteStore(tmp_path_factory.mktemp("client"), address)
            store.run("train", "--promote", "--trials", "2", "--max-segments", "4")
            register_again(store.client)
            yield store


def register_again(client):
    """Register the model of version 1 once more, as version 2; a second training takes longer."""
    one = client.get_model_version(MODEL, "1")
    model_id = one.source.removeprefix("models:/")
    client.create_model_version(MODEL, one.source, one.run_id, dict(one.tags), model_id=model_id)


def champion(remote):
    return int(remote.client.get_model_version_by_alias(MODEL, "champion").version)


def test_a_training_leaves_everything_on_the_server_and_nothing_here(remote):
    assert champion(remote) == 1
    run = remote.client.get_run(remote.client.get_model_version(MODEL, "1").run_id)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert {"report.html", "gate.json"} <= {
        item.path for item in remote.client.list_artifacts(run.info.run_id)
    }
    left = {str(path.relative_to(remote.folder)) for path in remote.folder.rglob("*") if path.is_file()}
    assert {name for name in left if name.startswith("mlruns")} == {"mlruns/champion.lock"}


def test_promotions_and_rollbacks_are_entered_there(remote):
    remote.run("promote", "2")
    assert champion(remote) == 2
    assert "Version 1 is champion again" in remote.run("rollback").stdout
    assert champion(remote) == 1
    assert remote.run("history").stdout.count("segments rollback") == 1


def test_the_analytics_api_answers_from_there(remote, api_of):
    with api_of(remote) as app:
        health = app.test_client().get("/health").get_json()
    assert health["model_version"] == champion(remote)
    assert "promoted_by_hand" not in health


def test_customers_are_scored_and_compared_with_those_of_the_training(remote):
    demo = "data/raw/demo.csv.gz"
    assert "written to scored.csv" in remote.run("score", demo, "--output", "scored.csv").stdout
    assert "Verdict: ok" in remote.run("drift", demo, "--log").stdout


def test_the_scoring_endpoint_answers_from_there(remote, served):
    with served(["segments", "serve", "--port", "{port}"], remote, "/ping") as address:
        assert requests.get(f"{address}/health", timeout=30).json()["model_version"] == champion(remote)
