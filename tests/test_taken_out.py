"""Where customers were taken out of a version's tables, every page and route tells the same numbers, without them."""

import os
import re
import shutil
from html import unescape

import numpy as np
import pandas as pd
import pytest

from contract.names import FEATURES, STATES
from contract.words import amount, whole
from serving.movement_recounts import recounted_movement
from serving.recounts import TrainingFiles, recounted

ROUTES = ("overview", "segments", "summary", "states", "map", "forward", "forecast", "movement", "versions")
PAGES = ("", "/segments", "/customers", "/movement", "/unusual", "/past", "/developers")
MONEY = pytest.approx
TABLE = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c"],
        "segment": [0, 0, 1],
        "state": ["active", "late", "active"],
        "is_anomaly": [False, False, True],
        **dict.fromkeys(FEATURES, 1.0),
        "Monetary": [10.0, 20.0, 500.0],
    }
)
MOVES = pd.DataFrame({"customer_id": ["a", "b", "c"], "from_segment": [0.0, 0.0, np.nan]})
MOVEMENT = {
    "best": 1,
    "sentences": ["Five."],
    "moves": [
        {"from_segment": 0, "to_segment": 0, "customers": 2, "Monetary_before": 9.0, "Monetary_after": 30.0},
        {"from_segment": None, "to_segment": 1, "customers": 1, "Monetary_before": 0.0}
        | {"Monetary_after": 500.0},
        {"from_segment": 0, "to_segment": None, "customers": 2, "Monetary_before": 11.0, "Monetary_after": 0},
    ],
    "fallen": [],
    "gone": [
        {"customer_id": "d", "from_segment": 0, "Monetary_before": 7.0},
        {"customer_id": "e", "from_segment": 0, "Monetary_before": 4.0},
    ],
}


def profiles_of(table):
    """One record per segment, as a training writes them, in short."""
    return [
        {"segment": segment, "customers": len(own), "revenue": own.Monetary.sum(), "revenue_share": 0.5}
        | {"median_Monetary": own.Monetary.median(), "anomalies": 0, "action": ""}
        for segment, own in table.groupby("segment")
    ]


def scored(store, version=1):
    """The scored customers of a version, as they are now."""
    import mlflow

    address = store.environment["MLFLOW_TRACKING_URI"]
    run = mlflow.MlflowClient(address, address).get_model_version("customer-segments", str(version)).run_id
    return pd.read_parquet(store.folder / "mlruns/artifacts" / run / "artifacts/data/customers.parquet")


def bytes_of(browser):
    """What every route and page answers."""
    addresses = [f"/analytics/{name}" for name in (*ROUTES, "customers", "anomalies", "anomalies.csv")]
    addresses += [f"/ui{page}" for page in PAGES]
    answers = {address: browser.get(address) for address in addresses}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {address: answer.data for address, answer in answers.items()}


def asked(browser):
    return {name: browser.get(f"/analytics/{name}").json for name in ROUTES}


@pytest.fixture(scope="module")
def shop(api_store, tmp_path_factory):
    """A copy of the store with two versions, with its own key of forgotten customers."""
    folder = tmp_path_factory.mktemp("taken-out")
    shutil.copytree(os.environ["SEGMENTS_KEYS"], folder / "keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGMENTS_KEYS", str(folder / "keys"))
        yield api_store.copy(folder / "project")


@pytest.fixture(scope="module")
def told(shop, api_of):
    """The application once two customers are forgotten: (browser, answers before, answers after, their rows).

    One is the most unusual customer of the best segment, one has left it.
    """
    with api_of(shop) as app:
        browser = app.test_client()
        before = asked(browser)
        best = before["movement"]["best"]
        whale = browser.get(f"/analytics/customers?segment={best}&unusual=true&per_page=1").json
        fallen = before["movement"]["customers"][0]["customer_id"]
        who = [whale["customers"][0]["customer_id"], fallen]
        rows = [browser.get(f"/analytics/customer/{customer}").json for customer in who]
        shop.run("forget", *who)
        app.extensions["champion"].look()
        yield browser, before, asked(browser), rows


