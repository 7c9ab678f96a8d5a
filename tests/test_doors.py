"""The model answers alike in every form at every door, and every door refuses the same rows in words.

`pytest tests/test_doors.py -s -k table` prints the table of forms and doors.
"""

import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from conftest import BIN
from mlflow.exceptions import MlflowException

from contract.names import FEATURES, MODEL
from serving import forms

WHOLE = pd.DataFrame(
    [[6, 16, 8700, 543.75, 340], [40, 1, 90, 90, 40], [2, 3, 300, 100, 200]], columns=list(FEATURES)
)
SHORT = WHOLE.drop(columns="AverageOrderValue").astype("int64")
RECORDS = json.loads(WHOLE.to_json(orient="records"))
SHORT_RECORDS = SHORT.to_dict("records")
BAD = {
    "text": ("Recency", "soon"),
    "number as text": ("Recency", "20"),
    "boolean": ("Frequency", True),
    "missing": ("Monetary", None),
    "negative": ("Monetary", -1),
    "no order": ("Frequency", 0),
    "after the first order": ("Recency", 201),
    "another average": ("AverageOrderValue", 102),
}

FRAMES = {
    "float64": WHOLE.astype("float64"),
    "float32": WHOLE.astype("float32"),
    "int64": SHORT,
    "Int64": SHORT.astype("Int64"),
    "uint8 and int64": SHORT.astype({"Frequency": "uint8"}),
    "object": WHOLE.astype(object),
    "object of Decimal": WHOLE.map(Decimal),
    "pyarrow": WHOLE.convert_dtypes(dtype_backend="pyarrow"),
    "other order, more columns": WHOLE[list(FEATURES)[::-1]].assign(customer_id="17850"),
}
PYTHON = {
    **{f"frame of {name}": frame for name, frame in FRAMES.items()},
    "dict of lists": WHOLE.to_dict("list"),
    "dict of arrays": {name: SHORT[name].to_numpy() for name in SHORT},
    "list of dicts": RECORDS,
    "list of dicts, whole": SHORT_RECORDS,
    "list of dicts, some without average": [RECORDS[0], *SHORT_RECORDS[1:]],
    "list of dicts of 0-d arrays": [{k: np.array(v) for k, v in row.items()} for row in SHORT_RECORDS],
}


def parquet(frame):
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


BODIES = {
    "dataframe_records": ("application/json", {"dataframe_records": RECORDS}),
    "dataframe_records, whole": ("application/json", {"dataframe_records": SHORT_RECORDS}),
    "dataframe_split": ("application/json", {"dataframe_split": WHOLE.to_dict("split")}),
    "dataframe_split, whole": ("Application/JSON", {"dataframe_split": SHORT.to_dict("split")}),
    "instances": ("application/json; charset=UTF-8", {"instances": SHORT_RECORDS}),
    "inputs, list": ("application/json", {"inputs": SHORT_RECORDS}),
    "inputs, columns": ("application/json", {"inputs": SHORT.to_dict("list")}),
    "CSV": ("text/csv", WHOLE.to_csv(index=False)),
    "CSV, whole": ("text/csv", SHORT.to_csv(index=False)),
    "Parquet": ("application/vnd.apache.parquet", parquet(WHOLE)),
    "Parquet, whole": ("application/vnd.apache.parquet", parquet(SHORT)),
    "plain list": ("application/json", SHORT_RECORDS),
}
MLFLOW_DOOR, OUR_DOOR, API_DOOR = "mlflow models serve", "segments serve", "/score"
NOT_TAKEN = {  # (door, form): why
    (MLFLOW_DOOR, "dataframe_split, whole"): "MLflow wants its Content-Type in small letters",
    (MLFLOW_DOOR, "plain list"): "no form of MLflow's protocol",
    (OUR_DOOR, "plain list"): "no form of MLflow's protocol",
    **{(API_DOOR, form): "JSON only" for form, (kind, _) in BODIES.items() if "json" not in kind.lower()},
}


