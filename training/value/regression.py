"""The order of customers, learnt from the shop's own last days, brought to the level of its MBG/NBD model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.value.scoring import LARGEST_LOGIT, Floats, regressors

PENALTY = 1e-3  # of the squared coefficients, so that columns that say the same share their weight
TOLERANCE = 1e-8  # of the gradient
MOST_TIMES_SEEN = 2.0  # no customer is expected to order more than twice as often as the one with most orders
LEAST_MEAN = 1e-6  # keeps a mean probability away from 0 and 1, whose logits are infinite


@dataclass(frozen=True)
class Regression:
    """Intercept and six coefficients (one a column of `scoring.regressors`) of the logarithm of the expected number
    of orders, and of the logit of the probability to buy; `most_log_orders` bounds the first.
    """

    orders: tuple[float, ...]
    buying: tuple[float, ...]
    most_log_orders: float


def fit_regression(values: Floats, orders: Floats) -> Regression:
    """(n, 5) features at a date and the (n,) orders of the days since, to the two regressions.

    The first is a Poisson regression of `orders`, the second a logistic one of any order at all. Where everyone, or
    no one, bought, the second has an intercept only.
    Raises ValueError when no one ordered, for then there is nothing to learn.
    """
    if not (orders > 0).any():
        raise ValueError(
            f"None of {len(orders)} customers ordered. Expected at least one. Fit no regression on these days."
        )
    columns = _columns(values)
    most = float(np.log(MOST_TIMES_SEEN * orders.max()))
    poisson = PoissonRegressor(alpha=PENALTY, solver="newton-cholesky", tol=TOLERANCE, max_iter=1000)
    lines = _line(poisson, columns, orders)
    if (orders > 0).all():
        return Regression(lines, (0.0,) * 7, most)
    logistic = LogisticRegression(solver="newton-cholesky", tol=TOLERANCE, max_iter=1000)
    return Regression(lines, _line(logistic, columns, np.sign(orders)), most)


def at_level(regression: Regression, values: Floats, orders: float, buying: float) -> Regression:
    """The same regression with other intercepts: over `values` (n, 5) the expected orders sum to `orders`, and the
    probabilities to buy have the mean `buying`.
    """
    columns = _columns(values)
    logs = np.minimum(_at(regression.orders, columns), regression.most_log_orders)
    up = float(np.log(max(orders, LEAST_MEAN) / np.exp(logs).sum()))
    logits = _at(regression.buying, columns)
    return Regression(
        _raised(regression.orders, up),
        _raised(regression.buying, _shift(logits, buying)),
        regression.most_log_orders + up,
    )


def _columns(values: Floats) -> Floats:
    recency, frequency, _, _, tenure = values.T
    return np.column_stack(regressors(recency, frequency, tenure))


def _line(model: Any, columns: Floats, target: Floats) -> tuple[float, ...]:
    """Intercept and coefficients in the columns' own units, of a model that is fitted to standardised columns."""
    scaler, fitted = make_pipeline(StandardScaler(), model).fit(columns, target)
    slopes = np.ravel(fitted.coef_) / scaler.scale_
    return float(np.ravel(fitted.intercept_)[0] - slopes @ scaler.mean_), *slopes.tolist()


def _at(line: tuple[float, ...], columns: Floats) -> Floats:
    return line[0] + columns @ np.array(line[1:])


def _raised(line: tuple[float, ...], by: float) -> tuple[float, ...]:
    return line[0] + by, *line[1:]


def _shift(logits: Floats, mean: float) -> float:
    """What to add to `logits` (n,) so that their probabilities have this mean."""
    wanted = min(max(mean, LEAST_MEAN), 1 - LEAST_MEAN)
    far = LARGEST_LOGIT + float(np.abs(logits).max())

    def miss(shift: float) -> float:
        return (
            float((1 / (1 + np.exp(-np.clip(logits + shift, -LARGEST_LOGIT, LARGEST_LOGIT)))).mean()) - wanted
        )

    return float(brentq(miss, -far, far, xtol=1e-10))
