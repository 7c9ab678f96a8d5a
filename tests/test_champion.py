"""The analytics API follows the alias: new champions answer without a restart, and a broken one never does."""

import contextlib
import json
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import requests
from conftest import BIN, Store

from contract.names import MODEL
from serving.champion import Follower, load_model
from training.store.history import Move
from training.store.registry import promote

SOON = 60  # seconds within which a promotion is answered from, on a busy machine too


@pytest.fixture
def registry(api_store):
    """The registry as the MLflow UI sees it; afterwards version 1 is champion again."""
    import mlflow

    client = mlflow.MlflowClient(*[api_store.environment["MLFLOW_TRACKING_URI"]] * 2)
    yield client
    client.set_registered_model_alias("customer-segments", "champion", "1")
    client.delete_registered_model_alias("customer-segments", "previous")
    client.set_registered_model_alias("customer-segments", "challenger", "2")


@pytest.fixture
def crown(registry):
    """Makes a version champion by hand."""
    return lambda version: registry.set_registered_model_alias("customer-segments", "champion", str(version))


@pytest.fixture
def following(api_store, api_of, registry):  # noqa: ARG001
    """A client of an API that looks at the alias often."""
    with api_of(api_store) as app:
        app.extensions["champion"].every = 0.1
        client = app.test_client()
        wait_for(lambda: client.get("/health").status_code == 200)
        yield client


@pytest.fixture
def served_api(api_store, registry, free_port):  # noqa: ARG001
    """The API as `segments api` serves it, with two workers: (process, address)."""
    port = free_port()
    command = [BIN / "segments", "api", "--workers", "2", "--port", str(port)]
    with (api_store.folder / "api.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=api_store.folder, env=api_store.environment, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: all(healthy(address) for _ in range(20)), 120)  # both workers
        yield process, address
    finally:
        process.kill()
        process.wait(timeout=10)


def healthy(address):
    with contextlib.suppress(requests.ConnectionError, requests.Timeout):
        return requests.get(f"{address}/health", timeout=30).status_code == 200
    return False


def wait_for(condition, seconds=SOON):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.05)


@contextlib.contextmanager
def asking(address):
    """Ask all the while; the answers as (status, header's version, body's version, number of segments)."""
    answers, done = [], threading.Event()

    def ask():
        while not done.is_set():
            try:
                response = requests.get(f"{address}/analytics/overview", timeout=30)
                body = response.json()
                answers.append(
                    (
                        response.status_code,
                        response.headers["X-Model-Version"],
                        str(body["model_version"]),
                        len(body["segments"]),
                    )
                )
            except Exception as error:
                answers.append((type(error).__name__, str(error)))
            time.sleep(0.1)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_promotion_and_rollback_change_the_answers_without_a_failed_request(api_store, served_api):
    process, address = served_api
    for command, version in ((["promote", "--force", "another k"], "2"), (["rollback"], "1")):
        with asking(address) as answers:
            api_store.run(*command)
            wait_for(lambda: len(answers) > 20 and all(found[1] == version for found in answers[-20:]))  # noqa: B023
        segments = {found[1]: found[3] for found in answers}
        assert {found[0] for found in answers} == {200}
        assert all(found[1] == found[2] and found[3] == segments[found[1]] for found in answers)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


def test_an_alias_moved_by_hand_is_followed(following, crown):
    assert following.get("/health").json["model_version"] == 1
    before = following.get("/analytics/segments").json
    crown(2)
    wait_for(lambda: following.get("/health").json["model_version"] == 2)
    after = following.get("/analytics/segments").json
    assert before["segments"] != after["segments"]
    assert following.get("/health").headers["X-Model-Version"] == "2"