@pytest.fixture(scope="module")
def model(store):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store.environment["MLFLOW_TRACKING_URI"])
        mlflow.set_tracking_uri(None)
        yield mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def expected(model):
    """What `predict` answers to plain doubles, as JSON has it."""
    return model.predict(WHOLE.astype("float64")).to_dict("records")


@pytest.fixture(scope="module")
def doors(store, served):
    """{door: its address}"""
    command = ["mlflow", "models", "serve", "-m", f"models:/{MODEL}@champion", "--env-manager", "local"]
    api = ["segments", "api", "--workers", "1", "--port", "{port}"]
    with (
        served([*command, "-h", "127.0.0.1", "-p", "{port}"], store, "/ping") as plain,
        served(["segments", "serve", "--port", "{port}"], store, "/ping") as ours,
        served(api, store, "/health") as analytics,
    ):
        yield {
            MLFLOW_DOOR: f"{plain}/invocations",
            OUR_DOOR: f"{ours}/invocations",
            API_DOOR: f"{analytics}/score",
        }


def post(address, kind, body):
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return requests.post(address, data=data, headers={"Content-Type": kind}, timeout=60)


@pytest.mark.parametrize("form", PYTHON)
def test_python_takes_every_form(model, expected, form):
    assert model.predict(PYTHON[form]).to_dict("records") == expected


def test_the_table_of_forms_and_doors(doors, expected):
    counts, lines = Counter(), []
    for form, (kind, body) in BODIES.items():
        cells = []
        for door, address in doors.items():
            answer = post(address, kind, body)
            if (door, form) in NOT_TAKEN:
                assert answer.status_code in (400, 415), (door, form)
                cells.append("refused")
                continue
            assert answer.status_code == 200, (door, form, answer.text)
            rows = answer.json()
            assert (rows["predictions"] if isinstance(rows, dict) else rows) == expected, (door, form)
            cells.append("same answer")
            counts[door] += 1
        lines.append(f"| {form} | {' | '.join(cells)} |")
    print(f"\n| form | {' | '.join(doors)} |\n|---|---|---|---|", *lines, sep="\n")
    print(f"Python: {len(PYTHON)} of {len(PYTHON)} forms; over HTTP: {dict(counts)} of {len(BODIES)}")
    assert dict(counts) == {MLFLOW_DOOR: 10, OUR_DOOR: 11, API_DOOR: 8}


PREDICT = """
import json, sys
from mlflow.cli import cli
for words in json.loads(sys.argv[1]):
    cli(words, standalone_mode=False)
"""


def test_mlflow_models_predict_takes_whole_numbers(store, expected, tmp_path):
    """Asked in one process for both kinds of files, because MLflow's command takes seconds to start."""
    texts = {"csv": SHORT.to_csv(index=False), "json": json.dumps(BODIES["inputs, list"][1])}
    words = ["models", "predict", "-m", f"models:/{MODEL}@champion", "--env-manager", "local"]
    commands = []
    for kind, text in texts.items():
        file = tmp_path / f"rows.{kind}"
        file.write_text(text)
        commands.append([*words, "-i", str(file), "-t", kind, "-o", str(tmp_path / f"{kind}.json")])
    asked = [sys.executable, "-c", PREDICT, json.dumps(commands)]
    subprocess.run(asked, cwd=store.folder, env=store.environment, check=True)
    for kind in texts:
        assert json.loads((tmp_path / f"{kind}.json").read_text())["predictions"] == expected


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_segments_score_takes_whole_numbers(store, expected, tmp_path, name):
    if name.endswith(".csv"):
        SHORT.to_csv(tmp_path / name, index=False)
    else:
        SHORT.to_parquet(tmp_path / name, index=False)
    store.run("score", tmp_path / name, "--output", tmp_path / "scored.parquet")
    scored = pd.read_parquet(tmp_path / "scored.parquet")
    assert scored[list(expected[0])].to_dict("records") == expected


