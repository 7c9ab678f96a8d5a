"""Customers who asked to be forgotten, known by keyed hashes of their ids: their lines are left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis

STEP = "forgotten"  # of the funnel


@dataclass(frozen=True)
class Forgotten:
    """The key, a secret text, and the hashes: of the key, a line break, and the id of each customer."""

    key: str = field(repr=False)
    hashes: frozenset[str] = field(repr=False)

    def hash_of(self, customer: str) -> str:
        """The hash by which a customer is on the list."""
        return hashlib.sha256(f"{self.key}\n{customer}".encode("utf-8", "surrogatepass")).hexdigest()

    def among(self, customers: Iterable[object]) -> list[bool]:
        """Whether each of these ids is on the list."""
        return [self.hash_of(str(customer)) in self.hashes for customer in customers]

    def left_out(self, moments: ibis.Table) -> ibis.Table:
        """What `cleaning.moments` gives, with the funnel's step STEP for those on the list; any engine does it."""
        import ibis

        digest = (ibis.literal(f"{self.key}\n") + moments.customer_id).hexdigest("sha256")
        out = moments.step.isnull() & digest.isin(sorted(self.hashes)).fill_null(False)
        return moments.mutate(step=out.ifelse(STEP, moments.step))
