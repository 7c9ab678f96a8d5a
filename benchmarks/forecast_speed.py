"""How long a forecast takes to fit and to score, and in how much memory: `python benchmarks/forecast_speed.py`.

The shop is made up, from the models' own story: a rate, a chance to leave and an order value of each customer.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from training.value.forecast import fit_forecast

HISTORY_DAYS = 730
ORDERS_AT_MOST = 400
HORIZON_DAYS = 90


def shop(customers: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Features now, features `HORIZON_DAYS` before, and orders and spend since, of those who were there then."""
    rng = np.random.default_rng(seed)
    tenure = rng.integers(1, HISTORY_DAYS, customers).astype(float)
    rate, leaves = rng.gamma(0.6, 1 / 40, customers), rng.beta(0.8, 4, customers)
    worth = 30 * rng.lognormal(0, 0.7, customers)
    at = np.zeros(customers)  # days since the first order
    orders, then_orders, last, then_last = (np.zeros(customers) for _ in range(4))
    active = np.ones(customers, dtype=bool)
    for _ in range(ORDERS_AT_MOST):
        orders += active
        last = np.where(active, at, last)
        before = active & (at < tenure - HORIZON_DAYS)
        then_orders += before
        then_last = np.where(before, at, then_last)
        active &= rng.random(customers) > leaves
        at = at + np.where(active, rng.exponential(1 / np.maximum(rate, 1e-9)), 0)
        active &= at < tenure - 1
        if not active.any():
            break
    there = then_orders > 0
    then = table(then_orders, then_last, worth, tenure - HORIZON_DAYS)[there]
    since = (orders - then_orders)[there]
    return table(orders, last, worth, tenure), then, since, since * worth[there]


def table(orders: np.ndarray, last: np.ndarray, worth: np.ndarray, tenure: np.ndarray) -> np.ndarray:
    whole = np.minimum(np.maximum(np.ceil(tenure - last), 1), tenure)
    return np.column_stack([whole, orders, orders * worth, worth, tenure])


def median(work: Callable, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def peak() -> float:
    """GB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    given = parser.parse_args()
    now, then, orders, spend = shop(given.customers)
    held = peak()
    start, busy = time.perf_counter(), time.process_time()
    forecast = fit_forecast(now, then, orders, spend, HORIZON_DAYS)
    print(
        f"{len(now):,} customers ({len(then):,} before): fitted in {time.perf_counter() - start:.1f} s, "
        f"{time.process_time() - busy:.1f} s of them on a processor; "
        f"{peak():.2f} GB at most, {held:.2f} GB of it before."
    )
    for name, one in (("regression", forecast), ("MBG/NBD alone", fit_forecast(now[:20_000]))):
        score = one.score
        print(
            f"{name}: one row {median(lambda: score(now[:1]), 2_000) * 1e6:.0f} us, "  # noqa: B023
            f"all rows {median(lambda: score(now), 5):.3f} s"  # noqa: B023
        )


if __name__ == "__main__":
    main()
