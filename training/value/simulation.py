"""What customers would spend if the fitted models were true: the range of a shop that has no past to learn it from."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from training.value.gamma_gamma import GammaGamma
from training.value.scoring import Floats, Histories, MbgNbd, p_alive

LARGEST_COUNT = 1e9  # orders that one draw may come to


def draw_orders(model: MbgNbd, customers: Histories, ahead: float, rng: Generator) -> Floats:
    """(n,) number of orders in the next `ahead` units of time, one draw a customer given the (n,) history.

    Given a history, an active customer's rate is gamma(r + x, alpha + T) and the chance to leave after an order is
    beta(a, b + x + 1); so the orders are those of a Poisson process, up to the one after which the customer leaves.
    """
    r, alpha, a, b = model
    x = customers.repeats
    active = rng.random(len(x)) < p_alive(model, customers)
    rate = rng.gamma(r + x) / (alpha + customers.age)
    wanted = rng.poisson(np.minimum(rate * ahead, LARGEST_COUNT))
    until_leaving = rng.geometric(np.clip(rng.beta(a, b + x + 1), 1 / LARGEST_COUNT, 1))
    return np.where(active, np.minimum(wanted, until_leaving), 0).astype(np.float64)


def draw_spend(
    model: GammaGamma, orders: Floats, mean: Floats, next_orders: Floats, rng: Generator
) -> Floats:
    """(n,) money that (n,) next orders sum to, given the (n,) orders so far and their (n,) mean value.

    Given those, a customer's nu is gamma(p n + q, v + n mean), and the sum of m orders is gamma(p m, nu).
    """
    p, q, v = model
    nu = rng.gamma(p * orders + q) / (v + orders * mean)
    return rng.gamma(np.maximum(p * next_orders, np.finfo(float).tiny)) / nu * (next_orders > 0)
