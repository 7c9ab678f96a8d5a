"""Numbers of a group of customers that a training writes and a server may have to work out anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def customers_for_half(spent: pd.Series) -> int:
    """The fewest customers who together bring at least half of what all of them (one or more) `spent`."""
    ordered = np.sort(spent.to_numpy())[::-1].cumsum()
    return int((ordered < ordered[-1] / 2).sum()) + 1