@pytest.mark.parametrize("problem", BAD)
def test_every_door_refuses_a_bad_row_in_words(model, doors, problem):
    column, value = BAD[problem]
    rows = [RECORDS[2], RECORDS[2] | {column: value}]
    for form in (
        rows,
        pd.DataFrame(rows),
        pd.DataFrame(rows, dtype=object),
        pd.DataFrame(rows).to_dict("list"),
    ):
        with pytest.raises(MlflowException, match=f"Row 1, column {column}: given "):
            model.predict(form)
    for door, address in doors.items():
        answer = post(address, "application/json", {"dataframe_records": rows})
        assert answer.status_code == 400, door
        assert f"Row 1, column {column}: given " in answer.text.replace("\\", ""), door


def test_an_average_may_be_off_by_rounding(model):
    close = [
        RECORDS[2] | {"AverageOrderValue": 100.9},
        {**RECORDS[2], "Monetary": 0.1, "AverageOrderValue": 0.03},
    ]
    assert len(model.predict(close)) == 2


def test_an_array_has_no_names_and_the_refusal_says_how_to_name_them(model):
    with pytest.raises(
        MlflowException, match=r"Name the columns of an array: pandas\.DataFrame\(array, columns="
    ):
        model.predict(WHOLE.to_numpy())
    with pytest.raises(MlflowException, match="Missing column Recency"):
        model.predict(pd.DataFrame(WHOLE.to_numpy()))


@pytest.mark.parametrize(
    "index",
    [
        [7, 3, 5],
        ["17850", "13047", "12583"],
        pd.to_datetime(["2011-12-09", "2011-12-01", "2011-01-01"]),
        ["a", "a", "b"],
        pd.MultiIndex.from_tuples([("UK", 1), ("UK", 2), ("France", 1)], names=["country", "id"]),
        [1.0, float("nan"), 2.0],
    ],
    ids=["numbers", "texts", "dates", "repeated", "several levels", "nan"],
)
def test_an_answer_has_the_row_labels_of_the_question(model, expected, index):
    given = WHOLE.set_axis(index)
    answers = model.predict(given)
    pd.testing.assert_index_equal(answers.index, given.index)
    assert answers.to_dict("list") == pd.DataFrame(expected).to_dict("list")


def test_a_sorted_frame_gets_each_customer_their_own_segment(model, expected):
    customers = WHOLE.assign(customer=["first", "second", "third"]).sort_values("Recency")
    customers["segment"] = model.predict(customers)["segment"]
    answers = dict(zip(customers.customer, customers.segment, strict=True))
    assert answers == {
        name: row["segment"] for name, row in zip(["first", "second", "third"], expected, strict=True)
    }


# MLflow's own view of the model


def test_the_signature_stays_double_in_the_file_and_in_memory(model, store):
    (file,) = (store.folder / "mlruns" / "artifacts").glob("models/m-*/artifacts/MLmodel")
    in_file = mlflow.models.Model.load(str(file)).signature
    assert in_file.inputs.input_names() == list(FEATURES)
    assert {str(kind) for kind in in_file.inputs.input_types()} == {"DataType.double"}
    assert model.metadata.signature == in_file


def test_this_mlflow_asks_for_the_schema_where_the_model_answers_that_there_is_none(model):
    """Guards a private way, for each version of MLflow: where it fails, whole numbers are refused again."""
    assert model.metadata.get_input_schema() is None, (
        f"MLflow {mlflow.__version__} loads models in another way."
    )
    assert type(model.metadata).__mro__[1] is mlflow.models.Model
    assert "get_input_schema" not in model.metadata.to_dict()
    assert len(model.predict(SHORT)) == len(SHORT)


def test_where_the_private_way_fails_the_model_loads_and_takes_doubles(store, monkeypatch, expected):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.environment["MLFLOW_TRACKING_URI"])
    mlflow.set_tracking_uri(None)
    monkeypatch.setattr(sys, "_getframe", lambda *_: type("NoCaller", (), {"f_back": None}))
    other = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    assert other.metadata.get_input_schema() is not None
    assert other.predict(WHOLE.astype("float64")).to_dict("records") == expected
    mlflow.set_tracking_uri(None)


