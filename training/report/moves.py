"""Where each customer of today was at the earlier date of the movement table, one row each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from contract.lists.customers import NOBODY_BEFORE
from contract.lists.filters import ways
from training.profiles import by_value


def moves_of(before: pd.DataFrame, after: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Two tables of customers under one model, as `movement_between` takes them, to one row per customer of `after`.

    Columns: customer_id; from_segment (null for who was no customer then), from_name and from_state of the earlier
    date; moved: rose and fell go by the value of segments as `by_value` orders them; came, stayed.
    """
    then = before.set_index("customer_id").reindex(after.customer_id)
    rank = np.empty(len(names))
    rank[by_value(after, len(names))] = -np.arange(len(names))
    earlier = then.segment.to_numpy(dtype=np.float64)
    there = ~np.isnan(earlier)
    was = np.where(there, earlier, 0).astype(np.int64)
    change = np.where(there, rank[after.segment.to_numpy()] - rank[was], np.nan)
    return pd.DataFrame(
        {
            "customer_id": after.customer_id.to_numpy(),
            "from_segment": earlier,
            "from_name": np.where(there, np.array(names, dtype=object)[was], NOBODY_BEFORE),
            "from_state": then.state.to_numpy(),
            "moved": ways(change),
        }
    )
