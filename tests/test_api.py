"""The analytics API: what it answers, and how it refuses."""

import csv
import io
import json
import re

import hypothesis
import numpy as np
import pandas as pd
import pytest
import schemathesis

from contract.names import FEATURES, OUTPUTS, STATES
from serving import queries
from serving.app import api
from serving.score_body import answer_of, customers_in
from serving.snapshot import Snapshot, as_json

GOOD = {"Recency": 10, "Frequency": 4, "Monetary": 400.0, "AverageOrderValue": 100.0, "Tenure": 200}
ANSWERS = [
    "/health",
    "/analytics/overview",
    "/analytics/segments",
    "/analytics/summary",
    "/analytics/map",
    "/analytics/anomalies",
    "/analytics/segments/0/customers",
    "/analytics/movement",
    "/analytics/states",
    "/analytics/forward",
]


MORE_THAN_A_SCHEMA_SAYS = (
    "/score",  # Recency is at most Tenure
    "/analytics/audience",  # the same, and a hold-out's share
    "/analytics/customers",  # the columns and segments of this version; the least is no more than the most
)


@pytest.fixture(scope="module")
def table(left_by_training):
    """The customers as the training of version 1 left them."""
    return pd.read_parquet(left_by_training / "data" / "customers.parquet").set_index("customer_id")


def left(customer):
    """A customer who left the segment High."""
    places = {"from_name": "High", "to_segment": 0, "to_name": "Low"}
    return {"customer_id": customer, **places, "Monetary_before": 9.5, "Monetary_after": 9.0, "Recency": 40}


def made_up(ids, missing=None, movement=None, evidence=None, **columns):
    """A snapshot of made-up customers, a segment each for the small and the big spenders."""
    count = len(ids)
    frame = pd.DataFrame(
        {
            "customer_id": ids,
            "Recency": 1.0,
            "Frequency": 1.0,
            "Monetary": np.arange(count, dtype=float),
            "AverageOrderValue": 1.0,
            "Tenure": 9.0,
            "Returned": 0.0,
            "country": "Norway",
            "segment": [int(2 * place >= count) for place in range(count)],
            "segment_name": "x",
            "is_anomaly": False,
            "anomaly_score": 0.5,
            "anomaly_reason": "",
            "distance": 1.0,
            "pca_1": 0.0,
            "pca_2": 0.0,
        }
        | columns
    )
    profiles = [
        {"segment": segment, "name": name, "customers": 1, "share": 0.5, "revenue": 1.0, "revenue_share": 0.5}
        for segment, name in enumerate(("Low", "High"))
    ]
    summary = {"as_of": "2024-01-01T00:00:00", "data": "demo"} | ({"missing": missing} if missing else {})
    return Snapshot.of(7, frame, profiles, summary, scorer=None, movement=movement, evidence=evidence)


def message(response):
    assert response.content_type == "application/json"
    error = response.json["error"]
    assert set(error) == {"code", "name", "message"}
    assert error["code"] == response.status_code
    assert "Traceback" not in error["message"]
    return error["message"]


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_names_the_version_it_comes_from(client, path):
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["X-Model-Version"] == str(response.json["model_version"]) == "1"
    assert response.json["as_of"].startswith("20")


def test_served_answers_equal_training_answers(client, table):
    for customer, row in table.iloc[::50].iterrows():
        answer = client.get(f"/analytics/customer/{customer}").json
        assert {name: answer[name] for name in table.columns if not name.startswith("pca")} == {
            name: value for name, value in row.items() if not name.startswith("pca")
        }
        scored = client.post("/score", json={name: row[name] for name in FEATURES}).json
        for name in ("segment", "segment_name", "state", "is_anomaly", "anomaly_reason"):
            assert scored[name] == row[name]
        assert scored["anomaly_score"] == pytest.approx(row.anomaly_score)


def test_overview_counts_every_customer_once(client, table):
    overview = client.get("/analytics/overview").json
    assert overview["customers"] == len(table)
    assert sum(segment["customers"] for segment in overview["segments"]) == len(table)
    assert overview["anomalies"] == table.is_anomaly.sum()
    assert overview["revenue"] == pytest.approx(table.Monetary.sum())
    assert overview["data"] == "demo"
    assert len(overview["outcome"]) == 5