def test_the_environment_of_the_models_own_files_scores(store, expected, tmp_path):
    (folder,) = (store.folder / "mlruns" / "artifacts").glob("models/m-*/artifacts")
    model = shutil.copytree(folder, tmp_path / "model")
    uv = [BIN / "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [*uv, "pip", "install", "--python", python, "-r", model / "requirements.txt"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode and re.search(
        "Failed to fetch|dns error|error sending request|timed out", done.stderr
    ):
        pytest.skip("The registry of packages cannot be reached")
    assert done.returncode == 0, done.stderr
    code = (
        "import sys, json, mlflow, pandas as pd; rows = pd.DataFrame(json.loads(sys.argv[2]));"
        "print(mlflow.pyfunc.load_model(sys.argv[1]).predict(rows).to_json(orient='records', double_precision=15))"
    )
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [python, "-c", code, model, json.dumps(SHORT_RECORDS)],
        cwd=tmp_path,
        env=plain,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    for answer, row in zip(answers, expected, strict=True):
        assert answer == {
            name: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
            for name, value in row.items()
        }


# Limits


def bomb(rows):
    """A small Parquet file of many rows, in row groups of a million."""
    import pyarrow as pa
    from pyarrow import parquet as files

    buffer = io.BytesIO()
    group = pa.table({name: np.full(1_000_000, 300.0) for name in FEATURES})
    with files.ParquetWriter(buffer, group.schema, compression="zstd") as writer:
        for _ in range(rows // 1_000_000):
            writer.write_table(group)
    return buffer.getvalue()


def test_forty_million_rows_of_parquet_are_refused_before_they_are_read():
    body = bomb(40_000_000)
    assert len(body) < 1_000_000
    started = time.perf_counter()
    with pytest.raises(
        forms.Refused, match=r"40,000,000 rows were given\. Expected at most 500,000"
    ) as refused:
        forms.values_of(body, forms.PARQUET)
    assert refused.value.status == 413
    assert time.perf_counter() - started < 5  # reading them takes longer


def test_parquet_of_large_columns_or_of_texts_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(forms, "MAX_PARQUET_BYTES", 100)
    with pytest.raises(forms.Refused, match=r"bytes before compression. Expected at most 100"):
        forms.values_of(parquet(WHOLE), forms.PARQUET)
    with pytest.raises(forms.Refused, match=r"Column Recency holds (large_)?string"):
        forms.values_of(parquet(WHOLE.astype({"Recency": str})), forms.PARQUET)


def test_csv_rows_with_more_or_fewer_cells_than_columns_are_refused():
    header = ",".join(FEATURES)
    for row, cells in (("1,6,16,8700,543.75,340", 6), ("6,16,8700,543.75", 4)):
        with pytest.raises(forms.Refused, match=rf"Row 1 has {cells} cells\. Expected 5"):
            forms.values_of(f"{header}\n2,3,300,100,200\n{row}\n".encode(), "text/csv")


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [["secret"] * 5] * 10},
        {"instances": [[6, 16, 8700, 543, 340]]},
        {"dataframe_records": [{f"secret {number}" * 20: 1 for number in range(500)}]},
        {"inputs": {f"secret {number}" * 20: [1] for number in range(500)}},
        {"secret" * 1000: 1},
        ["secret"] * 1000,
    ],
    ids=["lists of texts", "bare lists", "unknown columns", "unknown inputs", "no form", "a list"],
)
def test_a_refusal_does_not_repeat_the_body(body):
    with pytest.raises(forms.Refused) as refused:
        forms.values_of(json.dumps(body).encode(), forms.JSON)
    assert len(str(refused.value)) < 1_000
    assert str(refused.value).count("secret") <= 20
    assert re.search(r"Name the columns|exactly one of|column Recency: missing", str(refused.value))
