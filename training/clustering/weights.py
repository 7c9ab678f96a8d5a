"""What each feature counts in k-means' distances. DBSCAN's distances are not weighted.

Five equal weights give two groups of equal money and one that only means "newcomer". These weights are fixed: they
are not searched, because a search for what foretells spend best in one shop's past fits that past too closely.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "Recency": 0.7,
    "Frequency": 1.0,
    "Monetary": 1.0,
    "AverageOrderValue": 0.25,
    "Tenure": 0.25,
}


def weights_of(features: Sequence[str], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """(d,) the weights of `features`, in their order."""
    return np.array([weights[name] for name in features])


def written(weights: Mapping[str, float]) -> str:
    """Weights as the option and the run's parameters write them: "Recency=0.7,Frequency=1"."""
    return ",".join(f"{name}={weight:g}" for name, weight in weights.items())