def test_summary_is_the_mean_customer_of_each_segment(client, table):
    for segment in client.get("/analytics/summary").json["segments"]:
        mean = table[table.segment == segment["segment"]][["Recency", "Frequency", "Monetary"]].mean()
        assert [segment[name] for name in mean.index] == pytest.approx(mean.tolist())


def test_anomalies_come_most_unusual_first_and_page_by_page(client, table):
    first = client.get("/analytics/anomalies?limit=5").json
    second = client.get("/analytics/anomalies?limit=5&page=2").json
    assert first["total"] == table.is_anomaly.sum()
    assert first["pages"] == -(-first["total"] // 5)
    scores = [row["anomaly_score"] for row in first["customers"] + second["customers"]]
    assert len(scores) == 10
    assert scores == sorted(scores, reverse=True)
    assert all(score > 1 for score in scores)
    beyond = client.get("/analytics/anomalies?page=1000")
    assert beyond.status_code == 200
    assert beyond.json["customers"] == []


def test_segment_customers_come_biggest_spenders_first(client, table):
    page = client.get("/analytics/segments/1/customers?limit=500").json
    spent = [row["Monetary"] for row in page["customers"]]
    assert spent == sorted(spent, reverse=True)
    assert spent[0] == table[table.segment == 1].Monetary.max()
    assert {row["segment"] for row in page["customers"]} == {1}


def test_movement_is_what_the_training_found_page_by_page(client, left_by_training):
    told = json.loads((left_by_training / "movement.json").read_text())
    fallen = told.pop("fallen")
    assert len(fallen) > 2
    first = client.get("/analytics/movement?limit=2").json
    second = client.get("/analytics/movement?limit=2&page=2").json
    assert {name: first[name] for name in told} == told
    summary = json.loads((left_by_training / "summary.json").read_text())
    assert first["advice"] == summary["advice_on_fallen"]
    assert first["total"] == len(fallen)
    assert first["pages"] == -(-len(fallen) // 2)
    assert first["customers"] + second["customers"] == fallen[:4]
    lines = list(csv.DictReader(io.StringIO(client.get("/analytics/movement.csv").text)))
    assert [line["customer_id"] for line in lines] == [row["customer_id"] for row in fallen]
    assert {line["model_version"] for line in lines} == {"1"}
    assert {line["as_of"] for line in lines} == {first["to_as_of"]}


@pytest.mark.parametrize("path", ["/analytics/movement", "/analytics/movement.csv"])
def test_where_it_is_not_known_who_moved_the_reason_is_told(client, api_app, monkeypatch, path):
    follower = api_app.extensions["champion"]
    why = "The data reach back 9 days."
    monkeypatch.setattr(follower, "current", lambda: made_up(["1", "2"], missing={"movement": why}))
    response = client.get(path)
    assert response.status_code == 404
    assert message(response) == f"It is not known who moved. {why}"


def test_states_count_every_customer_once_and_say_what_the_training_found(client, table, left_by_training):
    answer = client.get("/analytics/states").json
    assert list(answer["meanings"]) == list(STATES)
    assert sum(cell["customers"] for cell in answer["cells"]) == len(table)
    for cell in answer["cells"]:
        own = table[(table.segment == cell["segment"]) & (table.state == cell["state"])]
        assert cell["customers"] == len(own)
        assert cell["revenue"] == pytest.approx(own.Monetary.sum())
        assert (own.segment_name == cell["name"]).all()
    left = json.loads((left_by_training / "evidence.json").read_text())
    found = {(cell["segment"], cell["state"]): (cell["evidence"], cell["action"]) for cell in left["grid"]}
    told = {(cell["segment"], cell["state"]): (cell["evidence"], cell["action"]) for cell in answer["cells"]}
    assert told == found
    assert any(evidence for evidence, _ in told.values())
    repeating = table[(table.Frequency >= 2) & (table.Tenure > table.Recency)]
    gaps = (repeating.Tenure - repeating.Recency) / (repeating.Frequency - 1)
    assert answer["usual_gap"] == pytest.approx(gaps.median())


def test_states_come_most_valuable_segment_first(client, table):
    order = list(dict.fromkeys(cell["segment"] for cell in client.get("/analytics/states").json["cells"]))
    medians = table[~table.is_anomaly].groupby("segment").Monetary.median()
    assert order == medians.sort_values(ascending=False).index.tolist()


@pytest.mark.parametrize("state", STATES)
def test_a_segments_customers_of_one_state_are_listed_and_downloaded(client, table, state):
    for segment in range(3):
        own = table[(table.segment == segment) & (table.state == state)]
        page = client.get(f"/analytics/segments/{segment}/customers?state={state}&limit=500").json
        assert (page["state"], page["total"]) == (state, len(own))
        spent = own.Monetary.sort_values(ascending=False).head(500).tolist()
        assert [row["Monetary"] for row in page["customers"]] == spent
        response = client.get(f"/analytics/segments/{segment}/customers.csv?state={state}")
        name = f'attachment; filename="segment-{segment}-{state}-customers-v1.csv"'
        assert response.headers["Content-Disposition"] == name
        rows = list(csv.DictReader(io.StringIO(response.text)))
        assert {row["customer_id"] for row in rows} == set(own.index)
        assert {row["state"] for row in rows} <= {state}


@pytest.mark.parametrize("state", ["Late", "", "late ", "x;y"])
def test_unknown_state_is_told_the_known_ones(client, state):
    for ending in ("customers", "customers.csv"):
        response = client.get(f"/analytics/segments/0/{ending}", query_string={"state": state})
        assert response.status_code == 400
        assert "Expected one of: one-time, active, due, late." in message(response)


def test_forward_check_is_what_the_training_found(client, left_by_training):
    left = json.loads((left_by_training / "forward.json").read_text())
    answer = client.get("/analytics/forward").json
    assert {name: answer[name] for name in left} == left
    assert len(answer["sentences"]) == 6


def test_segments_say_what_such_customers_did_next(client, left_by_training):
    left = json.loads((left_by_training / "evidence.json").read_text())["segments"]
    segments = client.get("/analytics/segments").json["segments"]
    assert any(segment["next_bought_again"] for segment in segments)
    for segment in segments:
        evidence = left.get(str(segment["segment"]), {})
        for name in ("bought_again", "bought_again_se", "mean_spend", "mean_spend_se", "total_spend"):
            assert segment[f"next_{name}"] == evidence.get(name)
        assert 1 <= segment["half_by"] <= segment["customers"]


def test_a_version_from_before_states_is_answered_from_without_them(client, api_app, monkeypatch):
    snapshot = made_up(["1", "2"])
    monkeypatch.setattr(api_app.extensions["champion"], "current", lambda: snapshot)
    row = client.get("/analytics/customer/1").json
    assert not {"state", "returns_note"} & set(row)
    header = client.get("/analytics/segments/0/customers.csv").text.splitlines()[0]
    assert not {"state", "returns_note"} & set(header.split(","))
    for path in ("/analytics/states", "/analytics/segments/0/customers?state=late"):
        response = client.get(path)
        assert response.status_code == 404
        assert "Version 7 was trained before states were kept. Train anew" in message(response)
    response = client.get("/analytics/forward")
    assert response.status_code == 404
    assert "Version 7 was trained before the check at several dates" in message(response)


def test_evidence_that_is_no_number_leaves_as_null():
    evidence = {"days": 90, "cut_offs": [], "shop": None, "left_best": {"mean_spend_se": np.nan}, "grid": []}
    snapshot = made_up(["1", "2"], evidence=evidence, state=["late", "one-time"], returns_note=[None, "x"])
    assert json.loads(snapshot.answer(queries.states))["left_best"] == {"mean_spend_se": None}
    assert snapshot.row(0)["returns_note"] is None
    assert queries.of_segment(snapshot, 0, "late").tolist() == [0]
    assert queries.of_segment(snapshot, 0, "due").tolist() == []


def test_map_shows_all_anomalies_and_each_customer_at_most_once(client, table):
    answer = client.get("/analytics/map").json
    unusual = answer["anomalies"]["customer_id"]
    ordinary = [customer for segment in answer["segments"] for customer in segment["customer_id"]]
    assert set(unusual) == set(table.index[table.is_anomaly])
    assert len(set(ordinary + unusual)) == len(ordinary + unusual) == answer["shown"]
    assert sum(answer["explained_variance"]) <= 1


def test_map_of_many_customers_is_a_sample_that_stays_the_same():
    unusual = np.arange(10_000) % 100 == 0
    snapshot = made_up([str(number) for number in range(10_000)], is_anomaly=unusual)
    answer = queries.customer_map(snapshot)
    assert answer["shown"] == 4_000
    assert len(answer["anomalies"]["x"]) == 100
    assert answer == queries.customer_map(snapshot)


@pytest.mark.parametrize("typed", ["17850", " 17850 ", "17850.0", "%2017850.00\t"])
def test_customer_is_found_as_people_type_the_id(typed):
    snapshot = made_up(["17850", "00123"])
    assert queries.customer(snapshot, typed.replace("%20", " "))["customer_id"] == "17850"
    assert queries.customer(snapshot, "123") is None


@pytest.mark.parametrize(
    "odd", ["a/b", "a//b", "/a", "a/", "Ærø 1", "<script>alert(1)</script>", "客户", "é\n1"]
)
def test_customer_with_an_odd_id_is_found_over_http(client, api_app, monkeypatch, odd):
    from urllib.parse import quote

    follower = api_app.extensions["champion"]
    monkeypatch.setattr(follower, "current", lambda: made_up([odd, "2"]))
    response = client.get(f"/analytics/customer/{quote(odd, safe='')}")
    assert response.status_code == 200, response.text
    assert response.json["customer_id"] == odd


def test_unknown_customer_is_a_404_and_no_script_runs(client):
    response = client.get("/analytics/customer/<script>alert(1)</script>")
    assert response.status_code == 404
    assert "There is no customer" in message(response)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src" not in response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/analytics/anomalies?limit=0", "from 1 to 500"),
        ("/analytics/anomalies?limit=501", "from 1 to 500"),
        ("/analytics/anomalies?page=0", "from 1 to 1,000,000"),
        ("/analytics/anomalies?page=-1", "whole number"),
        ("/analytics/anomalies?page=", "whole number"),
        ("/analytics/segments/0/customers?limit=ten", "whole number"),
        ("/analytics/segments/0/customers?page=1.5", "whole number"),
    ],
)
def test_page_out_of_range_is_told_the_range(client, path, says):
    response = client.get(path)
    assert response.status_code == 400
    assert says in message(response)