def test_every_route_counts_the_same_customers(told):
    browser, before, now, rows = told
    customers = before["overview"]["customers"] - len(rows)
    champion = next(own for own in now["versions"]["versions"] if own["version"] == 1)
    counts = {
        "health": browser.get("/health").json["customers"],
        "list": browser.get("/analytics/customers").json["matches"],
        "overview": now["overview"]["customers"],
        "overview's segments": sum(own["customers"] for own in now["overview"]["segments"]),
        "metrics": now["overview"]["metrics"]["customers"],
        "metrics of the forecast": now["overview"]["metrics"]["forecast_customers"],
        "segments": sum(own["customers"] for own in now["segments"]["segments"]),
        "segments' states": sum(own[f"state_{s}"] for own in now["segments"]["segments"] for s in STATES),
        "summary": sum(own["customers"] for own in now["summary"]["segments"]),
        "states": sum(cell["customers"] for cell in now["states"]["cells"]),
        "map": now["map"]["customers"],
        "forecast": now["forecast"]["shop"]["customers"],
        "movement": sum(
            own["customers"] for own in now["movement"]["moves"] if own["to_segment"] is not None
        ),
        "version": champion["customers"],
        "version's segments": sum(own["customers"] for own in champion["segments"]),
    }
    assert counts == dict.fromkeys(counts, customers)


def test_every_route_sums_the_same_money(told):
    browser, before, now, rows = told
    listed = browser.get("/analytics/customers").json
    money = before["overview"]["revenue"] - sum(row["Monetary"] for row in rows)
    champion = next(own for own in now["versions"]["versions"] if own["version"] == 1)
    sums = {
        "list": listed["money"],
        "overview": now["overview"]["revenue"],
        "segments": sum(own["revenue"] for own in now["segments"]["segments"]),
        "states": sum(cell["revenue"] for cell in now["states"]["cells"]),
        "movement": sum(own["Monetary_after"] for own in now["movement"]["moves"]),
        "version": champion["revenue"],
    }
    assert sums == {name: MONEY(money) for name in sums}
    assert sum(own["share"] for own in now["segments"]["segments"]) == MONEY(1)
    assert sum(own["revenue_share"] for own in now["segments"]["segments"]) == MONEY(1)
    expected = listed["expected_spend"]
    assert now["forecast"]["shop"]["expected_spend"] == MONEY(expected)
    assert now["overview"]["metrics"]["forecast_expected_spend"] == MONEY(expected)
    assert f"to bring {amount(expected)}" in now["forecast"]["sentences"][0]


def test_every_route_has_the_same_unusual_customers(told):
    browser, before, now, rows = told
    unusual = before["overview"]["anomalies"] - sum(row["is_anomaly"] for row in rows)
    assert unusual < before["overview"]["anomalies"]
    champion = next(own for own in now["versions"]["versions"] if own["version"] == 1)
    counts = {
        "overview": now["overview"]["anomalies"],
        "segments": sum(own["anomalies"] for own in now["segments"]["segments"]),
        "list": browser.get("/analytics/customers?unusual=true").json["matches"],
        "unusual": browser.get("/analytics/anomalies").json["total"],
        "file": len(browser.get("/analytics/anomalies.csv").text.splitlines()) - 1,
        "map": len(now["map"]["anomalies"]["customer_id"]),
        "version": champion["anomalies"],
    }
    assert counts == dict.fromkeys(counts, unusual)
    rates = [now["overview"]["anomaly_rate"], now["overview"]["metrics"]["anomaly_rate"]]
    assert rates == [MONEY(unusual / now["overview"]["customers"])] * 2


