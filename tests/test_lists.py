"""Lists of customers: one filter, the same at every door, and what it finds beside the training's own table."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from contract.lists.customers import customer_table
from contract.lists.problems import ListError, NotInVersion
from contract.lists.selections import select
from contract.names import EVIDENCE, FEATURES, MOVEMENT, MOVES
from training.report.moves import moves_of

PROFILES = [{"segment": 0, "name": "Low"}, {"segment": 1, "name": "High"}]
SUMMARY = {"as_of": "2024-01-01T00:00:00"}
# What an active customer of each segment brought: 10 and 30.
FORECAST = {
    "groups": [
        {"segment": 0, "state": "active", "customers": 20, "spend": 200.0},
        {"segment": 1, "state": "active", "customers": 20, "spend": 500.0},
        {"segment": 1, "state": "active", "customers": 20, "spend": 700.0},
        {"segment": -1, "state": "", "customers": 60, "spend": 1400.0},
    ]
}


def shop(**columns):
    """Six customers of two segments, one row each."""
    return pd.DataFrame(
        {
            "customer_id": ["00123", "17850", "a-1", "b-2", "c-3", "d-4"],
            "Recency": [1.0, 5.0, 9.0, 40.0, 80.0, 200.0],
            "Frequency": [9.0, 4.0, 1.0, 3.0, 3.0, 2.0],
            "Monetary": [900.0, 400.0, 50.0, 300.0, 300.0, 60.0],
            "AverageOrderValue": [100.0, 100.0, 50.0, 100.0, 100.0, 30.0],
            "Tenure": [300.0, 200.0, 9.0, 100.0, 300.0, 300.0],
            "Returned": 0.0,
            "country": ["France", "Norway", None, "France", "Spain", ""],
            "segment": [1, 1, 0, 1, 1, 0],
            "segment_name": ["High", "High", "Low", "High", "High", "Low"],
            "state": ["active", "active", "one-time", "due", "late", "late"],
            "is_anomaly": [True, False, False, False, False, False],
            "anomaly_score": [2.0, 0.1, 0.2, 0.3, 0.4, 0.5],
            "anomaly_reason": ["Monetary unusually high", "", "", "", "", ""],
            "distance": 1.0,
            "expected_orders": [2.0, 1.0, 0.1, 0.5, 0.1, 0.1],
            "expected_spend": [200.0, 100.0, 5.0, 35.0, 5.0, 1.0],
            "spend_low": 0.0,
            "spend_high": 1.0,
            "likely_to_buy": [0.9, 0.8, 0.1, 0.4, 0.1, 0.1],
            "pca_1": 0.0,
            "pca_2": 0.0,
            "email": ["Ada@Example.com", "bo@example.com", None, "straße@example.com", "x@x.org", "y@x.org"],
        }
        | columns
    )


MOVES_OF_SHOP = pd.DataFrame(
    {
        "customer_id": ["00123", "17850", "a-1", "b-2", "c-3", "d-4"],
        "from_segment": [0.0, 1.0, np.nan, 1.0, 1.0, 1.0],
        "from_name": ["Low", "High", "New", "High", "High", "High"],
        "from_state": ["active", "active", None, "active", "due", "late"],
        "moved": ["rose", "stayed", "came", "stayed", "stayed", "fell"],
    }
)


def made_up(**columns):
    return customer_table(3, shop(**columns), PROFILES, SUMMARY, FORECAST, MOVES_OF_SHOP)


def ids(*pairs, table=None):
    """The customers of the list that `NAME=VALUE` pairs ask for, in its order."""
    chosen = select(table or made_up(), [tuple(pair.split("=", 1)) for pair in pairs])
    return [row["customer_id"] for row in chosen.page(1, 500)]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], ["00123", "17850", "b-2", "c-3", "d-4", "a-1"]),
        (["segment=0"], ["d-4", "a-1"]),
        (["segment=0", "segment=1", "state=late"], ["c-3", "d-4"]),
        (["state=late", "state=due", "to_segment=1"], ["b-2", "c-3"]),
        (["segment=0", "to_segment=1"], []),
        (["unusual=true"], ["00123"]),
        (["unusual=false", "min_monetary=300"], ["17850", "b-2", "c-3"]),
        (["min_recency=5", "max_recency=40"], ["17850", "b-2", "a-1"]),
        (["max_expected_spend=5"], ["c-3", "d-4", "a-1"]),
        (["min_likely_to_buy=0.4"], ["00123", "17850", "b-2"]),
        (["min_value_at_risk=1"], ["c-3", "d-4"]),
        (["q=B"], ["17850", "b-2"]),
        (["q=EXAMPLE.com"], ["00123", "17850", "b-2"]),
        (["q=STRASSE"], ["b-2"]),
        (["q=france"], ["00123", "b-2"]),
        (["kept.country=France", "kept.country=Spain"], ["00123", "b-2", "c-3"]),
        (["kept.country="], ["d-4", "a-1"]),
        (["moved=rose"], ["00123"]),
        (["moved=fell", "moved=came"], ["d-4", "a-1"]),
        (["moved=became_late"], ["c-3"]),
        (["from_segment=1", "to_segment=0"], ["d-4"]),
        (["from_segment=new", "from_segment=0"], ["00123", "a-1"]),
    ],
)
def test_a_filter_finds_whom_it_names(pairs, expected):
    assert ids(*pairs) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("customer_id", ["00123", "17850", "a-1", "b-2", "c-3", "d-4"]),
        ("-Recency", ["d-4", "c-3", "b-2", "a-1", "17850", "00123"]),
        ("Monetary", ["a-1", "d-4", "b-2", "c-3", "17850", "00123"]),
        ("value_at_risk", ["b-2", "d-4", "c-3", "00123", "17850", "a-1"]),
        ("-value_at_risk", ["c-3", "d-4", "b-2", "00123", "17850", "a-1"]),
        ("-email", ["d-4", "c-3", "b-2", "17850", "00123", "a-1"]),
        ("-is_anomaly", ["00123", "17850", "a-1", "b-2", "c-3", "d-4"]),
    ],
)
def test_a_list_is_sorted_by_any_column_and_who_has_no_value_comes_last(sort, expected):
    assert ids(f"sort={sort}") == expected


def test_value_at_risk_of_a_customer_is_what_active_ones_brought_less_the_forecast():
    table = made_up()
    rows = table.rows(np.arange(6), ["value_at_risk"])
    assert [row["value_at_risk"] for row in rows] == [None, None, None, 0.0, 25.0, 9.0]
    assert table.at_risk(None) == 34.0  # the one of whom more is expected stands alone in segment and state
    assert table.at_risk(table.texts["state"].equal_to(["active"])) is None


def test_a_list_says_how_many_it_holds_and_their_share_of_the_money():
    late = select(made_up(), [("state", "late")])
    assert (len(late), late.total("Monetary"), late.total("expected_spend")) == (2, 360.0, 6.0)
    assert late.share_of_money == pytest.approx(360 / 2010)


def test_fields_choose_the_columns_and_their_order():
    (row,) = select(made_up(), [("q", "a-1"), ("fields", "email, Recency,customer_id")]).page(1, 9)
    assert list(row.items()) == [("email", None), ("Recency", 9), ("customer_id", "a-1")]


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("stat=late", 'Filter "stat" is not known. Expected one of: q, segment, state,'),
        ("stat=late", "Did you mean state?"),
        ("segment=2", 'segment "2" is not known. Expected one of: 0, 1.'),
        ("segment=-1", "Expected one of: 0, 1."),
        ("segment=٣", "Expected one of: 0, 1."),
        ("state=Late", "Expected one of: one-time, active, due, late."),
        ("unusual=yes", "Expected true or false."),
        ("min_monetary=nan", "min_monetary"),
        ("min_monetary=1e999", "is not a number"),
        ("max_recency=", 'max_recency "" is not a number'),
        ("moved=gone", "Expected one of: rose, fell, came, became_late."),
        ("sort=-Money", "sort: column"),
        ("sort=-monetary", "Did you mean Monetary?"),
        ("fields=customer_id,nonsense", 'fields: column "nonsense" is not known'),
        ("fields=,", "names no column"),
        ("q=" + "x" * 201, "Expected at most 200"),
    ],
)
def test_what_is_not_known_is_told_what_was_expected(pair, says):
    with pytest.raises(ListError, match=re.escape(says)):
        ids(pair)


@pytest.mark.parametrize(
    "pairs", [["min_monetary=2", "max_monetary=1"], ["q=a", "q=b"], ["sort=x", "sort=y"]]
)
def test_a_filter_that_contradicts_itself_is_refused(pairs):
    with pytest.raises(ListError, match=r"Expected it once|leave nothing between"):
        ids(*pairs)


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("kept.city=Oslo", "Train with `--keep NAME,...`"),
        ("moved=rose", "The data reach back 40 days"),
        ("from_segment=1", "The data reach back 40 days"),
        ("min_expected_spend=1", "The past is too short."),
        ("sort=value_at_risk", "The past is too short."),
        ("state=late", "Train anew"),
        ("fields=expected_spend", "The past is too short."),
    ],
)
def test_what_a_version_does_not_hold_is_told_with_the_reason(pair, says):
    nothing = dict.fromkeys(("expected_orders", "expected_spend", "spend_low", "spend_high", "likely_to_buy"))
    summary = SUMMARY | {"missing": {"movement": "The data reach back 40 days."}}
    forecast = {"groups": [], "reasons": ["The past is too short."]}
    table = customer_table(3, shop(**nothing).drop(columns="state"), PROFILES, summary, forecast)
    with pytest.raises(NotInVersion, match=re.escape(says)):
        ids(pair, table=table)


def test_moves_tell_where_each_customer_was():
    columns = ["customer_id", "segment", "state", "Monetary", "is_anomaly"]
    before = pd.DataFrame(
        [["a", 0, "late", 1.0, False], ["b", 1, "due", 9.0, False], ["x", 1, "due", 9.0, False]]
    )
    after = pd.DataFrame(
        [["a", 1, "active", 9.0, False], ["b", 0, "late", 9.0, False], ["c", 1, "one-time", 99.0, False]]
    )
    moves = moves_of(before.set_axis(columns, axis=1), after.set_axis(columns, axis=1), ["Low", "High"])
    assert moves.moved.tolist() == ["rose", "fell", "came"]
    assert moves.from_name.tolist() == ["Low", "High", "New"]
    assert moves.from_state.tolist()[:2] == ["late", "due"]


@pytest.fixture(scope="module")
def table(left_by_training):
    return pd.read_parquet(left_by_training / "data" / "customers.parquet")


def test_the_api_lists_whom_the_training_found(client, table):
    answer = client.get("/analytics/customers?segment=0&state=late&sort=-Recency&per_page=5").json
    own = table[(table.segment == 0) & (table.state == "late")]
    assert answer["matches"] == len(own)
    assert answer["money"] == pytest.approx(own.Monetary.sum())
    assert answer["share_of_money"] == pytest.approx(own.Monetary.sum() / table.Monetary.sum())
    assert answer["expected_spend"] == pytest.approx(own.expected_spend.sum())
    longest = own.sort_values("Recency", ascending=False, kind="stable").customer_id.tolist()
    assert [row["customer_id"] for row in answer["customers"]] == longest[:5]
    assert [column["name"] for column in answer["columns"]] == list(answer["customers"][0])
    assert (answer["page"], answer["per_page"], answer["pages"]) == (1, 5, -(-len(own) // 5))
    second = client.get("/analytics/customers?segment=0&state=late&sort=-Recency&per_page=5&page=2").json
    assert [row["customer_id"] for row in second["customers"]] == longest[5:10]


def test_value_at_risk_is_the_reports(client, left_by_training):
    grid = json.loads((left_by_training / EVIDENCE).read_text())["grid"]
    known = [cell for cell in grid if cell["value_at_risk"] is not None and cell["customers"]]
    assert known
    for cell in known:
        answer = client.get(f"/analytics/customers?segment={cell['segment']}&state={cell['state']}").json
        assert answer["value_at_risk"] == pytest.approx(cell["value_at_risk"])


def test_each_cell_of_the_movement_table_is_a_list(client, left_by_training):
    moves = json.loads((left_by_training / MOVEMENT).read_text())["moves"]
    for move in moves:
        if move["to_segment"] is not None:
            start = "new" if move["from_segment"] is None else int(move["from_segment"])
            path = f"/analytics/customers?from_segment={start}&to_segment={int(move['to_segment'])}"
            answer = client.get(path).json
            assert answer["matches"] == move["customers"], move
            assert answer["money"] == pytest.approx(move["Monetary_after"])


def test_who_became_late_is_the_list_of_the_movement(client, left_by_training):
    late = json.loads((left_by_training / MOVEMENT).read_text())["became_late"]
    answer = client.get("/analytics/customers?moved=became_late&per_page=500").json
    assert [row["customer_id"] for row in answer["customers"]] == [row["customer_id"] for row in late]
    assert (
        len(pd.read_parquet(left_by_training / MOVES)) == client.get("/analytics/customers").json["matches"]
    )


@pytest.mark.parametrize(
    ("query", "code", "says"),
    [
        ("segment=77", 400, "Expected one of: 0, 1"),
        ("per_page=0", 400, "from 1 to 500"),
        ("limit=5", 400, 'Filter "limit" is not known'),
        ("kept.city=x", 409, "--keep"),
        ("sort=email", 400, "sort: column"),
    ],
)
def test_the_api_refuses_in_words(client, query, code, says):
    response = client.get(f"/analytics/customers?{query}")
    assert response.status_code == code
    assert says in response.json["error"]["message"]


def test_a_customers_page_says_what_would_move_them_and_the_model_agrees(client, table):
    reached = 0
    for customer in table.customer_id.iloc[::100]:
        answer = client.get(f"/analytics/customers/{customer}").json
        metrics = {name: answer[name] for name in FEATURES}
        assert answer["nearest"]["segment"] != answer["segment"]
        assert answer["nearest"]["own_distance"] == pytest.approx(answer["distance"])
        for move in answer["moves"]:
            after = moved(metrics, move["way"], move["step"])
            assert client.post("/score", json=after).json["segment"] == move["segment"] != answer["segment"]
            assert answer["customer_id"] not in move["sentence"]
            reached += 1
    assert reached


def moved(metrics, way, step):
    """A customer's metrics after a step of one of the ways."""
    if way == "wait":
        return metrics | {"Recency": metrics["Recency"] + step, "Tenure": metrics["Tenure"] + step}
    orders = step if way == "orders" else 1
    money = metrics["Monetary"] + (step * metrics["AverageOrderValue"] if way == "orders" else step)
    frequency = metrics["Frequency"] + orders
    return metrics | {
        "Recency": 0,
        "Frequency": frequency,
        "Monetary": money,
        "AverageOrderValue": money / frequency,
    }


def test_an_unknown_customer_is_a_404(client):
    assert client.get("/analytics/customers/nobody").status_code == 404


def test_a_customers_months_add_up_to_what_they_spent(client, table):
    for row in table.iloc[::150].itertuples():
        months = client.get(f"/analytics/customers/{row.customer_id}").json["months"]
        assert sum(month["orders"] for month in months) == row.Frequency
        assert sum(month["money"] for month in months) == pytest.approx(row.Monetary)
        assert [month["month"] for month in months] == sorted({month["month"] for month in months})


def test_a_customers_past_begins_with_their_first_order(client, table, left_by_training):
    moves = pd.read_parquet(left_by_training / MOVES).set_index("customer_id")
    for row in table.iloc[::150].itertuples():
        answer = client.get(f"/analytics/customers/{row.customer_id}").json
        past, before = answer["past"], moves.loc[row.customer_id]
        assert [day["as_of"] for day in past] == sorted(day["as_of"] for day in past)
        assert bool(past) == (before.from_name != "New")
        if past:
            assert (past[-1]["segment"], past[-1]["state"]) == (before.from_segment, before.from_state)
