"""What a shop's past says of a new model: who moved lately, and whether such segments would have held forward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from contract.names import FEATURES
from training.clustering.segmenter import Segmenter
from training.profiles import profile
from training.report.forward import Forward, forward_check, spend_between
from training.report.movement import Movement, movement_between
from training.shop import MIN_CUSTOMERS, Shop

MOVED_OVER = 30  # days
AHEAD = 90  # days of spend that are held against the segments of before
# A past too short makes everyone new. So: as long as the time compared, for movement; twice as long as the
# time looked ahead, for the forward check, whose segments are fitted anew.
BEFORE_MOVED = MOVED_OVER
BEFORE_AHEAD = 2 * AHEAD


@dataclass(frozen=True)
class Past:
    """Movement and forward check of one training; `missing` says why one could not be worked out."""

    movement: Movement | None
    forward: Forward | None
    missing: dict[str, str]

    @property
    def metrics(self) -> dict[str, float]:
        return self.forward.metrics if self.forward else {}

    @property
    def files(self) -> dict[str, Any]:
        """Artifacts by path: movement.json, fallen.csv, forward.json, those that there are."""
        files: dict[str, Any] = {}
        if self.movement:
            files |= {"movement.json": self.movement.as_json(), "fallen.csv": self.movement.fallen}
        if self.forward:
            files["forward.json"] = self.forward.as_json()
        return files


def look_back(shop: Shop, scored: pd.DataFrame, segmenter: Segmenter, names: list[str]) -> Past:
    """A shop, its customers as its new model scored them, and that model to what the past says of it.

    The shop is counted again as it was 30 days earlier (movement, under the same model) and 90 days
    earlier (forward check: a segmenter of the same setting is fitted there anew).
    """
    moved, ahead = None, None
    missing = {}
    then = _earlier(shop, MOVED_OVER, BEFORE_MOVED)
    if isinstance(then, str):
        missing["movement"] = then
    else:
        segment = segmenter.predict(then.customers[list(FEATURES)].to_numpy())
        moved = movement_between(
            then.customers.assign(segment=segment), scored, names, then.as_of, shop.as_of
        )
    then = _earlier(shop, AHEAD, BEFORE_AHEAD)
    if isinstance(then, str):
        missing["forward"] = then
    elif not np.ptp(spend := spend_between(then.customers, shop.customers)):
        missing["forward"] = (
            f"All customers of {then.as_of:%Y-%m-%d} spent the same in the {AHEAD} days after it."
        )
    else:
        again = clone(segmenter).set_params(eps=None, anomaly_rate=segmenter.anomalies_.mean())
        again.fit(then.customers[list(FEATURES)].to_numpy())
        table = profile(then.customers, again.labels_, again.anomalies_, FEATURES)
        known = dict(zip(table.segment, table.name, strict=True))
        ahead = forward_check(then.customers, again.labels_, known, spend, then.as_of, AHEAD)
    return Past(moved, ahead, missing)


def _earlier(shop: Shop, days: int, before: int) -> Shop | str:
    """The shop `days` earlier, or why there is too little of it: it must reach back `before` days more."""
    reach = int(shop.customers.Tenure.max())
    if reach < days + before:
        return (
            f"The data reach back {reach} days from {shop.as_of:%Y-%m-%d}. Expected at least {days + before}: "
            f"{days} to compare, and {before} before them."
        )
    then = shop.earlier(days)
    if len(then.customers) < MIN_CUSTOMERS:
        return (
            f"There were {len(then.customers)} customers on {then.as_of:%Y-%m-%d}. "
            f"Expected at least {MIN_CUSTOMERS}."
        )
    return then
