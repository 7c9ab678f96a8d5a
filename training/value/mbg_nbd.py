"""MBG/NBD fitted by maximum likelihood: how often a shop's customers order, and how soon they leave.

Source: Batislam, Denizel and Filiztekin (2007), "Empirical validation and comparison of models for customer base
analysis", International Journal of Research in Marketing 24(3). Unlike BG/NBD (Fader, Hardie and Lee 2005) it lets
a customer leave after the first order, so a one-time buyer is not active for ever.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from training.value.maximum import ascend, dot, spread
from training.value.scoring import Floats, Histories, MbgNbd

LARGEST_AGE = 52.0  # the unit of time is chosen so that no customer is older
STARTS = ((0.0, 1.0, 0.0, 0.0), (-1.0, 2.0, -1.0, 1.0))  # logarithms of r, alpha, a, b


class Counted(NamedTuple):
    """Different histories, one row each, and how many customers have each; (m,) each but the tables.

    `rows` are the histories, `places` the index of each of their three values in `values`, which holds the different
    numbers of repeat orders and the different times, and `repeats_customers` the customers with each such number.
    """

    rows: Histories
    customers: Floats
    places: tuple[NDArray[np.intp], ...]
    values: Histories
    repeats_customers: Floats


def fit_mbg_nbd(customers: Histories) -> MbgNbd:
    """(n,) histories to the parameters of highest likelihood, with `alpha` in the unit of time of the histories.

    Of many customers, a spread of them is fitted first, and all from where that ends.
    Raises ValueError unless there is a customer, and all values are finite, repeats and times at least 0, no last
    order after now, and no repeat order without time between the first and the last.
    """
    check_histories(customers)
    unit = max(1.0, float(customers.age.max()) / LARGEST_AGE)
    scaled = Histories(customers.repeats, customers.last / unit, customers.age / unit)
    some = spread(len(scaled.age))
    counted = count_histories(Histories(*(column[some] for column in scaled)))
    ends = [ascend(_mean_log_likelihood, start, counted) for start in STARTS]
    best = min(ends, key=lambda end: end.fun).x
    if len(some) < len(scaled.age):
        best = ascend(_mean_log_likelihood, best, count_histories(scaled)).x
    r, alpha, a, b = np.exp(best).tolist()
    return MbgNbd(r, alpha * unit, a, b)


def check_histories(customers: Histories) -> None:
    """Raise ValueError that says what is wrong with `customers`, if anything is."""
    x, last, age = customers
    rules = {
        "at least one customer": len(x) > 0,
        "finite numbers": all(np.isfinite(column).all() for column in customers),
        "repeats and times of at least 0": all((column >= 0).all() for column in customers),
        "a last order that is not after now": (last <= age).all(),
        "time between the first and the last of several orders": (last[x > 0] > 0).all(),
    }
    for expected, kept in rules.items():
        if not kept:
            raise ValueError(f"{len(x)} histories were given. Expected {expected}. Leave out the others.")


def count_histories(customers: Histories) -> Counted:
    """(n,) histories to the different ones among them with their counts."""
    found = [np.unique(column, return_inverse=True) for column in customers]
    codes = np.zeros(len(customers.age), dtype=np.int64)
    for values, places in found:
        codes = codes * len(values) + places
    _, first, count = np.unique(codes, return_index=True, return_counts=True)
    return Counted(
        Histories(*(column[first] for column in customers)),
        count.astype(np.float64),
        tuple(places[first] for _, places in found),
        Histories(*(values for values, _ in found)),
        np.bincount(found[0][1]).astype(np.float64),
    )


def log_likelihood(model: MbgNbd, counted: Counted) -> tuple[float, Floats]:
    """The logarithm of the likelihood of all customers, and its (4,) derivatives by r, alpha, a and b.

    What depends on the number of repeat orders alone is worked out once for each such number.
    """
    r, alpha, a, b = model
    x, n = counted.values.repeats, counted.repeats_customers
    total = n @ (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        + gammaln(a + b) + gammaln(b + x + 1) - gammaln(b) - gammaln(a + b + x + 1)
    )  # fmt: skip
    by_a = n @ (digamma(a + b) - digamma(a + b + x + 1))
    by_b = by_a + n @ (digamma(b + x + 1) - digamma(b))
    by_r = n @ (digamma(r + x) - digamma(r) + np.log(alpha))
    rows_total, rows_slope = _rows_part(model, counted)
    slope = np.array([by_r, n.sum() * r / alpha, by_a, by_b]) + rows_slope
    return float(total + rows_total), slope


def _rows_part(model: MbgNbd, counted: Counted) -> tuple[float, Floats]:
    """The part of the log-likelihood that depends on all of a history: still active, or gone after the last order.

    Logarithms are taken once for each different value, of which a shop has few, and looked up.
    """
    r, alpha, a, b = model
    (x, last, age), n = counted.rows, counted.customers
    at_x, at_last, at_age = counted.places
    log_last = np.log(alpha + counted.values.last).take(at_last)
    log_age = np.log(alpha + counted.values.age).take(at_age)
    longer, shape = log_age - log_last, r + x
    odds = (np.log(a) - np.log(b + counted.values.repeats)).take(at_x) + shape * longer
    small = np.exp(-np.abs(odds))
    gone = np.where(odds > 0, 1.0, small) / (1 + small)
    total = dot(n, np.maximum(odds, 0) + np.log(1 + small) - shape * log_age)
    by_r = dot(n, gone * longer - log_age)
    by_alpha = -dot(n, shape * ((1 - gone) / (alpha + age) + gone / (alpha + last)))
    by_b = -dot(n, gone / (b + x))
    return total, np.array([by_r, by_alpha, dot(n, gone) / a, by_b])


def _mean_log_likelihood(parameters: Floats, counted: Counted) -> tuple[float, Floats]:
    total, slope = log_likelihood(MbgNbd(*parameters.tolist()), counted)
    customers = counted.customers.sum()
    return total / customers, slope / customers
