"""The maximum of a likelihood over the logarithms of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from training.value.scoring import Floats

LARGEST_LOG = 7.0  # wider bounds give infinite expectations where nobody leaves
SPREAD_ROWS = 20_000  # customers fitted first; all from where that ends

Customers = TypeVar("Customers")
LogLikelihood = Callable[[Floats, Customers], tuple[float, Floats]]


def ascend(
    log_likelihood: LogLikelihood[Customers], start: Sequence[float] | Floats, customers: Customers
) -> OptimizeResult:
    """From `start`, logarithms of the parameters, to those of the highest likelihood (`x`), each at most 7 from 0.

    `log_likelihood` takes parameters and customers, and gives its value and its derivatives by the parameters.
    """

    def loss(logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(logs)
        value, slope = log_likelihood(parameters, customers)
        return -value, -slope * parameters

    return minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-LARGEST_LOG, LARGEST_LOG)] * len(start),
        options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 500},
    )


def spread(rows: int) -> NDArray[np.intp]:
    """The indices of at most `SPREAD_ROWS` of that many rows, evenly from the first to the last."""
    return np.linspace(0, rows - 1, min(rows, SPREAD_ROWS)).astype(np.intp)


def dot(weights: Floats, values: Floats) -> float:
    """The sum of the products of (n,) and (n,), in one thread: the same on machines of any number of cores."""
    return float(np.einsum("i,i->", weights, values))