@pytest.mark.parametrize("segment", ["99", "-1", "x", "0.0", "٣"])
def test_unknown_segment_is_told_the_known_ones(client, segment):
    for ending in ("customers", "customers.csv"):
        response = client.get(f"/analytics/segments/{segment}/{ending}")
        assert response.status_code == 404
        assert "Expected one of: 0, 1, 2" in message(response)


def test_a_slash_at_the_end_does_not_matter(client):
    for path in ("/health/", "/analytics/overview/", "/apidocs/"):
        assert client.get(path).status_code == 200


def test_unknown_address_and_method_answer_json(client):
    assert "/nothing" in message(client.get("/nothing"))
    response = client.delete("/health")
    assert response.status_code == 405
    assert "GET" in message(response)
    assert "GET" in response.headers["Allow"]


def test_a_defect_answers_500_without_a_traceback(client, api_app, monkeypatch):
    def broken():
        raise RuntimeError("secret")

    monkeypatch.setattr(api_app.extensions["champion"], "current", broken)
    response = client.get("/analytics/overview")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert message(response)


def test_audience_csv_holds_the_whole_segment_with_version_and_date(client, table):
    response = client.get("/analytics/segments/2/customers.csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="segment-2-customers-v1.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert len(rows) == (table.segment == 2).sum()
    assert {row["model_version"] for row in rows} == {"1"}
    assert len({row["as_of"] for row in rows}) == 1
    assert float(rows[0]["Monetary"]) == table[table.segment == 2].Monetary.max()
    unusual = list(csv.DictReader(io.StringIO(client.get("/analytics/anomalies.csv").text)))
    assert len(unusual) == table.is_anomaly.sum()


def test_spreadsheets_find_no_formula_in_a_csv():
    evil = ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1"]
    text = "".join(queries.audience_csv(made_up([*evil, "plain", "Ærø, Denmark"]), np.arange(8)))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["customer_id"] for row in rows] == [
        *["'=1+1", "'+1", "'-1", "'@A1", "'\t'=1", "'\r'=1"],
        *["plain", "Ærø, Denmark"],
    ]


