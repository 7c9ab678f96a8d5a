"""Real servers, real HTTP: `mlflow models serve` and `segments serve` on a registered champion."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import requests

from contract.names import FEATURES

BIN = Path(sys.executable).parent
GOOD = {"Recency": 20, "Frequency": 3, "Monetary": 300.0, "AverageOrderValue": 100.0, "Tenure": 200}
BAD_ROWS = {
    "null": ({"Recency": None}, "Recency"),
    "text": ({"Recency": "soon"}, "Recency"),
    "negative": ({"Monetary": -1}, "Monetary"),
    "huge negative": ({"Monetary": -1e308}, "Monetary"),
    "no order": ({"Frequency": 0}, "Frequency"),
    "recency above tenure": ({"Recency": 201}, "Recency"),
    "nested": ({"Recency": [1, 2]}, "Recency"),
    "numeric text": ({"Recency": "20"}, "Recency"),
    "boolean": ({"Frequency": True}, "Frequency"),
    "another average": ({"AverageOrderValue": 102}, "AverageOrderValue"),
}


@pytest.fixture(scope="module")
def plain(served, store):
    """MLflow's own scoring server."""
    command = [
        "mlflow",
        "models",
        "serve",
        "-m",
        "models:/customer-segments@champion",
        "--env-manager",
        "local",
    ]
    with served([*command, "-h", "127.0.0.1", "-p", "{port}"], store, "/ping") as address:
        yield address


@pytest.fixture(scope="module")
def strict(served, store):
    """`segments serve`, with two workers."""
    with served(["segments", "serve", "--port", "{port}", "--workers", "2"], store, "/ping") as address:
        yield address


