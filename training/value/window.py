"""What came between two counts of one shop."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from training.value.scoring import Floats

if TYPE_CHECKING:
    import pandas as pd


class Since(NamedTuple):
    """(n,) each, one a customer of the earlier count: the orders and the money until the later one, at least 0."""

    orders: Floats
    spend: Floats


def between(before: pd.DataFrame, after: pd.DataFrame) -> Since:
    """Two tables with customer_id, Frequency and Monetary, n and m rows, to what the n customers did in between.

    Who is no longer in `after`, all purchases taken back, ordered nothing and spent nothing.
    """
    columns = ["Frequency", "Monetary"]
    then = before[columns].to_numpy(dtype=np.float64)
    later = after.set_index("customer_id")[columns].reindex(before.customer_id).fillna(0.0)
    orders, spend = np.maximum(later.to_numpy(dtype=np.float64) - then, 0.0).T
    return Since(orders, spend)


def lately(before: pd.DataFrame, now: pd.DataFrame) -> Since:
    """The same two tables, n and m rows, to what the m customers of `now` did since `before` was counted."""
    columns = ["Frequency", "Monetary"]
    then = before.set_index("customer_id")[columns].reindex(now.customer_id).fillna(0.0)
    orders, spend = np.maximum(
        now[columns].to_numpy(dtype=np.float64) - then.to_numpy(dtype=np.float64), 0.0
    ).T
    return Since(orders, spend)
