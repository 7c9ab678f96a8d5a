"""The forecast of a shop: what it was fitted to, what it answers, and shops that are unlike others."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulated import features_at, mbg_nbd_shop, shop_of, subscription, values_at
from sklearn.linear_model import PoissonRegressor

from training.value import scoring
from training.value.forecast import fit_forecast
from training.value.interval import fit_range
from training.value.mbg_nbd import fit_mbg_nbd
from training.value.regression import fit_regression
from training.value.scoring import COLUMNS, Scorer, expected_orders, histories, likely_to_buy
from training.value.window import between, lately

HORIZON_DAYS = 90


def fitted(orders, day, horizon=HORIZON_DAYS):
    """The forecast at `day`, as a training would fit it, and the features of that day."""
    now, then = features_at(orders, day), features_at(orders, day - horizon)
    since = between(then, now)
    values = values_at(orders, day)
    earlier = values_at(orders, day - horizon) if len(then) else None
    return fit_forecast(values, earlier, *since, horizon_days=horizon), values


@pytest.fixture(scope="module")
def shop():
    """2,000 customers of two years; the last 90 days are there to be forecast."""
    return mbg_nbd_shop(2_000, 730, seed=5)


@pytest.fixture(scope="module")
def learnt(shop):
    return fitted(shop, 640)


def test_the_regression_is_used_where_there_is_a_past(learnt):
    forecast, _ = learnt
    assert forecast.regression is not None
    assert forecast.reason == ""


def test_level_is_that_of_mbg_nbd(learnt):
    forecast, values = learnt
    customers = histories(values[:, 0], values[:, 1], values[:, 4])
    model = fit_mbg_nbd(customers)
    answer = forecast.score(values)
    assert answer["expected_orders"].sum() == pytest.approx(expected_orders(model, customers, 90).sum())
    assert answer["likely_to_buy"].mean() == pytest.approx(likely_to_buy(model, customers, 90).mean())


def test_sums_come_true_where_the_story_is_true(shop, learnt):
    forecast, values = learnt
    came = between(features_at(shop, 640), features_at(shop, 730))
    answer = forecast.score(values)
    assert answer["expected_orders"].sum() == pytest.approx(came.orders.sum(), rel=0.1)
    assert answer["expected_spend"].sum() == pytest.approx(came.spend.sum(), rel=0.15)
    assert answer["likely_to_buy"].mean() == pytest.approx((came.orders > 0).mean(), abs=0.03)
    inside = (came.spend >= answer["spend_low"]) & (came.spend <= answer["spend_high"])
    assert 0.75 <= inside.mean() <= 0.95


def test_money_is_orders_times_the_order_value_and_lies_in_its_range(learnt):
    forecast, values = learnt
    answer = forecast.score(values)
    k, mean = forecast.gamma_gamma.shrinkage, forecast.gamma_gamma.typical_order
    value = (values[:, 1] * values[:, 3] + k * mean) / (values[:, 1] + k)
    assert answer["expected_spend"] == pytest.approx(answer["expected_orders"] * value)
    assert (answer["spend_low"] <= answer["spend_high"]).all()


def test_one_row_and_many_get_the_same_numbers_to_the_last_bit(learnt):
    forecast, values = learnt
    many = np.tile(values, (9, 1))  # more than two blocks
    whole = forecast.score(many)
    for size in (1, 2, 7, 255, 256, 1_000):
        part = forecast.score(many[5 : 5 + size])
        for name in COLUMNS:
            assert np.array_equal(part[name], whole[name][5 : 5 + size]), (name, size)


def test_numbers_pass_through_json_without_loss(learnt):
    forecast, values = learnt
    scorer = Scorer(json.loads(json.dumps(forecast.as_dict(), allow_nan=False)))
    again = scorer.score(values)
    one_by_one = [scorer.score_one(customer[None]) for customer in values]
    assert one_by_one == [dict(zip(again, cells, strict=True)) for cells in zip(*again.values(), strict=True)]
    for name, column in forecast.score(values).items():
        assert np.array_equal(column, again[name]), name


def test_equal_input_gives_equal_numbers_and_is_left_alone(shop, learnt):
    forecast, values = learnt
    before = values.copy()
    again, _ = fitted(shop, 640)
    assert again.as_dict() == forecast.as_dict()
    assert np.array_equal(values, before)


def test_scoring_by_regression_needs_numpy_alone(tmp_path, learnt):
    forecast, values = learnt
    (tmp_path / "carried.py").write_text(Path(scoring.__file__).read_text())
    (tmp_path / "numbers.json").write_text(json.dumps(forecast.as_dict()))
    np.save(tmp_path / "values.npy", values)
    code = (
        "import sys, json; sys.modules['scipy'] = None; sys.modules['training'] = None\n"
        "import numpy as np, carried\n"
        "answer = carried.Scorer(json.load(open('numbers.json'))).score(np.load('values.npy'))\n"
        "np.save('spend.npy', answer['expected_spend'])"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env={"PYTHONPATH": str(tmp_path)})
    assert np.array_equal(np.load(tmp_path / "spend.npy"), forecast.score(values)["expected_spend"])


def test_coefficients_in_the_columns_own_units_are_those_of_scikit_learn(shop):
    then, now = features_at(shop, 550), features_at(shop, 640)
    orders = between(then, now).orders
    values = values_at(shop, 550)
    line = np.array(fit_regression(values, orders).orders)
    columns = np.column_stack(scoring.regressors(values[:, 0], values[:, 1], values[:, 4]))
    predicted = np.exp(line[0] + columns @ line[1:])
    assert predicted.sum() == pytest.approx(orders.sum(), rel=1e-6)  # as a Poisson regression's do
    standardised = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    other = PoissonRegressor(alpha=1e-3, max_iter=10_000, tol=1e-8).fit(standardised, orders)
    assert predicted == pytest.approx(other.predict(standardised), rel=1e-3)


def test_the_six_columns_by_hand():
    late, often, new, product, pace, share = scoring.regressors(*(np.array([n]) for n in (9.0, 4.0, 99.0)))
    logs = np.log([10, 4, 100, 1 + 9 * 4 / 99])
    assert [late[0], often[0], new[0], pace[0]] == pytest.approx(logs)
    assert product[0] == pytest.approx(logs[0] * logs[1])
    assert share[0] == pytest.approx(9 / 99)


def test_range_by_hand():
    expected = np.repeat([1.0, 10.0], 50)
    spend = np.concatenate([np.arange(50) / 49, np.full(50, 20.0)])  # 0 to 1 evenly; always twice as much
    assert fit_range(expected, spend) == ((0.0, 10.0), pytest.approx((0.1, 2.0)), pytest.approx((0.9, 2.0)))


def test_range_of_customers_who_are_all_alike():
    assert fit_range(np.full(30, 5.0), np.full(30, 10.0)) == ((0.0,), (2.0,), (2.0,))


def test_what_came_between_two_counts():
    columns = ["customer_id", "Frequency", "Monetary"]
    before = pd.DataFrame(
        [("ann", 2.0, 10.0), ("bob", 1.0, 5.0), ("gone", 3.0, 9.0), ("back", 2.0, 9.0)], columns=columns
    )
    after = pd.DataFrame(
        [("new", 1.0, 7.0), ("bob", 1.0, 5.0), ("ann", 4.0, 25.0), ("back", 3.0, 8.0)], columns=columns
    )
    assert between(before, after).orders.tolist() == [2, 0, 0, 1]
    assert between(before, after).spend.tolist() == [15, 0, 0, 0]
    assert lately(before, after).orders.tolist() == [1, 0, 2, 1]
    assert lately(before, after).spend.tolist() == [7, 0, 15, 0]


# Shops that are unlike others.


def one_time_buyers(customers=200):
    return shop_of([(str(n), 2.5 * n, 20.0 + n % 13) for n in range(customers)])


def all_on_one_day():
    return shop_of([(str(n), 3.0, 5.0 + n) for n in range(80) for _ in range(1 + n % 5)])


def last_week():
    rng = np.random.default_rng(0)
    return shop_of([(str(rng.integers(90)), 393 + rng.uniform(0, 7), rng.gamma(2) * 9) for _ in range(200)])


def one_with_3000_orders():
    rows = [("whale", 400 * n / 3_000, 3.0) for n in range(3_000)]
    return pd.concat([mbg_nbd_shop(300, 400, seed=2), shop_of(rows)], ignore_index=True)


def nobody_leaves():
    return shop_of([(str(n), day, 10.0) for n in range(120) for day in np.arange(n % 7, 400.0, 3 + n % 40)])


STRANGE = {
    "one-time buyers": one_time_buyers(),
    "all on one day": all_on_one_day(),
    "subscription": subscription(days=400),
    "50 customers": mbg_nbd_shop(50, 400, seed=3),
    "3 customers": mbg_nbd_shop(3, 400, seed=3),
    "one with 3,000 orders": one_with_3000_orders(),
    "sold only last week": last_week(),
    "nobody leaves": nobody_leaves(),
    "a cent": shop_of([(str(n), 3.0 * n % 390, 0.01) for n in range(200) for _ in range(2)]),
    "huge sums": shop_of([(str(n % 90), 2.0 * n % 390, 10.0 ** (n % 13)) for n in range(400)]),
}
EXTREMES = np.array(
    [
        [0, 1, 0, 0, 0],
        [1, 1, 0.01, 0.01, 1],
        [1, 1e9, 1e12, 1e3, 1e6],
        [1e9, 1, 5, 5, 1e9],
        [1e9, 1e9, 1e15, 1e6, 1e9],
        [0, 5, 10, 2, 1e7],
    ]
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", STRANGE)
def test_strange_shops_get_numbers_that_are_finite_and_possible(name):
    forecast, values = fitted(STRANGE[name], 400)
    json.dumps(forecast.as_dict(), allow_nan=False)
    for given in (values, EXTREMES):
        answer = forecast.score(given)
        assert tuple(answer) == COLUMNS
        for column, numbers in answer.items():
            assert np.isfinite(numbers).all(), column
            assert (numbers >= 0).all(), column
        assert (answer["likely_to_buy"] <= 1).all()
        assert (answer["spend_low"] <= answer["spend_high"]).all()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("one-time buyers", "0 of 125 customers bought"),
        ("all on one day", "0 of 80 customers bought in the last 90 days. Expected at least 20"),
        ("sold only last week", "The first order is 7 days old. Expected at least 180"),
        ("3 customers", "customers 90 days before"),
        ("50 customers", "customers 90 days before"),
    ],
)
def test_a_shop_that_has_nothing_to_learn_from_says_why(name, reason):
    forecast, _ = fitted(STRANGE[name], 400)
    assert forecast.regression is None
    assert re.search(reason, forecast.reason), forecast.reason


def test_one_time_buyers_are_expected_to_bring_next_to_nothing():
    forecast, values = fitted(STRANGE["one-time buyers"], 500)
    assert forecast.score(values)["expected_orders"].sum() < 2
    assert forecast.score(values)["spend_high"].max() == 0


def test_no_one_is_expected_to_order_far_more_than_anyone_has():
    forecast, _ = fitted(STRANGE["one with 3,000 orders"], 400)
    seen = 3_000 * HORIZON_DAYS / 400
    assert forecast.score(EXTREMES)["expected_orders"].max() <= 3 * seen


def test_without_a_past_the_range_is_that_of_the_models():
    orders = mbg_nbd_shop(3_000, 170, seed=8)
    forecast, values = fitted(orders, 100, horizon=60)
    assert forecast.reason.startswith("The first order is 100 days old. Expected at least 120")
    came = between(features_at(orders, 100), features_at(orders, 160))
    answer = forecast.score(values)
    inside = (came.spend >= answer["spend_low"]) & (came.spend <= answer["spend_high"])
    assert (
        0.78 <= inside.mean() <= 0.97
    )  # more than 80 %, because many spend nothing, and 0 is in most ranges
    assert answer["expected_orders"].sum() == pytest.approx(came.orders.sum(), rel=0.1)


@pytest.mark.parametrize(
    ("now", "match"),
    [
        (np.ones((3, 4)), r"features_now has the shape \(3, 4\). Expected \(n, 5\)"),
        (np.ones((0, 5)), "n at least 1"),
        ([[1, 1, 5, 5, np.nan]], "row 0: .*Expected finite"),
        ([[1, 1, 5, 5, 9], [1, 0, 5, 5, 9]], "row 1: .*Frequency of at least 1"),
        ([[9, 1, 5, 5, 3]], "Recency of at most Tenure"),
        ([[1, 1, 0, 0, 3]], "No customer of 1 has paid anything"),
    ],
)
def test_values_that_are_no_customers_are_refused(now, match):
    with pytest.raises(ValueError, match=match):
        fit_forecast(np.array(now, dtype=float))


def test_a_horizon_of_no_days_is_refused():
    with pytest.raises(ValueError, match=r"horizon_days is 0\. Expected at least 1 day"):
        fit_forecast(EXTREMES[1:2], horizon_days=0)


def test_arrays_that_do_not_belong_together_are_refused(shop):
    now, then = values_at(shop, 640), values_at(shop, 550)
    with pytest.raises(ValueError, match="orders_since has the shape"):
        fit_forecast(now, then, np.ones(3 + len(then)), np.ones(len(then)))
    with pytest.raises(ValueError, match="spend_since has the shape"):
        fit_forecast(now, then, np.ones(len(then)), np.full(len(then), -1.0))