def test_spreadsheets_find_no_formula_in_the_list_of_who_left_either():
    fallen = [left("=1+1"), left("a;=1"), left("7")]
    snapshot = made_up(["1", "2"], movement={"best": 1, "moves": [], "fallen": fallen})
    rows = list(csv.DictReader(io.StringIO("".join(queries.fallen_csv(snapshot)))))
    assert [row["customer_id"] for row in rows] == ["'=1+1", "a;'=1", "7"]
    assert rows[2] == {"customer_id": "7", "from_name": "High", "to_segment": "0", "to_name": "Low"} | {
        "Monetary_before": "9.5",
        "Monetary_after": "9.0",
        "Recency": "40",
        "model_version": "7",
        "as_of": "2024-01-01T00:00:00",
    }


def test_spreadsheets_that_split_at_semicolons_find_no_formula_either():
    text = "".join(queries.audience_csv(made_up(['a;=HYPERLINK("x")', "b; +1", "c;d"]), np.arange(3)))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["customer_id"] for row in rows] == ['a;\'=HYPERLINK("x")', "b; '+1", "c;d"]


@pytest.fixture(scope="module", params=["segments api", "gunicorn"])
def address(request, served, api_store):
    """Where the API answers over HTTP, under its own server and under another."""
    commands = {
        "segments api": ["segments", "api", "--workers", "1", "--port", "{port}"],
        "gunicorn": ["gunicorn", "--bind", "127.0.0.1:{port}", "serving:create_app()"],
    }
    with served(commands[request.param], api_store, "/health") as address:
        yield address


