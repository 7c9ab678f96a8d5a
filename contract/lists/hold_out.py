"""A control group that is not written to, chosen by the customers' ids alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import numpy as np

from contract.lists.customers import Mask
from contract.lists.problems import ListError, shown

HASHED_BITS = 64
MOST_SHARE = 0.9


def share_of(text: str) -> float:
    """10% or 0.1 -> 0.1. Raises ListError."""
    percent = text.strip().endswith("%")
    number = text.strip().removesuffix("%").strip()
    share = (
        float(number) / (100 if percent else 1) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", number) else 0.0
    )
    if not 0 < share <= MOST_SHARE:
        raise ListError(
            f"holdout {shown(text)} cannot be used. Expected a share above 0% up to 90%, such as 10%."
        )
    return share


def held_out(ids: Iterable[str], share: float, seed: int) -> Mask:
    """(n,) whether each customer is in the control group of this share.

    A customer is when the hash of seed and id is in the lowest `share` of all hashes. So it is the same one at every
    download, after each training and in any order, and a smaller group is part of a larger one. Another seed chooses
    anew.
    """
    bound = int(share * 2**HASHED_BITS)
    start = hashlib.sha256(f"hold-out {seed}\0".encode())
    return np.fromiter((_hash(start, own) < bound for own in ids), dtype=bool)


def _hash(start: hashlib._Hash, text: str) -> int:
    digest = start.copy()
    digest.update(text.encode("utf-8", "surrogatepass"))
    return int.from_bytes(digest.digest()[: HASHED_BITS // 8], "big")
