"""Points turned on their side: one row a coordinate, so that a loop over points reads memory in one piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.clustering.compiled import WIDTH


def columns_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(WIDTH, n): one row a coordinate of points (n, d); missing ones are 0, which changes no distance."""
    columns = np.zeros((WIDTH, len(points)))  # each row in one piece, or its loop is not vectorised
    columns[: points.shape[1]] = points.T
    return columns