def test_a_segment_and_a_cell_have_the_numbers_of_the_list_that_they_open(told):
    browser, _, now, _ = told
    groups = [({"segment": own["segment"]}, own) for own in now["segments"]["segments"]]
    groups += [
        ({"segment": own["segment"], "state": own["state"]}, own)
        for own in now["states"]["cells"]
        if own["customers"]
    ]
    for address, own in groups:
        listed = browser.get("/analytics/customers", query_string=address).json
        assert listed["matches"] == own["customers"]
        assert listed["money"] == MONEY(own["revenue"])
        assert listed["expected_spend"] == MONEY(own["expected_spend"])
        if own["value_at_risk"] is not None:
            assert (listed["value_at_risk"] or 0) == MONEY(own["value_at_risk"])
        if "anomalies" in own:
            unusual = browser.get("/analytics/customers", query_string=address | {"unusual": "true"}).json
            assert unusual["matches"] == own["anomalies"]
        if own.get("expectation"):
            assert own["expectation"].startswith(f"{whole(own['customers'])} customer")


def test_means_and_medians_are_those_of_the_table(told, shop):
    _, before, now, _ = told
    table = scored(shop)
    for old, own in zip(before["segments"]["segments"], now["segments"]["segments"], strict=True):
        rows = table[table.segment == own["segment"]]
        for feature in ("Recency", "Frequency", "Monetary", "AverageOrderValue", "Tenure"):
            assert own[f"mean_{feature}"] == MONEY(rows[feature].mean())
            assert own[f"median_{feature}"] == MONEY(rows[feature].median())
        assert own["next_bought_again"] == old["next_bought_again"]  # of earlier dates: it stays
        assert own.keys() == old.keys()


def test_who_moved_is_counted_without_them(told):
    browser, before, now, _ = told
    movement = now["movement"]
    assert movement["total"] == before["movement"]["total"] - 1
    left = [
        own
        for own in movement["moves"]
        if own["from_segment"] == movement["best"] and own["to_segment"] != movement["best"]
    ]
    assert sum(own["customers"] for own in left) == movement["total"]
    assert sum(own["Monetary_before"] for own in left) == MONEY(
        sum(row["Monetary_before"] for row in movement["customers"])
    )
    for own in (own for own in movement["moves"] if own["to_segment"] is not None):
        start = "new" if own["from_segment"] is None else own["from_segment"]
        address = {"from_segment": start, "segment": own["to_segment"]}
        assert browser.get("/analytics/customers", query_string=address).json["matches"] == own["customers"]
    (sentence,) = movement["sentences"]
    assert sentence.startswith("2 customers were taken out after the training")


def test_the_pages_say_the_same_numbers_and_never_those_of_before(told):
    browser, before, now, rows = told
    pages = {page: unescape(browser.get(f"/ui{page}").text) for page in PAGES}
    assert "<b>Taken out.</b> 2 customers were taken out after the training" in pages[""]
    assert now["overview"]["taken_out"].startswith("2 customers were taken out after the training")
    assert "taken_out" not in before["overview"]
    old = {amount(before["overview"]["revenue"])}
    for was, own in zip(before["segments"]["segments"], now["segments"]["segments"], strict=True):
        row = rf'<tr data-segment="{own["segment"]}">.*?</tr>'
        assert f">{whole(own['customers'])}<" in re.search(row, pages[""], re.DOTALL)[0]
        assert f">{amount(own['revenue'])}<" in re.search(row, pages[""], re.DOTALL)[0]
        old |= {amount(was["revenue"])} - {amount(own["revenue"])}
    for cell, was in zip(now["states"]["cells"], before["states"]["cells"], strict=True):
        old |= {amount(was["revenue"])} - {amount(cell["revenue"])}
    assert len(old) > 2
    assert [(page, text) for page, content in pages.items() for text in old if text in content] == []
    assert now["overview"]["outcome"][0] == (
        "As it was when trained, with 2 customers who were taken out since:"
    )
    cards = re.search(r'<ul class="cards acts">.*?</ul>', pages[""], re.DOTALL)[0]
    found = re.findall(r'href="(/ui/customers[^"]+)".*?<b>([\d,]+)</b>.*?<b>([\d,.]+)</b>', cards, re.DOTALL)
    assert found
    for address, customers, money in found:
        line = re.search(r'data-is="matches">([\d,]+) customers?<.*?<b>([\d,.]+)', browser.get(address).text)
        assert line.groups() == (customers, money)
    assert rows[0]["customer_id"] not in "".join(pages.values())


