"""MBG/NBD and Gamma-Gamma: known answers, slopes, and parameters that come back from simulated shops."""

from importlib.metadata import PackageNotFoundError, files

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from scipy.special import hyp2f1
from simulated import mbg_nbd_shop, values_at

from training.value import gamma_gamma, mbg_nbd
from training.value.gamma_gamma import GammaGamma, fit_gamma_gamma, paid
from training.value.mbg_nbd import count_histories, fit_mbg_nbd
from training.value.scoring import Histories, MbgNbd, expected_orders, histories, likely_to_buy, p_alive
from training.value.simulation import draw_orders, draw_spend

CDNOW = MbgNbd(0.5248, 6.183, 0.8914, 1.614)  # weeks
CUSTOMERS = Histories(
    np.array([0.0, 0, 2, 1, 7, 29]),
    np.array([0.0, 0, 30.43, 1.71, 20, 38]),
    np.array([38.86, 1, 38.86, 38.86, 39, 38.5]),
)


@pytest.fixture(scope="module")
def cdnow():
    """The CDNOW sample: x, t_x, T in weeks and the mean value of the repeat orders, of 2,357 customers."""
    name = "cdnow_customers_summary_with_transactions.csv"
    try:
        path = next(file for file in files("Lifetimes") or [] if file.name == name)
    except (PackageNotFoundError, StopIteration):
        pytest.skip("The package Lifetimes, which holds the CDNOW summary, is not installed")
    return pd.read_csv(path.locate())


def columns(table, *names):
    return [table[name].to_numpy(dtype=float) for name in names]


def test_mbg_nbd_of_cdnow(cdnow):
    customers = Histories(*columns(cdnow, "x", "t_x", "T"))
    model = fit_mbg_nbd(customers)
    assert model == pytest.approx(CDNOW, abs=6e-4)
    total, slope = mbg_nbd.log_likelihood(model, count_histories(customers))
    assert total == pytest.approx(-9582.13, abs=0.005)
    assert np.abs(slope).max() < 1e-3


def test_gamma_gamma_of_cdnow(cdnow):
    repeat = cdnow[cdnow.x > 0]
    assert len(repeat) == 946
    assert fit_gamma_gamma(*columns(repeat, "x", "zbar")) == pytest.approx((6.249, 3.745, 15.448), abs=1e-3)


def test_the_unit_of_time_is_the_givers(cdnow):
    weeks = Histories(*columns(cdnow, "x", "t_x", "T"))
    days = Histories(weeks.repeats, weeks.last * 7, weeks.age * 7)
    in_weeks, in_days = fit_mbg_nbd(weeks), fit_mbg_nbd(days)
    assert in_days == pytest.approx((in_weeks.r, in_weeks.alpha * 7, in_weeks.a, in_weeks.b), rel=1e-4)
    expected = expected_orders(in_weeks, weeks, 13)
    assert expected_orders(in_days, days, 91) == pytest.approx(expected, rel=1e-4)


def test_formulas_are_those_of_another_package():
    other = pytest.importorskip("clvkit.clv.mbgnbd")
    x, last, age = CUSTOMERS
    seen = {"frequency": x, "recency": last, "T": age}
    assert p_alive(CDNOW, CUSTOMERS) == pytest.approx(other._probability_alive(*CDNOW, **seen), rel=1e-12)
    expected = other._conditional_expected_purchases(*CDNOW, 39, **seen)
    assert expected_orders(CDNOW, CUSTOMERS, 39) == pytest.approx(expected, rel=1e-11)
    total = other._log_likelihood(*CDNOW, **seen).sum()
    assert mbg_nbd.log_likelihood(CDNOW, count_histories(CUSTOMERS))[0] == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("a", [0.4, 0.8914, 2.5])
def test_expected_orders_are_those_of_the_formula_before_eulers_transformation(a):
    r, alpha, _, b = CDNOW
    x, _, age = CUSTOMERS
    series = hyp2f1(r + x, b + x + 1, a + b + x, 39 / (alpha + age + 39))
    plain = (a + b + x) / (a - 1) * (1 - ((alpha + age) / (alpha + age + 39)) ** (r + x) * series)
    model = MbgNbd(r, alpha, a, b)
    assert expected_orders(model, CUSTOMERS, 39) == pytest.approx(plain * p_alive(model, CUSTOMERS), rel=1e-9)


def test_a_may_be_one():
    around = [expected_orders(CDNOW._replace(a=a), CUSTOMERS, 39) for a in (0.999, 1.0, 1.001)]
    assert around[1] == pytest.approx((around[0] + around[2]) / 2, rel=1e-4)


def test_who_never_leaves_orders_at_their_own_rate():
    model = MbgNbd(0.5, 6.0, 1e-3, 1e3)
    x, _, age = CUSTOMERS
    assert expected_orders(model, CUSTOMERS, 10) == pytest.approx((0.5 + x) / (6 + age) * 10, rel=1e-2)


