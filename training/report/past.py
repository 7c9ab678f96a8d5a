"""A shop as it was on earlier days: each is segmented once in a training, and counted once unless it is very large."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from contract.names import FEATURES
from training.clustering.segmenter import Segmenter
from training.identity import Segments, same_segments, segments_of
from training.shop import MIN_CUSTOMERS, Shop
from training.states import shop_gap, states

STEP = 30  # days from one cut-off to the next
MOST_CUT_OFFS = 12
MOST_TESTED = 1_050_000  # customers at each cut-off; a training's own sample of a million may have a few more
TESTED_OF_MORE = 500_000  # of more customers so many are tested: a dozen days of a million take gigabytes
NOBODY = 1e-9  # a share of customers that is nobody, as a rate that a Segmenter takes


@dataclass(frozen=True)
class Segmented:
    """A shop of an earlier day under a segmenter of today's setting, fitted to it anew.

    same_as: (n,) today's segment that each customer's of then is, or -1; state: (n,) of then.
    """

    shop: Shop
    segmenter: Segmenter
    same_as: NDArray[np.int64]
    state: NDArray[np.object_]


@dataclass(frozen=True)
class Past:
    """The past of `shop`, whose customers of today `segmenter` put into `segments`."""

    shop: Shop
    segmenter: Segmenter
    segments: Segments
    _counted: dict[int, Shop] = field(default_factory=dict, repr=False)
    _segmented: dict[int, Segmented] = field(default_factory=dict, repr=False)

    @cached_property
    def tested(self) -> Past:
        """The past of a uniform sample of about TESTED_OF_MORE customers; itself up to MOST_TESTED."""
        if len(self.shop.customers) <= MOST_TESTED:
            return self
        return Past(self.shop.sampled(TESTED_OF_MORE), self.segmenter, self.segments)

    @property
    def sample_note(self) -> str:
        """Who this is about, to stand in a sentence, where that is not all customers."""
        shop = self.shop
        return f", on a uniform sample of {len(shop.customers):,} customers" if shop.sample else ""

    def earlier(self, days: int) -> Shop:
        """The shop as it was so many days ago. Very many customers are counted again each time, and not kept."""
        if days == 0:
            return self.shop
        if self.tested is not self:
            return self.shop.earlier(days)
        if days not in self._counted:
            self._counted[days] = self.shop.earlier(days)
        return self._counted[days]

    def segmented(self, days: int) -> Segmented:
        """The shop of so many days ago in segments of then, which are matched with today's as a retraining's are."""
        if days not in self._segmented:
            self._segmented[days] = self._segment(self.earlier(days))
        return self._segmented[days]

    def long_enough(self, days: int, before: int) -> Shop | str:
        """The shop `days` earlier, or why there is too little of it: it must reach back `before` days more."""
        reach = int(self.shop.customers.Tenure.max())
        if reach < days + before:
            return (
                f"The data reach back {reach} days from {self.shop.as_of:%Y-%m-%d}. Expected at least "
                f"{days + before}: {days} to compare, and {before} before them."
            )
        then = self.earlier(days)
        if len(then.customers) < MIN_CUSTOMERS:
            return (
                f"There were {len(then.customers)} customers on {then.as_of:%Y-%m-%d}. "
                f"Expected at least {MIN_CUSTOMERS}."
            )
        return then

    def _segment(self, then: Shop) -> Segmented:
        share = max(float(self.segmenter.anomalies_.mean()), NOBODY)
        again = clone(self.segmenter).set_params(eps=None, anomaly_rate=share, init=None)
        again.fit(then.customers[list(FEATURES)].to_numpy())
        # Nearly all customers' numbers again, to flag new customers: nobody does that here.
        del again.core_samples_
        unnamed = [""] * len(again.kmeans_.cluster_centers_)
        same = same_segments(segments_of(again, self.segments.features, unnamed), self.segments)
        state = states(then.customers, shop_gap(then.customers))
        return Segmented(then, again, same[again.labels_], state)