def test_earlier_versions_are_counted_by_their_own_tables(told, shop):
    browser, before, now, _ = told
    for was, own in zip(before["versions"]["versions"], now["versions"]["versions"], strict=True):
        table = scored(shop, own["version"])
        assert own["customers"] == len(table) == was["customers"] - 2
        assert own["revenue"] == MONEY(table.Monetary.sum())
        assert own["anomalies"] == table.is_anomaly.sum()
        assert own["metrics"]["anomaly_rate"] == MONEY(table.is_anomaly.mean())
        assert own["metrics"]["silhouette"] == was["metrics"]["silhouette"]
    moves = browser.get("/analytics/movement/between?from=2&to=1").json["moves"]
    here = sum(own["customers"] for own in moves if own["to_segment"] is not None)
    assert here == now["overview"]["customers"]


def test_where_nobody_was_taken_out_every_byte_is_the_same(api_store, tmp_path, monkeypatch, api_of):
    shutil.copytree(os.environ["SEGMENTS_KEYS"], tmp_path / "keys")
    monkeypatch.setenv("SEGMENTS_KEYS", str(tmp_path / "keys"))
    store = api_store.copy(tmp_path / "project")
    with api_of(store) as app:
        browser = app.test_client()
        before = bytes_of(browser)
        loaded = app.extensions["champion"].snapshot
        store.run("forget", "nobody")
        app.extensions["champion"].look()
        assert app.extensions["champion"].snapshot is not loaded
        assert bytes_of(browser) == before


def test_where_nobody_was_taken_out_the_files_are_not_looked_at():
    files = TrainingFiles(profiles_of(TABLE), {}, movement=MOVEMENT, evidence={}, forecast={})
    assert recounted(files, TABLE, MOVES) is files


def test_a_segment_whose_last_customer_was_taken_out_has_nobody():
    files = TrainingFiles(profiles_of(TABLE), {"outcome": ["Three."]}, movement=MOVEMENT)
    new = recounted(files, TABLE[:2], MOVES[:2])
    assert [own["customers"] for own in new.profiles] == [2, 0]
    assert [own["revenue"] for own in new.profiles] == [30, 0]
    assert [own["revenue_share"] for own in new.profiles] == [1, 0]
    assert new.profiles[1]["median_Monetary"] is None
    assert new.taken_out == 1
    assert [own["to_segment"] for own in new.movement["moves"]] == [0, None]


def test_who_was_gone_already_is_taken_out_of_the_movement_alone():
    forgotten = MOVEMENT | {"gone": MOVEMENT["gone"][1:]}
    files = TrainingFiles(profiles_of(TABLE), {"outcome": ["Three."]}, movement=forgotten)
    new = recounted(files, TABLE, MOVES)
    assert new.taken_out == 0
    assert new.profiles is files.profiles
    gone = new.movement["moves"][-1]
    assert (gone["customers"], gone["Monetary_before"], gone["Monetary_after"]) == (1, 4, 0)
    assert new.movement["moves"][:-1] == MOVEMENT["moves"][:-1]
    assert new.movement["sentences"][0].startswith("1 customer was taken out")


def test_without_a_table_of_moves_nothing_is_said_of_movement():
    assert recounted_movement(MOVEMENT, TABLE[:2], None) is None
    new = recounted(TrainingFiles(profiles_of(TABLE), {"missing": None}, movement=MOVEMENT), TABLE[:2], None)
    assert "taken out since the training" in new.summary["missing"]["movement"]
    assert recounted_movement(MOVEMENT, TABLE, None) is MOVEMENT
