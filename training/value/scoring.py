"""The formula that turns five features and the numbers of a fitted forecast into what a customer will bring.

It imports nothing of this project, so that a shipped model can carry it. With the regression it needs numpy alone;
a shop whose history is too short for one is scored by MBG/NBD, for which SciPy is imported when it is first used.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Number = TypeVar("Number", float, Floats)

COLUMNS = ("expected_orders", "expected_spend", "spend_low", "spend_high", "likely_to_buy")
BLOCK_ROWS = 8_192  # rows scored at a time: their columns stay in the processor's cache
COMPARED_FROM_ROWS = 256
LARGEST_LOGIT = 35.0  # beyond it a float64 probability is 0 or 1
LEAST_FROM_ONE = 1e-5  # the formula divides by a - 1


class MbgNbd(NamedTuple):
    """Parameters of an MBG/NBD model. `alpha` is in the unit of time of its histories; the others have no unit.

    While active, a customer orders at a rate of their own, gamma(shape r, rate alpha) among customers. After each
    order, the first included, they leave for good with a chance of their own, beta(a, b) among customers.
    """

    r: float
    alpha: float
    a: float
    b: float


class Histories(NamedTuple):
    """(n,) each: orders after the first one, time from the first to the last order, time from the first to now."""

    repeats: Floats
    last: Floats
    age: Floats


class Scorer:
    """Five features in, what to expect in the next `horizon_days` out, by the numbers of one fitted forecast."""

    def __init__(self, numbers: Mapping[str, Any]) -> None:
        """Keep `numbers`, as `Forecast.as_dict` gives them (JSON will do)."""
        self.horizon_days = float(numbers["horizon_days"])
        self.mbg_nbd = MbgNbd(**numbers["mbg_nbd"])
        self.shrinkage = float(numbers["shrinkage"])
        self.shrunk_to = self.shrinkage * float(numbers["typical_order"])
        starts, *factors = _numbers(numbers["range"])
        self.edges, self.factors = starts[1:], np.array(factors)
        given = numbers["regression"]
        self.by_regression = given is not None
        if self.by_regression:
            lines = _numbers([given["orders"], given["buying"]])  # (2, 7)
            self.intercept, self.slopes = lines[:, :1], list(lines[:, 1:, None].transpose(1, 0, 2))
            self.most = np.array([[given["most_log_orders"]], [LARGEST_LOGIT]])
            self.lines_of_one = [
                (line[0], line[1:], most)
                for line, most in zip(lines.tolist(), self.most[:, 0].tolist(), strict=True)
            ]
            self.edges_of_one, self.factors_of_one = self.edges.tolist(), self.factors.tolist()

    def score(self, values: Floats) -> dict[str, Floats]:
        """(n, 5) Recency, Frequency, Monetary, AverageOrderValue, Tenure to (n,) each of `COLUMNS`.

        expected_orders is a number of orders; expected_spend, spend_low and spend_high are money: the expectation and
        the range that holds the spend of four in five such customers; likely_to_buy is a probability.
        Values are taken as they are: finite, at least 0, Frequency at least 1, Recency at most Tenure.
        """
        if len(values) <= BLOCK_ROWS:
            return dict(zip(COLUMNS, self._block(values), strict=True))
        answer = np.empty((len(COLUMNS), len(values)))
        for start in range(0, len(values), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            for row, column in zip(answer, self._block(values[part]), strict=True):
                row[part] = column
        return dict(zip(COLUMNS, answer, strict=True))

    def score_one(self, values: Floats) -> dict[str, float]:
        """`score` of one customer (1, 5) in Python's numbers: the same to the last bit, and in a third of the time."""
        if not self.by_regression:
            return {name: float(column[0]) for name, column in self.score(values).items()}
        recency, frequency, _, average, tenure = values[0].tolist()
        orders, buying = self._orders_of_one(recency, frequency, tenure)
        spend = orders * self.order_value(frequency, average)
        low, high = (factors[bisect_right(self.edges_of_one, spend)] for factors in self.factors_of_one)
        return dict(zip(COLUMNS, (orders, spend, low * spend, high * spend, buying), strict=True))

    def _block(self, values: Floats) -> tuple[Floats, ...]:
        recency, frequency, _, average, tenure = np.ascontiguousarray(values.T)
        orders, buying = self._orders(recency, frequency, tenure)
        spend = orders * self.order_value(frequency, average)
        low, high = self.factors.take(self._place(spend), axis=1) * spend
        return orders, spend, low, high, buying

    def _orders_of_one(self, recency: float, frequency: float, tenure: float) -> tuple[float, float]:
        share = recency / max(tenure, 1.0)
        logs = np.log([recency + 1, frequency, tenure + 1, share * frequency + 1]).tolist()
        columns = (*logs[:3], logs[0] * logs[1], logs[3], share)
        lines = [
            min(_line(intercept, slopes, columns), most) for intercept, slopes, most in self.lines_of_one
        ]
        orders, odds = np.exp(lines).tolist()
        return orders, odds / (1 + odds)

    def order_value(self, frequency: Number, average: Number) -> Number:
        """(n,) number of orders and (n,) their mean value to the (n,) expected value of one more order, in money."""
        return (frequency * average + self.shrunk_to) / (frequency + self.shrinkage)

    def _orders(self, recency: Floats, frequency: Floats, tenure: Floats) -> tuple[Floats, Floats]:
        if not self.by_regression:
            customers = histories(recency, frequency, tenure)
            orders = expected_orders(self.mbg_nbd, customers, self.horizon_days)
            return orders, likely_to_buy(self.mbg_nbd, customers, self.horizon_days)
        line = self.intercept
        for slope, column in zip(self.slopes, regressors(recency, frequency, tenure), strict=True):
            line = line + slope * column
        orders, odds = np.exp(np.minimum(line, self.most))
        return orders, odds / (1 + odds)

    def _place(self, spend: Floats) -> NDArray[np.intp]:
        """(n,) the tenth of expected spend that each customer is in; of many, comparing with each edge is faster."""
        if len(spend) < COMPARED_FROM_ROWS:
            return self.edges.searchsorted(spend, side="right")
        place = np.zeros(len(spend), dtype=np.int8)
        for edge in self.edges:
            place += spend >= edge
        return place.astype(np.intp)


