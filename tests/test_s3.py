"""Artifacts in a bucket: the tracking server of deploy/s3.yaml, beside a server that speaks S3's protocol."""

import contextlib
import io
import subprocess
import time
from datetime import timedelta

import boto3
import mlflow
import pandas as pd
import pytest
import requests
from composed import ON_S3, SERVICES
from conftest import BIN
from cycles import FIRST_DAY, shop_rows, write_shop
from cycles import QUICK as SMALL_CYCLE
from made_up import customers, register
from proxies import Proxy
from test_remote import QUICK, RemoteStore, begin, register_again, tracking_server

import serving.champion
from contract.names import MODEL
from training.cycle.steps import EXIT_BUSY

SECRET = "of-this-test"  # pragma: allowlist secret
ACCESS = {"AWS_ACCESS_KEY_ID": "segments", "AWS_SECRET_ACCESS_KEY": SECRET}
REGION = "us-east-1"
SECONDS_TO_START = 60
IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


@pytest.fixture(scope="module")
def s3(tmp_path_factory, free_port):
    """The address of a server with an empty bucket `segments`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (tmp_path_factory.mktemp("s3") / "server.log").open("w") as log:
        server = subprocess.Popen(
            [BIN / "moto_server", "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.RequestException):
                if requests.get(address, timeout=5).ok:
                    break
            time.sleep(0.2)
        bucket_of(address).create()
        yield address
    finally:
        server.terminate()
        server.wait()


def bucket_of(address):
    keys = {"aws_access_key_id": "segments", "aws_secret_access_key": SECRET}
    return boto3.resource("s3", endpoint_url=address, region_name=REGION, **keys).Bucket("segments")


@pytest.fixture(scope="module")
def way(s3):
    """A proxy between the tracking server and the bucket."""
    proxy = Proxy(s3)
    yield proxy
    proxy.leave()


@pytest.fixture
def trouble(way):
    """The same, which is as before after the test."""
    yield way
    way.delay_seconds = 0.0
    way.leave()
    way.listen()


@pytest.fixture(scope="module")
def store(tmp_path_factory, free_port, way, empty_database):
    """A client of a tracking server whose artifacts are in the bucket; version 1 is champion, 2 is the same model."""
    folder = tmp_path_factory.mktemp("server")
    database = folder / "mlflow.db"
    database.write_bytes(empty_database.read_bytes())
    keys = {"MLFLOW_S3_ENDPOINT_URL": way.address, "AWS_DEFAULT_REGION": REGION, **ACCESS}
    keys["AWS_MAX_ATTEMPTS"] = str(ON_S3["environment"]["AWS_MAX_ATTEMPTS"])
    assert set(keys) == set(ON_S3["environment"])
    bucket = "s3://segments/artifacts"
    with tracking_server(f"sqlite:///{database}", folder, free_port(), bucket, ON_S3, **keys) as address:
        store = RemoteStore(tmp_path_factory.mktemp("client"), address)
        store.run("train", *QUICK, "--promote")
        register_again(store.client)
        yield store


def test_everything_of_a_training_is_in_the_bucket_and_nothing_beside_the_server(store, s3):
    keys = {item.key for item in bucket_of(s3).objects.all()}
    run = store.client.get_model_version(MODEL, "1").run_id
    assert {key for key in keys if key.endswith(f"{run}/artifacts/report.html")}
    assert [key for key in keys if key.endswith("MLmodel")]
    assert not list(store.folder.rglob("report.html"))


def test_customers_are_scored_with_the_model_from_the_bucket(store):
    done = store.run("score", "data/raw", "--output", "scores.parquet")
    assert "scores.parquet" in done.stdout


def test_a_model_that_is_gone_from_the_bucket_is_told_in_words(store, s3):
    bucket = bucket_of(s3)
    objects = {item.key: item.get()["Body"].read() for item in bucket.objects.all()}
    bucket.objects.delete()
    try:
        done = store.run("score", "data/raw", "--output", "again.parquet", check=False)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert "cannot be" in done.stderr or "missing" in done.stderr
    finally:
        for key, content in objects.items():
            bucket.put_object(Key=key, Body=content)
    assert mlflow.MlflowClient(store.address, store.address).get_model_version(MODEL, "1")


@pytest.fixture
def following(store, api_of):
    """The analytics API; after the test version 1 is champion again."""
    with api_of(store) as app:
        yield app
    store.client.set_registered_model_alias(MODEL, "champion", "1")


def answering(app):
    """The version that answers now."""
    answer = app.test_client().get("/analytics/overview")
    assert answer.status_code == 200
    return answer.json["model_version"]


def wait_for(app, version):
    deadline = time.monotonic() + SECONDS_TO_START
    while (now := answering(app)) != version:
        assert now == 1
        assert time.monotonic() < deadline, app.test_client().get("/health").json
        time.sleep(0.1)


def test_a_slow_bucket_delays_a_swap_and_no_answer(store, trouble, following):
    trouble.delay_seconds = 0.2
    store.client.set_registered_model_alias(MODEL, "champion", "2")
    begun = time.monotonic()
    wait_for(following, 2)
    assert time.monotonic() - begun > 1


def test_without_its_bucket_a_champion_is_not_swapped_and_the_next_look_finds_it(
    store, trouble, following, monkeypatch
):
    monkeypatch.setattr(serving.champion, "RETRY_SECONDS", (0.5, 0.5))
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)
    trouble.delay_seconds = None
    store.client.set_registered_model_alias(MODEL, "champion", "2")
    deadline = time.monotonic() + SECONDS_TO_START
    while "could not be loaded" not in following.test_client().get("/health").json.get("stale", ""):
        assert answering(following) == 1
        assert time.monotonic() < deadline
        time.sleep(0.1)
    trouble.delay_seconds = 0.0
    wait_for(following, 2)


def test_commands_without_their_bucket_end_in_words_and_a_training_is_resumed(store, trouble):
    trouble.leave()
    words = ("train", *QUICK, "--seed", "1")
    before = store.client.get_model_version(MODEL, "2").tags
    for command in (("score", "data/raw", "--output", "never.parquet"), ("promote", "2"), words):
        begun = time.monotonic()
        done = store.process(*command, check=False, **IMPATIENT)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert "does not answer any more" in done.stderr
        assert time.monotonic() - begun < SECONDS_TO_START
    assert "--resume" in done.stderr
    assert store.client.get_model_version(MODEL, "2").tags == before
    trouble.listen()
    versions = len(store.versions())
    store.run(*words, "--resume")
    assert len(store.versions()) == versions + 1


def test_the_service_differs_from_the_one_with_a_volume_in_its_artifacts_alone():
    ours, plain = (list(map(str, service["command"])) for service in (ON_S3, SERVICES["mlflow"]))
    assert [word for word in ours if word not in plain] == [
        "${ARTIFACTS:?s3://bucket/folder, set it in deploy/.env}"
    ]
    assert [word for word in plain if word not in ours] == ["/artifacts"]


def test_of_two_machines_that_begin_a_cycle_at_once_one_handles_the_data(store, tmp_path_factory):
    machines = [RemoteStore(tmp_path_factory.mktemp("machine"), store.address) for _ in range(2)]
    rows = shop_rows(day=FIRST_DAY + timedelta(days=30))
    words = ["cycle", "in", *SMALL_CYCLE, "--always", "--notify-file", "events.jsonl"]
    champion = store.client.get_model_version_by_alias(MODEL, "champion").version
    before = set(store.versions())
    for machine in machines:
        write_shop(machine.folder / "in", rows)
    try:
        both = [begin(machine, *words) for machine in machines]
        outputs = ["".join(process.communicate()) for process in both]
        codes = sorted(process.returncode for process in both)
        assert codes in ([0, EXIT_BUSY], [0, 0]), outputs
        assert sum(text.count("is champion, before") for text in outputs) == 1, outputs
        for machine in machines:
            assert "Nothing new" in machine.run(*words).stdout
        assert len(set(store.versions()) - before) == 1, outputs
        moves = store.run("history").stdout
        assert moves.count("segments cycle") == 1, moves
        told = [path.read_text() for machine in machines for path in machine.folder.glob("events.jsonl")]
        assert sum(text.count('"promoted"') for text in told) == 1, told
    finally:
        store.client.set_registered_model_alias(MODEL, "champion", champion)


def table_of(bucket, key):
    """A table of the bucket."""
    return pd.read_parquet(io.BytesIO(bucket.Object(key).get()["Body"].read()))


def test_a_customer_is_forgotten_in_the_bucket(store, s3):
    bucket = bucket_of(s3)
    tables = [item.key for item in bucket.objects.all() if item.key.endswith(".parquet")]
    run = store.client.get_model_version(MODEL, "1").run_id
    scored = next(key for key in tables if key.endswith(f"{run}/artifacts/data/customers.parquet"))
    before = table_of(bucket, scored)
    who = before.customer_id[0]
    store.run("forget", who)
    assert len(table_of(bucket, scored)) == len(before) - 1
    for key in tables:
        assert who not in table_of(bucket, key).to_csv().replace(",", " ").split(), key
    store.run("score", "data/raw", "--output", "without.parquet")
    assert who not in set(pd.read_parquet(store.folder / "without.parquet").customer_id)
    store.run("forget", who, "--undo")


def test_what_nobody_needs_is_marked_as_deleted_on_the_server_and_the_champion_stays(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.address)
    mlflow.set_tracking_uri(store.address)
    try:
        gone, latest = (register(store.client, customers(lapsed=40, new=30, best=20)) for _ in range(2))
        runs = {
            number: store.client.get_model_version(MODEL, str(number)).run_id for number in (gone, latest)
        }
        for run in runs.values():
            store.client.set_tag(run, "stage", "done")
    finally:
        mlflow.set_tracking_uri(None)
    done = store.run("prune", "--keep", "1").stdout
    assert "mlflow gc" in done
    left = store.versions()
    assert str(gone) not in left
    assert {"1", str(latest)} <= set(left)
    assert store.client.get_run(runs[gone]).info.lifecycle_stage == "deleted"
    assert store.client.get_run(runs[latest]).info.lifecycle_stage == "active"
    store.run("score", "data/raw", "--output", "after.parquet")
