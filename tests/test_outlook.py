"""The forecast through the whole training, on shops that carry it and on shops that do not, and at every door."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from simulated import mbg_nbd_shop, shop_of, subscription

from contract.forecast_words import FORECAST_WORDS, SEASON
from contract.names import (
    EVIDENCE,
    FEATURES,
    FORECAST,
    FORECAST_DAYS,
    FORECAST_HOLDS,
    FORECAST_OUTPUTS,
    FORECAST_STATE,
    FORWARD,
    GROUP_FORECAST,
    MODEL,
    OUTPUTS,
    PROFILES,
    SCORED_CUSTOMERS,
    SUMMARY,
)
from training import gate
from training.clustering.sweep import Limits
from training.outlook import look_ahead, mean_groups
from training.report import outlook_story
from training.report.past import Past
from training.score import score_sources
from training.shop import Reading, Shop, count_customers
from training.store import artifact
from training.train import Assignment, Settings, train_challenger
from training.value.backtest import Group
from training.value.scoring import COLUMNS, Scorer
from training.value.verdict import Limits as ForecastLimits

ANY_SEGMENTS = Limits(
    min_segments=2,
    min_stability=0,
    min_share=0.001,
    min_value_step=1,
    min_anomaly_rate=1e-4,
    max_anomaly_rate=0.5,
)


def write(orders, path):
    """Orders of `simulated` as a file of transactions."""
    start = datetime(2023, 1, 1)
    dates = [f"{start + timedelta(days=day):%Y-%m-%d %H:%M:%S}" for day in orders.day]
    table = pd.DataFrame(
        {
            "customer": "c" + orders.customer_id,
            "invoice": range(len(orders)),
            "date": dates,
            "amount": orders.value.round(2).clip(lower=0.01),
        }
    )
    table.to_csv(path, index=False)
    return str(path)


def once(customers=300, days=500):
    """Everyone orders once, at any time."""
    rng = np.random.default_rng(0)
    return shop_of([(str(c), day, 20.0 + c % 50) for c, day in enumerate(rng.uniform(0, days, customers))])


def heavy():
    """An ordinary shop with a customer of 3,000 orders."""
    days = np.linspace(1, 499, 3_000)
    return pd.concat(
        [mbg_nbd_shop(200, 500, seed=4), shop_of([("heavy", day, 5.0 + day % 3) for day in days])],
        ignore_index=True,
    )


def train(client, folder, orders, **settings):
    """A tiny training of these orders: (the run, its files by name, the model); its file is `shop.csv` of `folder`."""
    file = write(orders, folder / "shop.csv")
    shop = count_customers([file], Reading())
    given = Assignment(shop, Reading(), Settings(ANY_SEGMENTS, trials=2, **settings))
    outcome = train_challenger(given, file)
    files = Path(mlflow.artifacts.download_artifacts(run_id=outcome.run_id))
    return (
        client.get_run(outcome.run_id),
        files,
        mlflow.pyfunc.load_model(f"models:/{MODEL}/{outcome.version}"),
    )


def version_of(client, run):
    """The version that a training registered."""
    (version,) = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    return int(version.version)


def read(files, name):
    return json.loads((files / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("outlook")


@pytest.fixture(scope="module")
def client(new_store, store_folder):
    with new_store(store_folder) as client:
        yield client


@pytest.fixture(scope="module")
def good_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("good")


@pytest.fixture(scope="module")
def counted_days():
    """The days ago that the training of `good` counted the shop at, filled by it."""
    return []


@pytest.fixture(scope="module")
def good(client, good_folder, counted_days):
    """A shop of the story that the forecast tells."""

    def count(shop, days, count=Shop.earlier):
        counted_days.append(days)
        return count(shop, days)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shop, "earlier", count)
        return train(client, good_folder, mbg_nbd_shop(400, 420, seed=1))


@pytest.fixture(scope="module")
def paying(client, tmp_path_factory):
    """A subscription shop, whose missed payments no such forecast sees."""
    return train(client, tmp_path_factory.mktemp("subscription"), subscription(days=420))


def test_a_shop_that_carries_a_forecast_says_what_it_expects(good):
    run, files, model = good
    kept = read(files, FORECAST)
    assert (kept["holds"], kept["reasons"]) == (True, [])
    assert model.metadata.metadata[FORECAST_STATE] == FORECAST_HOLDS
    assert model.metadata.metadata[FORECAST_DAYS] == "90"
    scored = pd.read_parquet(files / SCORED_CUSTOMERS)
    assert kept["shop"]["expected_spend"] == pytest.approx(scored.expected_spend.sum())
    assert run.data.metrics["forecast_expected_spend"] == pytest.approx(scored.expected_spend.sum())
    assert run.data.metrics["forecast_holds"] == 1
    assert 0 < run.data.metrics["forecast_rank_spend"] < 1
    line = run.data.tags["mlflow.note.content"].splitlines()[5]
    assert line.startswith("- In the next 90 days these customers are expected to place ")
    assert line.endswith(SEASON)
    assert read(files, SUMMARY)["outcome"] == [
        text.removeprefix("- ") for text in run.data.tags["mlflow.note.content"].splitlines()[:5]
    ]
    assert kept["sentences"][0] == line.removeprefix("- ")
    assert (files / "figures" / "forecast.png").stat().st_size > 10_000


def test_the_same_days_are_tested_as_those_of_the_forward_check(good):
    _, files, _ = good
    cut_offs = [row["cut_off"] for row in read(files, FORWARD)["by_cut_off"]]
    assert [test["cut_off"] for test in read(files, FORECAST)["backtests"]] == cut_offs
    assert len(cut_offs) > 2


def test_no_day_is_counted_twice(good, counted_days):  # noqa: ARG001
    assert {30, 90, 180} <= set(counted_days)
    assert len(counted_days) == len(set(counted_days))


def test_tables_hold_what_the_tests_measured(good):
    kept = read(good[1], FORECAST)
    assert next(row["way"] for row in kept["ranks"]) == "forecast"
    assert {"Monetary", "RFM sum", "own rate", "segment mean", "last days"} <= {
        row["way"] for row in kept["ranks"]
    }
    first = [test["ranks"]["forecast"]["spend"] for test in kept["backtests"]]
    assert kept["ranks"][0]["spend"] == pytest.approx(np.mean(first))
    assert [row["covered"] for row in kept["coverage"]] == [test["covered"] for test in kept["backtests"]]
    assert len(kept["quintiles"]) == 5
    assert json.dumps(kept, allow_nan=False)


def test_segments_and_states_add_up_to_all_customers(good):
    _, files, _ = good
    profiles, grid = read(files, PROFILES), read(files, EVIDENCE)["grid"]
    total = read(files, FORECAST)["shop"]["expected_spend"]
    assert sum(row["expected_spend"] for row in profiles) == pytest.approx(total)
    assert sum(cell["expected_spend"] for cell in grid) == pytest.approx(total)
    for row in (*profiles, *grid):
        assert row["expected_low"] <= row["expected_spend"] <= row["expected_high"]
    said = [cell["expectation"] for cell in grid if cell["customers"]]
    assert all(
        re.search(r"customers?, expected to bring .* in the next 90 days, between", text) for text in said
    )


def test_every_door_gives_the_same_numbers(client, good, good_folder, tmp_path):
    trained, files, model = good
    scored = pd.read_parquet(files / SCORED_CUSTOMERS)
    values = scored[list(FEATURES)]
    formula = Scorer(read(files, FORECAST)["numbers"]).score(values.to_numpy())
    answers, plain = model.predict(values), model.unwrap_python_model().answers(values.to_numpy())
    batch = score_sources(
        [str(good_folder / "shop.csv")], str(version_of(client, trained)), Reading(), tmp_path / "scored.csv"
    ).rows
    again = pd.read_csv(tmp_path / "scored.csv")
    for name in FORECAST_OUTPUTS:
        assert (
            answers[name].tolist() == formula[name].tolist() == plain[name].tolist() == scored[name].tolist()
        ), name
        assert batch[name].tolist() == scored[name].tolist(), name
        assert again[name].tolist() == pytest.approx(scored[name].tolist(), rel=1e-12), name
    assert list(answers) == [name for _, name in OUTPUTS]
    assert COLUMNS == FORECAST_OUTPUTS


def test_the_model_leaves_no_trace_of_its_formula(good):
    import sys

    _, _, model = good
    model.predict(model.input_example)
    assert "scoring" not in sys.modules
    assert type(model.unwrap_python_model().formula).__module__ == "scoring"


def test_a_subscription_shop_gives_no_forecast_and_says_why(paying):
    run, files, model = paying
    kept = read(files, FORECAST)
    assert not kept["holds"]
    assert kept["shop"] is None
    assert model.metadata.metadata[FORECAST_STATE] == " ".join(kept["reasons"])
    assert "ranks customers better by what they spent" in kept["reasons"][0]
    assert "- No forecast of the next 90 days is shown. " in run.data.tags["mlflow.note.content"]
    assert run.data.metrics["forecast_holds"] == 0
    assert "forecast_expected_spend" not in run.data.metrics
    assert (files / "figures" / "forecast.png").exists()  # for who wants to know why


def test_no_forecast_is_null_and_never_nan(paying, client, tmp_path):
    run, files, model = paying
    answers = model.predict(model.input_example)
    for record in answers.to_dict("records"):
        assert [record[name] for name in FORECAST_OUTPUTS] == [None] * 5
    assert json.loads(json.dumps(answers.to_dict("records"), allow_nan=False))
    plain = model.unwrap_python_model().answers(model.input_example.to_numpy())
    assert [plain[name].tolist() for name in FORECAST_OUTPUTS] == [[None] * len(answers)] * 5
    scored = pd.read_parquet(files / SCORED_CUSTOMERS)
    assert scored[list(FORECAST_OUTPUTS)].isna().all(axis=None)
    assert {kind.name for kind in scored[list(FORECAST_OUTPUTS)].dtypes} == {"float64"}
    for cell in read(files, EVIDENCE)["grid"]:
        assert [cell[name] for name in GROUP_FORECAST] == [None] * 4
    (version,) = client.search_model_versions(f"run_id='{run.info.run_id}'")
    score_sources([str(files / SCORED_CUSTOMERS)], str(version.version), Reading(), tmp_path / "again.csv")
    lines = (tmp_path / "again.csv").read_text().splitlines()
    assert lines[0].count("expected_spend") == 1
    assert "nan" not in lines[1].lower()


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        (
            mbg_nbd_shop(150, 200, seed=2),
            r"could not be tested on the past\. The data reach back \d+ days .* least 270",
        ),
        (once(), r"orders were expected and 0 came"),
    ],
    ids=["200 days", "one order each"],
)
def test_a_shop_without_a_past_to_test_on_is_trained_without_a_forecast(client, tmp_path, orders, reason):
    _, files, model = train(client, tmp_path, orders)
    assert re.search(reason, model.metadata.metadata[FORECAST_STATE])
    assert model.predict(model.input_example).expected_spend.isna().all()
    assert not read(files, FORECAST)["holds"]


@pytest.mark.parametrize(
    "orders", [mbg_nbd_shop(70, 330, seed=3), heavy()], ids=["60 customers", "3,000 orders"]
)
def test_a_hostile_shop_is_trained_and_gives_finite_numbers_or_none(client, tmp_path, orders):
    _, files, model = train(client, tmp_path, orders)
    kept, answers = read(files, FORECAST), pd.read_parquet(files / SCORED_CUSTOMERS)
    numbers = answers[list(FORECAST_OUTPUTS)]
    assert np.isfinite(numbers).all(axis=None) if kept["holds"] else numbers.isna().all(axis=None)
    assert json.dumps(kept, allow_nan=False)
    assert (model.metadata.metadata[FORECAST_STATE] == FORECAST_HOLDS) == kept["holds"]


def past_of(orders, folder):
    """The past of a shop of these orders, in two segments."""
    from training.clustering.segmenter import Segmenter
    from training.identity import segments_of

    shop = count_customers([write(orders, folder / "shop.csv")], Reading())
    values = shop.customers[list(FEATURES)].to_numpy()
    segmenter = Segmenter(2, anomaly_rate=0.02, min_samples=5, order_by=2, random_state=0).fit(values)
    return Past(shop, segmenter, segments_of(segmenter, FEATURES, ["Low", "High"]))


def test_a_shorter_horizon_wants_less_history_and_expects_less(tmp_path):
    past = past_of(mbg_nbd_shop(300, 260, seed=5), tmp_path)
    month, quarter = look_ahead(past, 30), look_ahead(past, 90)
    assert month.tests
    assert not quarter.tests
    assert "Expected at least 270" in quarter.state
    values = past.shop.customers[list(FEATURES)].to_numpy()
    short, long = (ahead.forecast.score(values)["expected_orders"].sum() for ahead in (month, quarter))
    assert 0 < short < 0.6 * long


def test_of_very_many_customers_a_sample_is_tested_and_that_is_said(tmp_path, monkeypatch):
    past = past_of(mbg_nbd_shop(300, 400, seed=5), tmp_path)
    everyone = look_ahead(past, 30)
    assert past.tested is past
    assert "sample" not in " ".join(outlook_story.tested_sentences(everyone))
    monkeypatch.setattr("training.report.past.MOST_TESTED", 299)
    monkeypatch.setattr("training.report.past.TESTED_OF_MORE", 150)
    again = Past(past.shop, past.segmenter, past.segments)
    tested = look_ahead(again, 30)
    drawn = again.tested.shop.customers
    assert 120 < len(drawn) < 180
    assert set(drawn.customer_id) < set(past.shop.customers.customer_id)
    assert set(again.tested.earlier(60).customers.customer_id) < set(drawn.customer_id)
    assert 0 < tested.tests[0].backtest.customers < 0.7 * everyone.tests[0].backtest.customers
    assert (
        f"on a uniform sample of {len(drawn)} customers: made from"
        in outlook_story.tested_sentences(tested)[0]
    )
    values = past.shop.customers[list(FEATURES)].to_numpy()
    sums = [ahead.forecast.score(values)["expected_orders"].sum() for ahead in (tested, everyone)]
    assert sums[0] == pytest.approx(sums[1], rel=0.25)


def test_a_sample_of_a_sample_is_told_of_all(tmp_path):
    shop = past_of(mbg_nbd_shop(300, 400, seed=5), tmp_path).shop
    assert shop.sampled(len(shop.customers)) is shop
    half = shop.sampled(150)
    fewer = half.sampled(50)
    assert half.sampled_from == fewer.sampled_from == len(shop.customers)
    assert 30 < len(fewer.customers) < 70
    assert set(fewer.customers.customer_id) < set(half.customers.customer_id)
    for days in (30, 200):
        then, of_all = half.earlier(days).customers, shop.earlier(days).customers
        drawn = of_all[of_all.customer_id.isin(half.customers.customer_id)].reset_index(drop=True)
        pd.testing.assert_frame_equal(then, drawn)


def test_a_limit_that_is_not_kept_takes_the_forecast_away(tmp_path):
    past = past_of(mbg_nbd_shop(300, 300, seed=6), tmp_path)
    strict = look_ahead(past, limits=ForecastLimits(least_rank=1.0))
    assert strict.numbers is None
    assert "Expected at least 1." in strict.state


def test_mean_groups_are_means_of_equal_places():
    one, two, fewer = (
        [Group(10, 0.1, 0.2, 0), Group(10, 0.5, 0.4, 0)],
        [Group(20, 0.3, 0.4, 0), Group(20, 0.7, 0.8, 0)],
        [Group(9, 9, 9, 0)],
    )
    low, high = mean_groups([one, two, fewer])
    assert low == {"customers": 15, "expected": pytest.approx(0.2), "came": pytest.approx(0.3)}
    assert high == {"customers": 15, "expected": pytest.approx(0.6), "came": pytest.approx(0.6)}
    assert mean_groups([]) == []


def test_the_gate_tells_of_a_forecast_that_is_lost(client, good, paying):
    holding, lost = version_of(client, good[0]), version_of(client, paying[0])

    def rules(version, champion):
        table = gate.rules_on_table(client, version, champion, ANY_SEGMENTS, gate.Tolerance())
        return {rule.name: rule for rule in table}

    rule = rules(lost, holding)["forecast"]
    assert (rule.holds, rule.forcible) == (False, True)
    assert "ranks customers better" in rule.found
    assert rules(holding, holding)["forecast"].holds
    assert "forecast" not in rules(holding, lost)  # where the champion has none, none is missed


def test_each_column_of_the_forecast_has_words():
    assert set(FORECAST_WORDS) == {*FORECAST_OUTPUTS, *GROUP_FORECAST}
    for label, meaning in FORECAST_WORDS.values():
        assert label
        assert meaning.format(days=90).endswith(".")


def test_a_model_of_before_has_no_forecast_and_its_answers_stay_as_they_are():
    answers = pd.DataFrame({"segment": [0], "distance": [1.5]})
    pd.testing.assert_frame_equal(artifact.with_numbers(answers), answers)
