"""Where each customer stands between two orders: one-time, active, due or late."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.names import STATES

Floats = NDArray[np.float64]

DUE_FROM_GAPS = 1.0  # own gaps since the last order after which a customer is due
LATE_FROM_GAPS = 2.0  # ... and after which a customer is late
PRIOR_ORDERS = 2.0  # gaps of the shop's median that each customer's own gaps are averaged with


def shop_gap(customers: pd.DataFrame) -> float:
    """The shop's median number of days between two orders of a customer; nan where nobody came back on another day.

    customers: one row per customer, with Recency, Frequency and Tenure. Counted are those with two orders or more on
    different days: (Tenure - Recency) / (Frequency - 1) days each.
    """
    repeating = customers[_came_back(customers)]
    gaps = (repeating.Tenure - repeating.Recency) / (repeating.Frequency - 1)
    return float(gaps.median()) if len(gaps) else float("nan")


def second_order_gap(customers: pd.DataFrame) -> float:
    """The median number of days from a first to a second order; nan where nobody has exactly two, on different days."""
    pairs = customers[_came_back(customers) & (customers.Frequency == 2)]
    return float((pairs.Tenure - pairs.Recency).median()) if len(pairs) else float("nan")


def states(customers: pd.DataFrame, gap: float) -> NDArray[np.object_]:
    """(n,) the state of each customer (one row each), given the shop's median `gap` in days.

    A customer's own gap is the mean of the days between their orders and of two gaps of the shop's:
    (Tenure - Recency + 2 gap) / (Frequency - 1 + 2). Up to one own gap after the last order they are active, up to two
    they are due, and after that late. Who ordered once, or on one day only, is one-time. The shipped model computes
    the same.
    """
    own = own_gaps(customers, gap)
    recency = customers.Recency.to_numpy(dtype=np.float64)
    since = np.where(recency <= DUE_FROM_GAPS * own, 1, np.where(recency <= LATE_FROM_GAPS * own, 2, 3))
    index = np.where(_came_back(customers), since, 0)
    return np.array(STATES, dtype=object)[index]


def own_gaps(customers: pd.DataFrame, gap: float) -> Floats:
    """(n,) the days between two orders to expect of each customer; of who ordered once it is the shop's `gap`."""
    prior = 0.0 if np.isnan(gap) else PRIOR_ORDERS
    days = (customers.Tenure - customers.Recency).to_numpy(dtype=np.float64) + prior * np.nan_to_num(gap)
    return days / np.maximum(customers.Frequency.to_numpy(dtype=np.float64) - 1 + prior, 1.0)


def _came_back(customers: pd.DataFrame) -> NDArray[np.bool_]:
    return ((customers.Frequency >= 2) & (customers.Tenure > customers.Recency)).to_numpy()
