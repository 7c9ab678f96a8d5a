"""Real servers, real HTTP: `mlflow models serve` and `segments serve` on a registered champion."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import requests

from contract.names import FEATURES, OUTPUTS
from serving import scoring

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
    """`segments serve`, with one worker; the test of a promotion has two."""
    with served(["segments", "serve", "--port", "{port}"], store, "/ping") as address:
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
    store.run("score", "data/raw/demo.csv.gz", "--output", "demo.csv")
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
    assert set(answers[0].json()["predictions"][0]) == {name for _, name in OUTPUTS}


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


def test_a_port_in_use_is_a_clear_error(strict, store):
    port = strict.rsplit(":", 1)[1]
    done = store.process("serve", "--port", port, check=False)
    assert done.returncode == 2
    assert f"Port {port} on 127.0.0.1 cannot be used" in done.stderr


# Following the champion


@pytest.fixture(scope="module")
def own_store(api_store, tmp_path_factory):
    """A store with two versions, whose champion may be moved."""
    return api_store.copy(tmp_path_factory.mktemp("following"))


@pytest.fixture
def crown(own_store):
    """Makes a version champion by hand."""
    client = mlflow.MlflowClient(*[own_store.environment["MLFLOW_TRACKING_URI"]] * 2)
    yield lambda version: client.set_registered_model_alias("customer-segments", "champion", str(version))
    client.set_registered_model_alias("customer-segments", "champion", "1")


def until(condition):
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.05)


def test_segments_serve_follows_the_champion_without_a_failed_request(own_store, served, crown):
    command = ["segments", "serve", "--port", "{port}", "--workers", "2", "--version-column", "--access-log"]
    answers, stopped = [], threading.Event()

    def ask(address):
        while not stopped.is_set():
            try:
                answer = post(address, records({}, {"Monetary": 6_000, "AverageOrderValue": 2_000}))
                rows = answer.json()["predictions"]
                answers.append((answer.status_code, answer.headers["X-Model-Version"], json.dumps(rows)))
            except Exception as error:
                answers.append((type(error).__name__, str(error), ""))

    with served(command, own_store, "/ping") as address:
        client = threading.Thread(target=ask, args=(address,))
        client.start()
        try:
            for version in ("1", "2", "1"):
                crown(version)
                until(lambda: len(answers) > 40 and {a[1] for a in answers[-40:]} == {version})  # noqa: B023
        finally:
            stopped.set()
            client.join()
        metrics = requests.get(f"{address}/metrics", timeout=30).text
    assert {status for status, _, _ in answers} == {200}
    assert len({(version, rows) for _, version, rows in answers}) == 2  # never of two versions at once
    for _, version, rows in answers:
        assert {row["model_version"] for row in json.loads(rows)} == {int(version)}
    # Both workers count together.
    total = 'segments_requests_total{method="POST",path="/invocations",status="200"}'
    assert f"{total} {float(len(answers))}" in metrics
    assert f"segments_rows_total {2.0 * len(answers)}" in metrics
    assert "segments_model_version 1.0" in metrics
    log = max(own_store.folder.glob("server-*.log"), key=lambda path: path.stat().st_mtime).read_text()
    assert log.count("scoring 127.0.0.1 POST /invocations 200 ") == len(answers)


def test_a_version_named_by_its_number_stays(own_store, served, crown):
    with served(["segments", "serve", "--port", "{port}", "--model", "1"], own_store, "/ping") as address:
        crown(2)
        time.sleep(5)  # more than two looks at the alias
        assert post(address, records({})).headers["X-Model-Version"] == "1"
        assert requests.get(f"{address}/health", timeout=30).json()["model_version"] == 1


# What else the server answers


def test_segments_serve_says_what_it_is_and_how_it_is(strict):
    about = requests.get(strict, timeout=30)
    assert about.json()["name"] == "customer-segments"
    assert set(about.json()["endpoints"]) >= {"POST /invocations", "GET /health", "GET /metrics"}
    health = requests.get(f"{strict}/health", timeout=30)
    assert health.json() == {
        "status": "ok",
        "model": "customer-segments",
        "alias": "champion",
        "model_version": 1,
    }
    for path in ("/", "/health", "/ping"):
        head, get = requests.head(strict + path, timeout=30), requests.get(strict + path, timeout=30)
        assert (head.status_code, head.text) == (200, "")
        assert head.headers["Content-Length"] == str(len(get.content))
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert requests.get(strict + path, timeout=30).status_code == 404
    refused = requests.get(f"{strict}/invocations", timeout=30)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


def test_prometheus_gets_counts_of_known_paths_only(strict):
    requests.get(f"{strict}/made/up", timeout=30)
    metrics = requests.get(f"{strict}/metrics", timeout=30)
    assert metrics.headers["Content-Type"].startswith("text/plain")
    for name in ("segments_rows_total", "segments_anomalies_total", "segments_request_seconds_bucket"):
        assert f"\n{name}" in metrics.text
    assert 'path="other",status="404"' in metrics.text
    assert "made" not in metrics.text
    (age,) = (line for line in metrics.text.splitlines() if line.startswith("segments_model_age_seconds "))
    assert 0 < float(age.split()[1]) < 7 * 24 * 3600


@pytest.mark.parametrize(
    "command",
    [
        ["gunicorn", "--bind", "127.0.0.1:{port}", "serving:create_app()"],
        ["flask", "--app", "serving", "run", "--port", "{port}"],
        ["segments", "serve", "--port", "{port}"],
    ],
    ids=["gunicorn", "flask run", "segments serve"],
)
def test_a_server_says_that_it_is_loading_then_answers_and_ends_on_sigterm(own_store, free_port, command):
    port = str(free_port())
    words = [word.replace("{port}", port) for word in command]
    with (own_store.folder / "loading.log").open("w") as log:
        server = subprocess.Popen(
            [BIN / words[0], *words[1:]],
            cwd=own_store.folder,
            env=own_store.environment,
            stdout=log,
            stderr=log,
        )
    states = []
    try:
        deadline = time.monotonic() + 120
        while not states or states[-1][0] != 200:
            assert time.monotonic() < deadline, states[-1:]
            with contextlib.suppress(requests.ConnectionError):
                answer = requests.get(f"http://127.0.0.1:{port}/health", timeout=10)
                states.append(
                    (answer.status_code, answer.json()["status"], answer.headers.get("Retry-After"))
                )
            time.sleep(0.02)
        server.terminate()
        assert server.wait(timeout=30) in (0, -signal.SIGTERM)
    finally:
        server.kill()
        server.wait(timeout=30)
    assert states[0] == (503, "loading", "5")
    assert set(states) == {(503, "loading", "5"), (200, "ok", None)}


def test_a_client_that_has_gone_ends_the_work_for_it():
    """Nothing of an answer is written once nobody waits for it."""
    gone = threading.Event()
    gone.set()
    with pytest.raises(scoring.Abandoned):
        scoring._written({"segment": [0] * 10}, gone)
    assert scoring._written({"segment": [0]}, threading.Event()) == b'{"predictions": [{"segment": 0}]}'
