"""What a shop's past says of a new model: who moved, what such segments foretold, what their customers did next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from contract import names
from contract.names import FEATURES
from training.clustering.segmenter import Segmenter
from training.identity import Segments, same_segments, segments_of
from training.report.evidence import NOTHING_KNOWN, Behaviour, evidence_of
from training.report.forward import CutOff, Forward, forward_check, spend_between
from training.report.movement import Movement, movement_between
from training.shop import MIN_CUSTOMERS, Shop
from training.states import shop_gap, states

MOVED_OVER = 30  # days
AHEAD = 90  # days of spend that are held against the segments of before
STEP = 30  # days from one cut-off to the next
MOST_CUT_OFFS = 12
NOBODY = 1e-9  # a share of customers that is nobody, as a rate that a Segmenter takes
# A past too short makes everyone new. So: as long as the time compared, for movement; twice as long as the
# time looked ahead, for the forward check, whose segments are fitted anew.
BEFORE_MOVED = MOVED_OVER
BEFORE_AHEAD = 2 * AHEAD


@dataclass(frozen=True)
class Lookback:
    """Movement, forward check and evidence of one training; `missing` says why one could not be worked out."""

    movement: Movement | None
    forward: Forward | None
    evidence: Behaviour
    missing: dict[str, str]

    @property
    def metrics(self) -> dict[str, float]:
        return self.forward.metrics if self.forward else {}

    @property
    def files(self) -> dict[str, Any]:
        """Artifacts by path: of movement and forward check, those that there are."""
        files: dict[str, Any] = {}
        if self.movement:
            files |= {names.MOVEMENT: self.movement.as_json(), names.FALLEN: self.movement.fallen}
        if self.forward:
            files[names.FORWARD] = self.forward.as_json()
        return files


def look_back(shop: Shop, segmenter: Segmenter, segments: Segments, scored: pd.DataFrame) -> Lookback:
    """A shop, its new model, that model's segments, and the customers as it scored them, to what the past says.

    The shop is counted again as it was 30 days earlier (movement, under the same model), and at cut-offs 90 days ago,
    120 days ago and so on, as far as the data reach (at most MOST_CUT_OFFS): there a segmenter of the same setting is
    fitted anew, and its segments are matched with today's as those of a retraining are.
    """
    earlier = _remembered(shop)
    missing: dict[str, str] = {}
    moved = None
    before = _long_enough(shop, earlier, MOVED_OVER, BEFORE_MOVED)
    if isinstance(before, str):
        missing["movement"] = before
    else:
        then = before.customers.assign(
            segment=segmenter.predict(before.customers[list(FEATURES)].to_numpy()),
            state=states(before.customers, shop_gap(shop.customers)),
        )
        moved = movement_between(then, scored, list(segments.names), before.as_of, shop.as_of)
    cut_offs = _cut_offs(shop, earlier, segmenter, segments)
    if isinstance(cut_offs, str):
        missing["forward"] = cut_offs
        return Lookback(moved, None, NOTHING_KNOWN, missing)
    ahead = forward_check(cut_offs, segments.names)
    return Lookback(moved, ahead, evidence_of(cut_offs, len(segments.names)), missing)


def _remembered(shop: Shop) -> Callable[[int], Shop]:
    """The shop as it was so many days ago, counted once for each number of days."""
    return cache(lambda days: shop.earlier(days) if days else shop)


def _cut_offs(
    shop: Shop, earlier: Callable[[int], Shop], segmenter: Segmenter, segments: Segments
) -> list[CutOff] | str:
    """The cut-offs that the past allows, latest first, or why there is none."""
    cut_offs: list[CutOff] = []
    fits: dict[datetime, tuple[Segmenter, Shop]] = {}
    for number in range(MOST_CUT_OFFS):
        days = AHEAD + number * STEP
        then = _long_enough(shop, earlier, days, BEFORE_AHEAD)
        if isinstance(then, str):
            return _with_leavers(cut_offs, fits) or then
        spend = spend_between(then.customers, earlier(days - AHEAD).customers)
        if not np.ptp(spend):
            return _with_leavers(cut_offs, fits) or (
                f"All customers of {then.as_of:%Y-%m-%d} spent the same in the {AHEAD} days after it."
            )
        rate = max(segmenter.anomalies_.mean(), NOBODY)
        again = clone(segmenter).set_params(eps=None, anomaly_rate=rate, init=None)
        again.fit(then.customers[list(FEATURES)].to_numpy())
        fits[then.as_of] = (again, then)
        same = same_segments(
            segments_of(again, segments.features, [""] * len(again.kmeans_.cluster_centers_)), segments
        )
        state = states(then.customers, shop_gap(then.customers))
        cut_offs.append(
            CutOff(then.as_of, AHEAD, then.customers, again.labels_, same[again.labels_], state, spend)
        )
    return _with_leavers(cut_offs, fits)


def _with_leavers(cut_offs: list[CutOff], fits: dict[datetime, tuple[Segmenter, Shop]]) -> list[CutOff]:
    """The same cut-offs, each but the earliest with those who left the best segment in the STEP days before it."""
    return [
        replace(cut_off, left_best=_left_best(*fits[cut_off.as_of], cut_offs[index + 1]))
        if index + 1 < len(cut_offs)
        else cut_off
        for index, cut_off in enumerate(cut_offs)
    ]


def _left_best(segmenter: Segmenter, then: Shop, before: CutOff) -> np.ndarray:
    """(n,) whether each customer of `then` was in the best segment at the cut-off `before` and is not any more."""
    best = int(segmenter.labels_.max())
    was = segmenter.predict(before.customers[list(FEATURES)].to_numpy()) == best
    left = then.customers.customer_id.isin(before.customers.customer_id[was]).to_numpy()
    return left & (segmenter.labels_ != best)


def _long_enough(shop: Shop, earlier: Callable[[int], Shop], days: int, before: int) -> Shop | str:
    """The shop `days` earlier, or why there is too little of it: it must reach back `before` days more."""
    reach = int(shop.customers.Tenure.max())
    if reach < days + before:
        return (
            f"The data reach back {reach} days from {shop.as_of:%Y-%m-%d}. Expected at least {days + before}: "
            f"{days} to compare, and {before} before them."
        )
    then = earlier(days)
    if len(then.customers) < MIN_CUSTOMERS:
        return (
            f"There were {len(then.customers)} customers on {then.as_of:%Y-%m-%d}. "
            f"Expected at least {MIN_CUSTOMERS}."
        )
    return then
