"""Segments' numbers, one a customer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
SHORT = 2**15  # numbers below are sorted as 16 bits, for which numpy counts them and compares none


def by_label(labels: Ints) -> Ints:
    """(n,) the order that sorts `labels` (n,; 0 or more), and leaves equal ones as they stand."""
    short = labels.max(initial=0) < SHORT
    return np.argsort(labels.astype(np.int16) if short else labels, kind="stable")