def regressors(recency: Floats, frequency: Floats, tenure: Floats) -> list[Floats]:
    """(n,) each, days and orders, to the six (n,) columns of the regressions, none of which has a unit.

    log1p R, log F, log1p T, their product log1p R x log F, log1p(R F / T): how late a customer is in orders of their
    own pace, and R / T: the share of their time since they last bought.
    """
    share = recency / np.maximum(tenure, 1.0)
    logs = np.log([recency + 1, frequency, tenure + 1, share * frequency + 1])
    return [logs[0], logs[1], logs[2], logs[0] * logs[1], logs[3], share]


def histories(recency: Floats, frequency: Floats, tenure: Floats) -> Histories:
    """(n,) each to what MBG/NBD wants; orders that are all of one day count as one."""
    last = tenure - recency
    return Histories(np.where(last > 0, frequency - 1, 0.0), last, tenure)


def p_alive(model: MbgNbd, customers: Histories) -> Floats:
    """(n,) the model's probability that a customer has not left; a step of the sums, not a figure to show.

    Batislam, Denizel and Filiztekin (2007), equation 5.
    """
    return np.exp(-np.logaddexp(0.0, log_odds_of_leaving(model, customers)))


def log_odds_of_leaving(model: MbgNbd, customers: Histories) -> Floats:
    """(n,) logarithm of the odds that a customer has left after the last order."""
    r, alpha, a, b = model
    x, last, age = customers
    return np.log(a) - np.log(b + x) + (r + x) * (np.log(alpha + age) - np.log(alpha + last))


def likely_to_buy(model: MbgNbd, customers: Histories, ahead: float) -> Floats:
    """(n,) probability of at least one order in the next `ahead` units of time: active, and not waiting longer."""
    r, alpha, _, _ = model
    waits = (r + customers.repeats) * np.log1p(ahead / (alpha + customers.age))
    return p_alive(model, customers) * -np.expm1(-waits)


def expected_orders(model: MbgNbd, customers: Histories, ahead: float) -> Floats:
    """(n,) expected number of orders in the next `ahead` units of time.

    The conditional expectation of Batislam, Denizel and Filiztekin (2007), appendix A, with the leading factor
    (a + b + x) / (a - 1), and with Euler's transformation of the hypergeometric function, which converges faster.
    It is kept between 0 and the expectation of customers who never leave.
    """
    from scipy.special import hyp2f1

    r, alpha, a, b = model
    a = a if abs(a - 1) >= LEAST_FROM_ONE else 1 + LEAST_FROM_ONE
    x, _, age = customers
    z = ahead / (alpha + age + ahead)
    c = a + b + x
    with np.errstate(all="ignore"):
        series = (1 - z) ** (a - 1) * hyp2f1(a + b - r, a - 1, c, z)
        orders = c / (a - 1) * (1 - series)
    most = (r + x) * ahead / (alpha + age)
    orders = np.where(np.isfinite(orders), np.clip(orders, 0, most), most)
    return orders * p_alive(model, customers)


def _line(intercept: float, slopes: Sequence[float], columns: Sequence[float]) -> float:
    """A regression's line for one customer, added up in the order of the columns."""
    line = intercept
    for slope, column in zip(slopes, columns, strict=True):
        line += slope * column
    return line


def _numbers(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)