@pytest.fixture(params=["plain", "strict"])
def endpoint(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def scored(store):
    return pd.read_parquet(store.artifact("data/customers.parquet"))


@pytest.fixture(scope="module")
def batch(store):
    """The demo shop scored in batch."""
    store.process("score", "data/raw/demo.csv.gz", "--output", "demo.csv")
    return pd.read_csv(store.folder / "demo.csv", dtype={"customer_id": str}, keep_default_na=False)


def post(address, payload=None, **options):
    options = options or {"json": payload}
    return requests.post(f"{address}/invocations", timeout=60, **options)


def records(*rows):
    return {"dataframe_records": [GOOD | row for row in rows]}


def test_http_answers_batch_scores_and_training_labels_agree_for_every_customer(endpoint, scored, batch):
    rows = scored[list(FEATURES)].to_dict("records")
    answers = pd.DataFrame(post(endpoint, {"dataframe_records": rows}).json()["predictions"])
    assert answers.is_anomaly.sum() > 0
    for column in ("segment", "segment_name", "is_anomaly", "anomaly_reason"):
        assert answers[column].tolist() == scored[column].tolist()
    assert answers.anomaly_score.tolist() == pytest.approx(scored.anomaly_score.tolist())

    assert batch.customer_id.tolist() == scored.customer_id.tolist()
    for column in ("segment", "segment_name", "anomaly_reason"):
        assert batch[column].tolist() == scored[column].tolist()
    assert batch.is_anomaly.astype(str).tolist() == scored.is_anomaly.astype(str).tolist()


@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "instances", "inputs", "columns"])
def test_segments_serve_answers_rows_of_json_byte_for_byte_as_mlflows_server_does(
    plain, strict, scored, form
):
    customers = scored[list(FEATURES)]
    payload = {
        "dataframe_records": {"dataframe_records": scored[["customer_id", *FEATURES]].to_dict("records")},
        "dataframe_split": {"dataframe_split": customers.to_dict("split")},
        "instances": {"instances": customers.to_dict("records")},
        "inputs": {"inputs": customers.to_dict("records"), "params": {}},
        "columns": {"inputs": customers.to_dict("list")},
    }[form]
    answers = [post(address, payload) for address in (plain, strict)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["Content-Type"] == answers[1].headers["Content-Type"]


def test_every_form_that_mlflow_takes_gives_the_same_answer(endpoint):
    split = {"columns": list(GOOD), "data": [list(GOOD.values())]}
    line = ",".join(GOOD) + "\n" + ",".join(map(str, GOOD.values())) + "\n"
    answers = [
        post(endpoint, {"dataframe_records": [GOOD]}),
        post(endpoint, {"dataframe_split": split}),
        post(endpoint, {"instances": [GOOD]}),
        post(endpoint, {"inputs": {name: [value] for name, value in GOOD.items()}}),
        post(endpoint, {"inputs": [GOOD]}),
        post(endpoint, data=line, headers={"Content-Type": "text/csv"}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({json.dumps(answer.json()["predictions"]) for answer in answers}) == 1
    assert set(answers[0].json()["predictions"][0]) == {
        "segment",
        "segment_name",
        "state",
        "is_anomaly",
        "anomaly_score",
        "anomaly_reason",
        "distance",
    }


def test_parquet_rows_are_scored(endpoint, tmp_path):
    pd.DataFrame([GOOD]).astype("float64").to_parquet(tmp_path / "rows.parquet")
    kind = {"Content-Type": "application/vnd.apache.parquet"}
    answer = post(endpoint, data=(tmp_path / "rows.parquet").read_bytes(), headers=kind)
    assert answer.json() == post(endpoint, records({})).json()


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_a_400_that_names_the_column_and_answers_no_row(endpoint, name):
    change, column = BAD_ROWS[name]
    answer = post(endpoint, records({}, change))
    assert answer.status_code == 400
    assert column in answer.json()["message"]
    assert "predictions" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_what_is_no_finite_number_is_a_400(endpoint, number):
    body = json.dumps(records({"Monetary": "?"})).replace('"?"', number)
    answer = post(endpoint, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "Row 0, column Monetary" in answer.json()["message"]


@pytest.mark.parametrize("name", BAD_ROWS)
def test_segments_serve_names_row_and_column(strict, name):
    change, column = BAD_ROWS[name]
    answer = post(strict, records({}, change))
    assert answer.status_code == 400
    assert f"Row 1, column {column}: given" in answer.json()["message"]
    assert set(answer.json()) == {"error_code", "message"}


def test_a_missing_column_is_named(endpoint):
    answer = post(endpoint, {"dataframe_records": [{k: v for k, v in GOOD.items() if k != "Tenure"}]})
    assert answer.status_code == 400
    assert "Tenure" in answer.json()["message"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "payload",
    [
        {"dataframe_records": []},
        {"dataframe_split": {"columns": list(GOOD), "data": []}},
        [],
        {},
        {"rows": []},
    ],
)
def test_no_rows_are_a_400(endpoint, payload):
    answer = post(endpoint, payload)
    assert answer.status_code == 400
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("{not json", "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        (b"\xff\xfe\x00", "application/json", 400),
        (",".join(GOOD) + "\nsoon,3,300,100,200\n", "text/csv", 400),
        ("a <b> c", "text/plain", 415),
        ("not parquet", "application/vnd.apache.parquet", 400),
        ('{"dataframe_split": {"columns": ["Recency"], "data": 5}}', "application/json", 400),
        ('{"dataframe_split": {"columns": 5, "data": [[1]]}}', "application/json", 400),
        ('{"dataframe_records": [{"Recency": ' + "9" * 5000 + "}]}", "application/json", 400),
        ('{"instances": [["6", "16", "1", "1", "10"]]}', "application/json", 400),
        ("Recency\n" + "1" * 140_000, "text/csv", 400),
        ("x" * (17 * 1024 * 1024), "application/json", 413),
    ],
    ids=[
        "not JSON",
        "nested deeply",
        "not UTF-8",
        "text in CSV",
        "another kind",
        "not Parquet",
        "rows no list",
        "columns no list",
        "too many digits",
        "texts in a list",
        "long cell",
        "too large",
    ],
)
def test_segments_serve_refuses_a_broken_body_without_repeating_it(strict, body, kind, status):
    answer = post(strict, data=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.json()["message"]
    assert len(answer.text) < 500
    assert "Traceback" not in answer.text


def test_segments_serve_stops_at_once_on_sigterm(store, free_port):
    command = [BIN / "segments", "serve", "--port", str(free_port())]
    process = subprocess.Popen(command, cwd=store.folder, env=store.environment)
    try:
        answers = False
        deadline = time.monotonic() + 120
        while not answers:
            assert time.monotonic() < deadline, "It does not answer."
            with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                answers = requests.get(f"http://127.0.0.1:{command[-1]}/ping", timeout=5).ok
            time.sleep(0.1)
        process.terminate()
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
    finally:
        process.kill()


def test_a_port_in_use_is_a_clear_error(strict, store):
    port = strict.rsplit(":", 1)[1]
    done = store.process("serve", "--port", port, check=False)
    assert done.returncode == 2
    assert f"Port {port} on 127.0.0.1 cannot be used" in done.stderr
