"""Gamma-Gamma fitted by maximum likelihood: what one more order of a customer is worth.

Source: Fader and Hardie (2013), "The Gamma-Gamma model of monetary value", note 025; Fader, Hardie and Lee (2005),
"RFM and CLV: using iso-value curves for customer base analysis", Journal of Marketing Research 42(4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln

from training.value.maximum import ascend, dot, spread
from training.value.scoring import Floats

# Logarithms of p, q and v.
START = tuple(np.log([2.0, 3.0, 1.0]).tolist())
LARGEST_SHRINKAGE = 3.0  # orders; a stronger pull towards the shop's mean ranks customers worse
LEAST_ABOVE_ONE = 0.01  # of q: nearer to 1, the shop's mean runs off to infinity


class GammaGamma(NamedTuple):
    """Orders of a customer are gamma(shape p, rate nu), nu is gamma(shape q, rate v) among customers; v is money."""

    p: float
    q: float
    v: float

    @property
    def shrinkage(self) -> float:
        """How many orders the shop's mean weighs beside a customer's own: k = (q - 1) / p, at most 3.

        0, which is the customer's plain mean, where q is so near to 1 that the shop has no finite mean.
        """
        return min((self.q - 1) / self.p, LARGEST_SHRINKAGE) if self.q > 1 + LEAST_ABOVE_ONE else 0.0

    @property
    def typical_order(self) -> float:
        """The mean value of an order of the shop's customers, each customer counted once; 0 where it is not finite."""
        return self.p * self.v / (self.q - 1) if self.q > 1 + LEAST_ABOVE_ONE else 0.0


class Paid(NamedTuple):
    """(n,) number of orders and money of each customer; the (d,) different numbers of orders, and how many customers
    have each; and two sums: of orders times log money, and of the log of the mean values.
    """

    orders: Floats
    money: Floats
    different: Floats
    having: Floats
    known: float
    log_mean: float


def fit_gamma_gamma(orders: Floats, mean: Floats) -> GammaGamma:
    """(n,) numbers of orders and (n,) their mean values (money, above 0) to the parameters of highest likelihood.

    Raises ValueError unless there is a customer, and all numbers are finite and above 0.
    """
    if not len(orders) or not all(
        (column > 0).all() and np.isfinite(column).all() for column in (orders, mean)
    ):
        raise ValueError(
            f"{len(orders)} customers were given. Expected at least one, with orders and mean values above 0. "
            "Leave out the others."
        )
    unit = float(np.exp(np.log(mean).mean()))
    some = spread(len(mean))
    best = ascend(_mean_log_likelihood, START, paid(orders[some], mean[some] / unit)).x
    if len(some) < len(mean):
        best = ascend(_mean_log_likelihood, best, paid(orders, mean / unit)).x
    p, q, v = np.exp(best).tolist()
    return GammaGamma(p, q, v * unit)


def paid(orders: Floats, mean: Floats) -> Paid:
    """(n,) numbers of orders and (n,) their mean values to what the likelihood needs of them."""
    money = orders * mean
    different, count = np.unique(orders, return_counts=True)
    known = dot(orders, np.log(money))
    return Paid(orders, money, different, count.astype(np.float64), known, float(np.log(mean).sum()))


def log_likelihood(model: GammaGamma, customers: Paid) -> tuple[float, Floats]:
    """The logarithm of the likelihood of all customers, and its (3,) derivatives by p, q and v."""
    p, q, v = model
    orders, money, different, having, known, log_mean = customers
    n, shape = len(orders), p * different
    with_v = v + money
    log_sum, share = np.log(with_v), 1 / with_v
    by_orders, all_logs = dot(orders, log_sum), float(log_sum.sum())
    total = (
        having @ (gammaln(shape + q) - gammaln(shape)) + n * (q * np.log(v) - gammaln(q))
        + p * known - log_mean - p * by_orders - q * all_logs
    )  # fmt: skip
    by_p = (having * different) @ (digamma(shape + q) - digamma(shape)) + known - by_orders
    by_q = having @ digamma(shape + q) + n * (np.log(v) - digamma(q)) - all_logs
    by_v = n * q / v - p * dot(orders, share) - q * share.sum()
    return float(total), np.array([by_p, by_q, by_v])


def _mean_log_likelihood(parameters: Floats, customers: Paid) -> tuple[float, Floats]:
    total, slope = log_likelihood(GammaGamma(*parameters.tolist()), customers)
    return total / len(customers.orders), slope / len(customers.orders)
