"""Artifacts in a bucket: the tracking server of deploy/s3.yaml, beside a server that speaks S3's protocol."""

import contextlib
import subprocess
import time

import boto3
import mlflow
import pytest
import requests
from composed import ON_S3, SERVICES
from conftest import BIN
from test_remote import RemoteStore, tracking_server

from contract.names import MODEL

SECRET = "of-this-test"  # pragma: allowlist secret
ACCESS = {"AWS_ACCESS_KEY_ID": "segments", "AWS_SECRET_ACCESS_KEY": SECRET}
REGION = "us-east-1"
SECONDS_TO_START = 60


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
def store(tmp_path_factory, free_port, s3, empty_database):
    """A client of a tracking server whose artifacts are in the bucket; version 1 is champion."""
    folder = tmp_path_factory.mktemp("server")
    database = folder / "mlflow.db"
    database.write_bytes(empty_database.read_bytes())
    keys = {"MLFLOW_S3_ENDPOINT_URL": s3, "AWS_DEFAULT_REGION": REGION, **ACCESS}
    assert set(keys) == set(ON_S3["environment"])
    bucket = "s3://segments/artifacts"
    with tracking_server(f"sqlite:///{database}", folder, free_port(), bucket, ON_S3, **keys) as address:
        store = RemoteStore(tmp_path_factory.mktemp("client"), address)
        store.run("train", "--promote", "--trials", "2", "--max-segments", "4")
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


def test_the_service_differs_from_the_one_with_a_volume_in_its_artifacts_alone():
    ours, plain = (list(map(str, service["command"])) for service in (ON_S3, SERVICES["mlflow"]))
    assert [word for word in ours if word not in plain] == [
        "${ARTIFACTS:?s3://bucket/folder, set it in deploy/.env}"
    ]
    assert [word for word in plain if word not in ours] == ["/artifacts"]