@pytest.mark.parametrize(
    "damage",
    [
        "data/customers.parquet",
        "profiles.json",
        "summary.json",
        "movement.json",
        "evidence.json",
        "forward.json",
        "model",
    ],
)
@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "damaged"])
def test_a_champion_that_cannot_be_loaded_leaves_the_old_one_answering(
    api_store, following, registry, crown, damage, deleted
):
    found = registry.get_model_version("customer-segments", "2")
    if damage == "model":
        root = Path(registry.get_model_version_download_uri("customer-segments", "2").removeprefix("file://"))
        path = root / "artifacts" / "segmenter.skops"
    else:
        path = api_store.folder / "mlruns" / "artifacts" / found.run_id / "artifacts" / damage
    assert "stale" not in following.get("/health").json
    whole = path.read_bytes()
    try:
        if deleted:
            path.unlink()
        else:
            path.write_bytes(whole[: len(whole) // 2])
        crown(2)
        wait_for(lambda: "stale" in following.get("/health").json)
        health = following.get("/health")
        assert health.status_code == 200
        assert health.json["model_version"] == 1
        assert f"Version 2 is champion but could not be loaded (its {damage}" in health.json["stale"]
        assert "Version 1 keeps answering" in health.json["stale"]
        assert following.get("/analytics/overview").json["model_version"] == 1
    finally:
        path.write_bytes(whole)


def test_a_version_from_before_movement_was_kept_is_loaded(api_store, following, registry, crown):
    run = registry.get_model_version("customer-segments", "2").run_id
    folder = api_store.folder / "mlruns" / "artifacts" / run / "artifacts"
    summary, moved = folder / "summary.json", folder / "movement.json"
    kept = summary.read_text(), moved.read_text()
    old = json.loads(kept[0])
    del old["missing"]
    try:
        summary.write_text(json.dumps(old))
        moved.unlink()
        crown(2)
        wait_for(lambda: following.get("/health").json["model_version"] == 2)
        answer = following.get("/analytics/movement")
        assert answer.status_code == 404
        assert "Version 2 was trained before movement was kept" in answer.json["error"]["message"]
        assert "trained before movement was kept" in following.get("/ui").text
    finally:
        summary.write_text(kept[0])
        moved.write_text(kept[1])


def test_a_version_from_before_states_were_kept_is_loaded(api_store, following, registry, crown):
    run = registry.get_model_version("customer-segments", "2").run_id
    folder = api_store.folder / "mlruns" / "artifacts" / run / "artifacts"
    table, evidence = folder / "data" / "customers.parquet", folder / "evidence.json"
    kept = table.read_bytes(), evidence.read_bytes()
    try:
        pd.read_parquet(table).drop(columns=["state", "returns_note"]).to_parquet(table)
        evidence.unlink()
        crown(2)
        wait_for(lambda: following.get("/health").json["model_version"] == 2)
        assert "state" not in following.get("/analytics/segments/0/customers").json["customers"][0]
        answer = following.get("/analytics/states")
        assert answer.status_code == 404
        assert "Version 2 was trained before states were kept" in answer.json["error"]["message"]
        assert "trained before states were kept" in following.get("/ui").text
    finally:
        table.write_bytes(kept[0])
        evidence.write_bytes(kept[1])


def test_a_repaired_champion_is_tried_again(api_store, crown, monkeypatch):
    monkeypatch.setattr("serving.champion.RETRY_SECONDS", (0.0, 0.0))
    follower = Follower(api_store.environment["MLFLOW_TRACKING_URI"])
    follower.look()
    whole = follower.snapshot
    monkeypatch.setattr("serving.champion.load", lambda *_: 1 / 0)
    crown(2)
    follower.look()
    assert follower.snapshot is whole
    assert "ZeroDivisionError" in follower.stale
    monkeypatch.undo()
    follower.look()
    assert follower.snapshot.version == 2
    assert follower.stale is None


def test_an_alias_taken_away_leaves_the_old_champion_answering(following, registry):
    assert following.get("/health").status_code == 200
    registry.delete_registered_model_alias("customer-segments", "champion")
    wait_for(lambda: "stale" in following.get("/health").json)
    assert "No version has the alias 'champion' any more" in following.get("/health").json["stale"]
    assert following.get("/analytics/overview").json["model_version"] == 1


def test_a_registry_out_of_reach_leaves_the_champion_answering(api_store, following):
    database = api_store.folder / "mlruns" / "mlflow.db"
    assert following.get("/health").status_code == 200
    aside = database.with_suffix(".aside")
    database.rename(aside)
    try:
        database.write_bytes(b"not a database" * 1000)
        wait_for(lambda: "stale" in following.get("/health").json)
        assert "The registry cannot be reached" in following.get("/health").json["stale"]
        assert following.get("/analytics/overview").status_code == 200
    finally:
        aside.replace(database)
    wait_for(lambda: "stale" not in following.get("/health").json)


def test_without_a_champion_the_command_to_run_is_named_and_nothing_is_made(tmp_path, api_of):
    (tmp_path / "mlruns").mkdir()
    with api_of(Store(tmp_path)) as app:
        client = app.test_client()
        for path in ["/", "/apidocs", "/openapi.json"]:
            assert client.get(path).status_code == 200
        for path in [
            "/health",
            "/ui",
            "/analytics/overview",
            "/analytics/customer/1",
            "/analytics/anomalies.csv",
        ]:
            response = client.get(path)
            assert response.status_code == 503
            assert "segments train --promote" in response.json["error"]["message"]
            assert "X-Model-Version" not in response.headers
            assert response.headers["Retry-After"]
        assert "segments train --promote" in client.get("/").json["problem"]
        assert "segments train --promote" in client.get("/apidocs").text
        assert client.post("/score", json={}).status_code == 503
        assert client.get("/nothing").status_code == 404
    assert list(tmp_path.rglob("*")) == [tmp_path / "mlruns"]


def test_a_first_champion_is_answered_from_without_a_restart(api_store, api_of, tmp_path):
    (tmp_path / "mlruns").mkdir()
    database = tmp_path / "mlruns" / "mlflow.db"
    with api_of(Store(tmp_path)) as app:
        app.extensions["champion"].every = 0.1
        client = app.test_client()
        assert client.get("/health").status_code == 503
        database.touch()  # a training is about to make its database; nobody else may
        time.sleep(0.5)
        assert database.stat().st_size == 0
        shutil.copy(api_store.folder / "mlruns" / "mlflow.db", database)
        wait_for(lambda: client.get("/health").status_code == 200)


def test_importing_serving_is_cheap_and_serving_does_not_know_training():
    code = (
        "import sys, serving; assert not {'flask', 'mlflow', 'pandas'} & set(sys.modules);"
        "import serving.app; assert not {'mlflow', 'pandas', 'training'} & set(sys.modules)"
    )
    subprocess.run([BIN / "python", "-c", code], check=True)


def test_flask_finds_the_application(tmp_path):
    done = subprocess.run(
        [BIN / "flask", "--app", "serving", "routes"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "/analytics/overview" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_champion_that_was_made_by_hand_is_told_with_the_word_of_the_gate(
    api_store, api_of, tmp_path, monkeypatch
):
    store = api_store.copy(tmp_path)
    address = store.environment["MLFLOW_TRACKING_URI"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(tmp_path)
    client = mlflow.MlflowClient(address, address)
    promote(client, Move(1, 2, "segments promote 2"))
    if "gate" in client.get_model_version(MODEL, "1").tags:
        client.delete_model_version_tag(MODEL, "1", "gate")
    with api_of(store) as app:
        app.extensions["champion"].every = 0.1
        asked = app.test_client()
        assert asked.get("/analytics/overview").get_json()["promoted_by_hand"] is None
        assert "promoted_by_hand" not in asked.get("/health").get_json()
        client.set_registered_model_alias(MODEL, "champion", "1")
        wait_for(lambda: asked.get("/health").get_json()["model_version"] == 1)
        sentence = "Version 1 was made champion by hand, after version 2. The gate has not judged it."
        assert asked.get("/health").get_json()["promoted_by_hand"].startswith(sentence)
        assert asked.get("/analytics/overview").get_json()["promoted_by_hand"].startswith(sentence)
        assert (
            f"<b>Promoted by hand.</b> {sentence}" in asked.get("/ui", headers={"Accept": "text/html"}).text
        )
        assert load_model(address, client.get_model_version(MODEL, "1")).by_hand.startswith(sentence)
        client.set_model_version_tag(MODEL, "1", "gate", "FAILED: moved")
        wait_for(lambda: "says of it: FAILED: moved." in asked.get("/health").get_json()["promoted_by_hand"])