def test_a_body_in_chunks_above_the_limit_is_not_cut_and_scored(address):
    import requests

    body = json.dumps([GOOD]).encode()
    chunks = iter([body + b" " * (2 * 1024 * 1024 - len(body)), b"GARBAGE"])
    kind = {"Content-Type": "application/json"}
    refused = requests.post(f"{address}/score", data=chunks, headers=kind, timeout=30)
    taken = requests.post(f"{address}/score", data=iter([body]), headers=kind, timeout=30)
    assert refused.status_code == 413
    assert refused.json()["error"]["code"] == 413
    assert taken.status_code == 200


def test_nothing_that_json_cannot_say_is_ever_said():
    snapshot = made_up(["1", "2"], Monetary=[np.nan, np.inf], country=[None, "Norway"])
    assert queries.customer(snapshot, "1")["Monetary"] is None
    assert queries.customer(snapshot, "1")["country"] is None
    assert b"NaN" not in snapshot.answer(queries.overview)


def test_score_takes_one_object_or_a_list(client):
    one = client.post("/score", json=GOOD)
    assert one.status_code == 200
    assert set(one.json) == {name for _, name in OUTPUTS}
    many = client.post("/score", json=[GOOD, GOOD | {"Monetary": 1e7, "AverageOrderValue": 2.5e6}])
    assert many.json[0] == one.json
    assert many.json[1]["is_anomaly"] is True
    assert many.json[1]["anomaly_reason"]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(GOOD),
        json.dumps([GOOD, {name: GOOD[name] for name in reversed(GOOD)}]),
        json.dumps([GOOD | {"Recency": 0, "Monetary": 2**64, "AverageOrderValue": 2**62}] * 3),
        '[{"Recency": 10, "Recency": 1e1, "Frequency": 4.0, "Monetary": 1.2345678901234567e2, "Tenure": 2E+2}]',
        json.dumps([GOOD, {name: GOOD[name] for name in GOOD if name != "AverageOrderValue"}]),
    ],
)
def test_a_body_is_read_at_a_glance_as_it_is_read_row_by_row(body):
    at_a_glance = customers_in(body.encode(), is_json=True)
    row_by_row = customers_in(
        b"\xef\xbb\xbf" + body.encode(), is_json=True
    )  # orjson takes no byte order mark
    assert at_a_glance.values.tolist() == row_by_row.values.tolist()
    assert at_a_glance.shape == row_by_row.shape