@pytest.mark.parametrize("model", [CDNOW, MbgNbd(2.0, 30.0, 3.0, 0.5), MbgNbd(0.1, 500.0, 0.01, 40.0)])
def test_slopes_of_mbg_nbd_are_the_numeric_ones(model):
    counted = count_histories(CUSTOMERS)
    _, slope = mbg_nbd.log_likelihood(model, counted)
    numeric = approx_fprime(np.array(model), lambda p: mbg_nbd.log_likelihood(MbgNbd(*p), counted)[0], 1e-7)
    assert slope == pytest.approx(numeric, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("model", [GammaGamma(6.2, 3.7, 15.4), GammaGamma(0.5, 1.2, 300.0)])
def test_slopes_of_gamma_gamma_are_the_numeric_ones(model):
    customers = paid(np.array([1.0, 1, 2, 40]), np.array([5.0, 80, 20, 31.5]))
    _, slope = gamma_gamma.log_likelihood(model, customers)
    numeric = approx_fprime(
        np.array(model), lambda p: gamma_gamma.log_likelihood(GammaGamma(*p), customers)[0], 1e-7
    )
    assert slope == pytest.approx(numeric, rel=1e-4, abs=1e-4)


def test_equal_customers_are_counted():
    pairs = Histories(*(np.repeat(column, 3) for column in CUSTOMERS))
    total, slope = mbg_nbd.log_likelihood(CDNOW, count_histories(CUSTOMERS))
    thrice, slopes = mbg_nbd.log_likelihood(CDNOW, count_histories(pairs))
    assert len(count_histories(pairs).customers) == len(CUSTOMERS.age)
    assert thrice == pytest.approx(3 * total)
    assert slopes == pytest.approx(3 * slope)


@pytest.fixture(scope="module")
def simulated():
    """8,000 customers of two years with r 0.8, alpha 30 days, a 0.8, b 4, p 4, q 4, v 60."""
    return values_at(mbg_nbd_shop(8_000, 730, seed=1), 730)


def test_parameters_come_back_from_a_simulated_shop(simulated):
    recency, frequency, _, _, tenure = simulated.T
    model = fit_mbg_nbd(histories(recency, frequency, tenure))
    assert model.r == pytest.approx(0.8, rel=0.1)
    assert model.alpha == pytest.approx(30, rel=0.15)
    assert model.a / (model.a + model.b) == pytest.approx(0.8 / 4.8, rel=0.1)


def test_order_values_come_back_from_a_simulated_shop(simulated):
    model = fit_gamma_gamma(simulated[:, 1], simulated[:, 3])
    assert model.p == pytest.approx(4, rel=0.1)
    assert model.q == pytest.approx(4, rel=0.1)
    assert model.typical_order == pytest.approx(4 * 60 / 3, rel=0.05)
    assert model.shrinkage == pytest.approx(3 / 4, rel=0.1)


def test_shrinking_is_bounded_and_given_up_where_the_shop_has_no_mean():
    assert GammaGamma(0.1, 3.0, 5.0).shrinkage == 3
    assert GammaGamma(2.0, 1.0, 5.0).shrinkage == 0
    assert GammaGamma(2.0, 0.4, 5.0).typical_order == 0


def test_draws_agree_with_the_formulas():
    draws = 200_000
    for one in range(len(CUSTOMERS.age)):
        customer = Histories(*(column[[one]] for column in CUSTOMERS))
        many = Histories(*(np.repeat(column, draws) for column in customer))
        orders = draw_orders(CDNOW, many, 39, np.random.default_rng(one))
        error = orders.std() / np.sqrt(draws)
        assert orders.mean() == pytest.approx(expected_orders(CDNOW, customer, 39)[0], abs=4 * error)
        chance = likely_to_buy(CDNOW, customer, 39)[0]
        assert (orders > 0).mean() == pytest.approx(chance, abs=4 * np.sqrt(chance / draws))


def test_money_drawn_has_the_mean_of_the_shrunk_order_value():
    model, draws = GammaGamma(4.0, 5.0, 60.0), 200_000
    spend = draw_spend(
        model, *(np.full(draws, value) for value in (3.0, 20.0, 2.0)), np.random.default_rng(0)
    )
    value = (3 * 20 + model.shrinkage * model.typical_order) / (3 + model.shrinkage)
    assert spend.mean() == pytest.approx(2 * value, abs=4 * spend.std() / np.sqrt(draws))
    none = draw_spend(model, *(np.full(9, value) for value in (3.0, 20.0, 0.0)), np.random.default_rng(0))
    assert (none == 0).all()


def test_several_orders_of_one_day_are_one():
    history = histories(np.array([5.0, 5.0]), np.array([4.0, 4.0]), np.array([5.0, 9.0]))
    assert history.repeats.tolist() == [0, 3]
    assert history.last.tolist() == [0, 4]


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        ((0.0, 0.0, np.nan), "finite"),
        ((-1.0, 0.0, 5.0), "at least 0"),
        ((1.0, 6.0, 5.0), "not after now"),
        ((1.0, 0.0, 5.0), "time between"),
    ],
)
def test_a_history_that_cannot_be_is_refused(customer, expected):
    with pytest.raises(ValueError, match=expected):
        fit_mbg_nbd(Histories(*(np.array([value]) for value in customer)))


def test_order_values_of_nothing_are_refused():
    with pytest.raises(ValueError, match="above 0"):
        fit_gamma_gamma(np.array([1.0, 2.0]), np.array([3.0, 0.0]))
    with pytest.raises(ValueError, match="at least one"):
        fit_gamma_gamma(np.array([]), np.array([]))
