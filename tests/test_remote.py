"""A client whose MLflow is on another machine: a tracking server with PostgreSQL, which also keeps the artifacts."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import requests
import servers
from asking import Asking
from composed import SERVICES, command
from conftest import BIN, Store

from contract.names import MODEL
from training.cli import main
from training.store import registry, tracking
from training.store.lease import PROCESS, Busy

SECONDS_TO_START = 240
SECONDS_TO_FOLLOW = 120
QUICK = ("--trials", "2", "--max-segments", "4")


@dataclass(frozen=True)
class RemoteStore(Store):
    """A folder without a database, whose MLflow is at `address`; `database` and `behind` are where that keeps all."""

    address: str = ""
    database: servers.Server | None = None
    behind: Path | None = None
    server: "Restartable | None" = None

    @property
    def environment(self):
        return super().environment | {"MLFLOW_TRACKING_URI": self.address}

    @property
    def client(self):
        return mlflow.MlflowClient(self.address, self.address)


class Restartable:
    """A server that runs inside a `with`, and can be stopped and started again; `run` gives such a `with`."""

    def __init__(self, run):
        self.run, self.stack = run, contextlib.ExitStack()

    def start(self):
        return self.stack.enter_context(self.run())

    def stop(self):
        self.stack.close()


@contextlib.contextmanager
def tracking_server(database, folder, port, artifacts=None, service=SERVICES["mlflow"], **environment):
    """The service `mlflow` on a database, its artifacts in `artifacts` or in a folder of its own; its address."""
    words = command(
        service,
        host="127.0.0.1",
        port=port,
        workers=1,
        artifacts_destination=artifacts or folder / "artifacts",
        allowed_hosts="127.0.0.1:*",
    )
    environment = (
        os.environ
        | environment
        | {
            **SERVICES["mlflow"]["environment"],
            "MLFLOW_BACKEND_STORE_URI": database.replace("postgresql://", "postgresql+psycopg://"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
    )
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [BIN / words[0], *words[1:]],
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
        folder, port = tmp_path_factory.mktemp("server"), free_port()
        server = Restartable(lambda: tracking_server(postgres.address(), folder, port))
        with contextlib.closing(server.stack):
            store = RemoteStore(tmp_path_factory.mktemp("client"), server.start(), postgres, folder, server)
            store.run("train", *QUICK, "--promote")
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
    assert not [name for name in left if name.startswith("mlruns")]


def test_promotions_and_rollbacks_are_entered_there(remote):
    remote.run("promote", "2")
    assert champion(remote) == 2
    assert "Version 1 is champion again" in remote.run("rollback").stdout
    assert champion(remote) == 1
    moved = remote.run("history").stdout
    assert moved.splitlines()[-1].endswith("segments rollback"), moved


def test_a_move_waits_for_one_of_another_machine_and_says_so_when_that_takes_long(remote, monkeypatch):
    remote.run("promote", "2")
    hold(remote.client, 1000, seconds=6)
    begun = time.monotonic()
    remote.run("rollback")
    assert champion(remote) == 1
    assert time.monotonic() - begun > 4
    hold(remote.client, 2000, seconds=3000)
    try:
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", remote.address)
            patch.setattr(tracking, "MOVE_PATIENCE_SECONDS", 0.5)
            with pytest.raises(Busy, match="process 7 on another machine"):
                registry.rollback(remote.client, "segments rollback")
    finally:
        remote.client.delete_registered_model(f"{MODEL}-champion-lease-2000")
    assert champion(remote) == 1


def hold(client, number, seconds):
    """Let another machine have the lease of the champion."""
    tags = {"owner": "process 7 on another machine", PROCESS: "other-boot pid:[1] 7 1"}
    client.create_registered_model(
        f"{MODEL}-champion-lease-{number}", {**tags, "expires": str(time.time() + seconds)}
    )


def test_the_analytics_api_answers_from_there(remote, api_of):
    with api_of(remote) as app:
        health = app.test_client().get("/health").get_json()
    assert health["model_version"] == champion(remote)
    assert "promoted_by_hand" not in health


def test_a_version_whose_run_is_not_told_is_left_out_and_then_there_again(remote, api_of, monkeypatch):
    def silent(*_):
        raise mlflow.MlflowException("The connection was broken.")

    with api_of(remote) as app:
        client = app.test_client()
        assert client.get("/analytics/overview").status_code == 200
        with monkeypatch.context() as patch:
            patch.setattr(mlflow.MlflowClient, "get_run", silent)
            answer = client.get("/analytics/versions")
        assert (answer.status_code, answer.json["versions"]) == (200, [])
        assert champion(remote) in [
            own["version"] for own in client.get("/analytics/versions").json["versions"]
        ]


def test_customers_are_scored_and_compared_with_those_of_the_training(remote):
    demo = "data/raw/demo.csv.gz"
    assert "written to scored.csv" in remote.run("score", demo, "--output", "scored.csv").stdout
    assert "Verdict: ok" in remote.run("drift", demo, "--log").stdout


def test_the_scoring_endpoint_answers_from_there(remote, served):
    words = command(SERVICES["scoring"], host="127.0.0.1", port="{port}", workers=1)
    with served(words, remote, "/ping") as address:
        assert requests.get(f"{address}/health", timeout=30).json()["model_version"] == champion(remote)


def test_a_backup_answers_elsewhere(remote, tmp_path, free_port):
    """What docs/operations.md says: the database by pg_dump, the artifacts as they are."""
    dump, folder = tmp_path / "segments.dump", tmp_path / "server"
    subprocess.run(
        [servers.program("pg_dump"), "--format=custom", f"--file={dump}", remote.database.address()],
        check=True,
    )
    shutil.copytree(remote.behind / "artifacts", folder / "artifacts")
    remote.database.run("CREATE DATABASE restored")
    restored = remote.database.address("restored")
    subprocess.run([servers.program("pg_restore"), "--no-owner", f"--dbname={restored}", dump], check=True)
    with tracking_server(restored, folder, free_port()) as address:
        other = RemoteStore(tmp_path / "client", address)
        other.folder.mkdir()
        assert other.run("history").stdout == remote.run("history").stdout
        demo = str(remote.folder / "data/raw/demo.csv.gz")
        assert "written to scored.csv" in other.run("score", demo, "--output", "scored.csv").stdout


def test_a_customer_is_forgotten_in_the_artifacts_that_the_server_keeps(remote):
    files = list((remote.behind / "artifacts").rglob("customers.parquet"))
    who = pd.read_parquet(files[0]).customer_id[0]
    assert "data/customers.parquet" in remote.run("forget", who, "--dry-run").stdout
    remote.run("forget", who)
    for file in (remote.behind / "artifacts").rglob("*.parquet"):
        assert who not in pd.read_parquet(file).to_csv().replace(",", " ").split()
    assert "in no file" in remote.run("forget", who).stdout
    remote.run("forget", who, "--undo")


READ = ("/analytics/overview", "/analytics/versions", "/analytics/cycles", "/ui", "/ui/past")


@pytest.fixture(scope="module")
def restarted(remote, served):
    """What clients of both doors saw, how a training ended, and its version.

    Meanwhile the store's database and then its server were stopped and started again.
    """
    port = {"host": "127.0.0.1", "port": "{port}", "workers": 1}
    scoring, api = (command(SERVICES[name], **port) for name in ("scoring", "api"))
    with (
        served(scoring, remote, "/ping") as scores,
        served(api, remote, "/ping") as reads,
        Asking([f"{scores}/invocations", *(reads + path for path in READ)]) as asking,
    ):
        asking.wait_for(champion(remote), SECONDS_TO_FOLLOW)
        training = begin(remote, "train", *QUICK, "--promote")
        wait_until(lambda: training.poll() is not None or at_work(remote))
        remote.database.program.stop()
        time.sleep(2)
        remote.database.program.start()
        time.sleep(1)
        remote.server.stop()
        remote.server.start()
        output, errors = training.communicate()
        version = champion(remote)
        asking.wait_for(version, SECONDS_TO_FOLLOW)
    remote.run("rollback")
    return asking, subprocess.CompletedProcess(training.args, training.returncode, output, errors), version


def begin(remote, *words):
    """`segments WORDS` in the folder, in a process of its own."""
    return subprocess.Popen(
        [BIN / "segments", *words],
        cwd=remote.folder,
        env=remote.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def at_work(remote):
    return remote.database.run("SELECT 1 FROM runs WHERE status = 'RUNNING'")


def wait_until(holds):
    deadline = time.monotonic() + SECONDS_TO_START
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_answer_of_the_doors_fails_while_the_store_is_restarted_and_they_follow_then(restarted):
    asking, _, version = restarted
    assert asking.failures == []
    assert min(asking.answers.values()) > 5
    assert set(asking.versions.values()) == {version}


def test_a_training_goes_on_through_a_restart_of_the_store(remote, restarted):
    _, training, version = restarted
    assert training.returncode == 0, training.stdout + training.stderr
    records = remote.client.search_model_versions(f"name='{MODEL}'")
    assert max(int(record.version) for record in records) == version
    moves = [line.split() for line in remote.run("history").stdout.splitlines() if "train" in line]
    assert [move[2] for move in moves].count(str(version)) == 1
    assert not at_work(remote)


@pytest.mark.parametrize("service", ["api", "scoring", "cycle"])
def test_the_services_of_a_client_are_commands_with_options_of_theirs(service):
    program, name, *words = command(SERVICES[service])
    assert program == "segments"
    main.commands[name].make_context(name, words, resilient_parsing=True)
    shown = {option for parameter in main.commands[name].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= shown


def test_services_run_without_rights_and_only_the_ui_is_closed_to_others():
    for name in ("mlflow", "api", "scoring", "cycle"):
        service = SERVICES[name]
        assert service["user"] == "10001:10001", name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
    assert SERVICES["mlflow"]["ports"] == ["127.0.0.1:5002:5002"]
    people = {"api": ["people:/people:ro"], "scoring": []}
    for name in ("api", "scoring"):
        assert SERVICES[name]["environment"]["SEGMENTS_API_TOKEN"].startswith("${SEGMENTS_API_TOKEN:?")
        assert SERVICES[name]["volumes"] == ["trusted:/trusted:ro", *people[name]]
    assert not any("people" in volume for volume in SERVICES["mlflow"]["volumes"])
