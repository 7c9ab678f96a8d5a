"""Customers for the benchmarks: the real or the demo shop's, and as many more like them as a size asks for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from contract.names import FEATURES
from training.clustering.segmenter import standardise
from training.demo import write_demo
from training.shop import Reading, count_customers

NOISE_DEVIATION = 0.15  # standard deviation of the noise on log1p of a number


def base(folder: Path) -> tuple[str, np.ndarray]:
    """The name of the shop and its features (n, 5): UCI Online Retail where SEGMENTS_REAL_DATA is set."""
    real_data = os.environ.get("SEGMENTS_REAL_DATA")
    source = Path(real_data) if real_data else write_demo(folder / "demo.csv.gz")
    customers = count_customers([str(source)], Reading()).customers
    return ("UCI Online Retail" if real_data else "demo shop"), customers[list(FEATURES)].to_numpy()


def grown(customers: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """(n, 5): customers drawn again with noise; the relations between their numbers still hold.

    Frequency stays whole, Monetary is AverageOrderValue times Frequency, Tenure at least Recency, and
    equal to it for one order.
    """
    if n == len(customers):
        return customers
    random = np.random.default_rng(seed)
    recency, frequency, _, average, tenure = customers[random.integers(len(customers), size=n)].T

    def shaken(values: np.ndarray) -> np.ndarray:
        return np.expm1(np.log1p(values) + random.normal(0, NOISE_DEVIATION, n))

    orders = np.where(frequency == 1, 1, np.maximum(1, np.rint(shaken(frequency))))
    basket = np.maximum(0.01, shaken(average))
    since_last = np.maximum(1, np.rint(shaken(recency)))
    between = np.where(orders == 1, 0, np.maximum(0, np.rint(shaken(tenure - recency))))
    return np.column_stack([since_last, orders, basket * orders, basket, since_last + between])


def points(customers: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """(n, 5) standardised, in an order that gives no tree an advantage."""
    return standardise(grown(customers, n, seed))[1]