def test_a_score_is_written_as_python_writes_json_and_never_as_nan(client):
    scored = client.post("/score", json=[GOOD] * 3)
    assert scored.data == as_json(scored.json)
    columns = {name: [row[name] for row in scored.json] for name in scored.json[0]}
    assert list(columns) == [name for _, name in OUTPUTS]
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            answer_of(columns | {"distance": [1.0, value, 2.0]}, "list")
    huge = columns | {"spend_high": [1e308, 1e308, 1e308]}  # its sum is infinite, and each of it is not
    assert json.loads(answer_of(huge, "list"))[2]["spend_high"] == 1e308


def test_answers_of_a_version_from_before_states_have_its_columns_alone():
    columns = {"segment": [2, 0], "segment_name": ["High", "Low"], "is_anomaly": [False, True]}
    assert answer_of(columns, "object") == b'{"segment":2,"segment_name":"High","is_anomaly":false}\n'
    assert json.loads(answer_of(columns, "predictions")) == {
        "predictions": [
            {"segment": 2, "segment_name": "High", "is_anomaly": False},
            {"segment": 0, "segment_name": "Low", "is_anomaly": True},
        ]
    }


def test_average_order_value_may_be_left_out(client):
    without = {name: value for name, value in GOOD.items() if name != "AverageOrderValue"}
    assert client.post("/score", json=without).json == client.post("/score", json=GOOD).json


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (GOOD | {"Recency": "10"}, 'Row 1, column Recency: given "10", expected a number'),
        (GOOD | {"Frequency": True}, "Row 1, column Frequency: given true"),
        (GOOD | {"Monetary": None}, "Row 1, column Monetary: given null"),
        (GOOD | {"AverageOrderValue": None}, "Row 1, column AverageOrderValue: given null"),
        (GOOD | {"Monetary": float("nan")}, "Row 1, column Monetary: given NaN, expected a finite number"),
        (GOOD | {"Monetary": float("inf")}, "Row 1, column Monetary: given Infinity"),
        (GOOD | {"Monetary": 10**400}, "Row 1, column Monetary: given 1000"),
        (GOOD | {"Monetary": [1]}, "Row 1, column Monetary: given [1]"),
        (GOOD | {"Monetary": -5}, "Row 1, column Monetary: given -5, expected at least 0"),
        (GOOD | {"Frequency": 0}, "Row 1, column Frequency: given 0, expected at least 1"),
        (GOOD | {"Recency": 300}, "Row 1, column Recency: given 300, expected at most Tenure"),
        (GOOD | {"Frequenzy": 3}, 'Row 1, column "Frequenzy": not known'),
        ({"Recency": 1}, "Row 1, column Frequency: missing"),
        ([1], "Row 1: given [1], expected an object"),
    ],
)
def test_bad_row_is_named_and_nothing_is_half_answered(client, row, says):
    response = client.post("/score", data=json.dumps([GOOD, row]), content_type="application/json")
    assert response.status_code == 400
    assert says in message(response)
    assert "No row was scored" in message(response)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{", "not UTF-8"),
        (b"[]", "The list is empty"),
        (b'"text"', "expected one customer as an object"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5_000, "too many digits"),
        (b"[" + b"{}," * 10_000 + b"{}]", "at most 10,000"),
    ],
)
def test_bad_body_is_a_400_that_says_what_is_wrong(client, body, says):
    response = client.post("/score", data=body, content_type="application/json")
    assert response.status_code == 400
    assert says in message(response)


def test_many_bad_rows_are_counted_not_listed(client):
    said = message(client.post("/score", json=[{"Recency": "x"}] * 10_000))
    assert len(said) < 1_000
    assert "more" in said


def test_too_large_a_body_is_a_413(client):
    response = client.post("/score", data=b" " * (2 * 1024 * 1024 + 1), content_type="application/json")
    assert response.status_code == 413
    assert "2,097,152 bytes" in message(response)


def test_a_body_that_is_not_said_to_be_json_is_a_415(client):
    response = client.post("/score", data=json.dumps(GOOD), content_type="text/plain")
    assert response.status_code == 415
    assert "application/json" in message(response)


def test_token_is_asked_for_everywhere_but_at_health(api_store, api_of):
    with api_of(api_store, token="sésame") as app:
        client = app.test_client()
        assert client.get("/health").status_code == 200
        for path in ["/", "/nothing", "/ui", "/apidocs", "/openapi.json", "/static/apidocs.js", *ANSWERS[1:]]:
            response = client.get(path)
            assert response.status_code == 401, path
            assert "Bearer" in message(response)
            assert any(value.startswith("Basic") for value in response.headers.getlist("WWW-Authenticate"))
        for header in ("Bearer wrong", "Bearer", "Basic !!!", "Basic", "nonsense", "Digest x=1"):
            response = client.get("/analytics/overview", headers={"Authorization": header})
            assert response.status_code == 401, header
        good = "Bearer sésame".encode().decode("latin-1")
        assert client.get("/analytics/overview", headers={"Authorization": good}).status_code == 200
        assert client.get("/ui", auth=("anyone", "sésame")).status_code == 200
        assert client.get("/ui", auth=("anyone", "sesame")).status_code == 401


def test_home_lists_every_endpoint(client):
    home = client.get("/").json
    assert (home["ui"], home["apidocs"], home["openapi"]) == ("/ui", "/apidocs", "/openapi.json")
    assert {"GET /health", "POST /score", "GET /analytics/customer/{customer_id}"} <= set(home["endpoints"])


def test_every_endpoint_is_documented_with_schema_example_and_errors(client, api_app):
    document = client.get("/openapi.json").json
    rules = {
        re.sub(r"<(?:[^<:]+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in api_app.url_map.iter_rules()
        if not rule.rule.startswith(("/static", "/apidocs", "/openapi.json", "/ui/"))  # pages are for people
    }
    assert rules == set(document["paths"])
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            for code, answer in operation["responses"].items():
                (content,) = answer["content"].values()
                assert content["schema"], (path, code)
                assert content["example"], (path, code)
            assert "500" in operation["responses"]
            assert path in ("/", "/metrics") or "503" in operation["responses"]


def test_api_page_asks_nothing_of_the_internet(client):
    page = client.get("/apidocs")
    assert page.status_code == 200
    links = re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text)
    assert len(links) == 5
    for link in links:
        assert link.startswith("/")
        assert not link.startswith("//")
        assert client.get(link).status_code == 200
    assert "http" not in page.text + client.get("/static/apidocs.js").text


def test_page_is_served(client):
    page = client.get("/ui")
    assert page.status_code == 200
    assert page.mimetype == "text/html"


@pytest.fixture(scope="module")
def api_schema(api_app):
    api_app.test_client().get("/health")  # the first look at the registry
    return schemathesis.openapi.from_wsgi("/openapi.json", api_app)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", sorted(api.paths))
def test_api_keeps_to_its_document(api_schema, path, mode):
    unsayable = [schemathesis.checks.positive_data_acceptance] if path in MORE_THAN_A_SCHEMA_SAYS else []
    (operation,) = api_schema[path].values()

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def ask(case):
        case.call_and_validate(excluded_checks=unsayable)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE  # nothing can be asked wrongly there
