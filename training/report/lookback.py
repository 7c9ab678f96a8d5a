"""What a shop's past says of a new model: who moved, what such segments foretold, what their customers did next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from contract import names
from contract.names import FEATURES
from training.report.evidence import NOTHING_KNOWN, Behaviour, evidence_of
from training.report.forward import CutOff, Forward, forward_check, spend_between
from training.report.histories import segments_on_days
from training.report.movement import Movement, movement_between
from training.report.moves import moves_of
from training.report.past import MOST_CUT_OFFS, STEP, Past, Segmented
from training.shop import Shop
from training.states import shop_gap, states

MOVED_OVER = 30  # days
AHEAD = 90  # days of spend that are held against the segments of before
# A past too short makes everyone new. So: as long as the time compared, for movement; twice as long as the
# time looked ahead, for the forward check, whose segments are fitted anew.
BEFORE_MOVED = MOVED_OVER
BEFORE_AHEAD = 2 * AHEAD


@dataclass(frozen=True)
class Lookback:
    """Movement, forward check and evidence of one training; `missing` says why one could not be worked out.

    moves: where each customer was before, as `moves_of` has it; None without movement. past_segments: where each was
    on the earlier days that were counted; None without any.
    """

    movement: Movement | None
    forward: Forward | None
    evidence: Behaviour
    missing: dict[str, str]
    moves: pd.DataFrame | None = None
    past_segments: pd.DataFrame | None = None

    @property
    def metrics(self) -> dict[str, float]:
        return self.forward.metrics if self.forward else {}

    @property
    def files(self) -> dict[str, Any]:
        """Artifacts by path: of movement and forward check, those that there are."""
        files: dict[str, Any] = {}
        if self.movement:
            files |= {names.MOVEMENT: self.movement.as_json(), names.FALLEN: self.movement.fallen}
        if self.moves is not None:
            files[names.MOVES] = self.moves
        if self.past_segments is not None:
            files[names.PAST_SEGMENTS] = self.past_segments
        if self.forward:
            files[names.FORWARD] = self.forward.as_json()
        return files


def look_back(past: Past, scored: pd.DataFrame) -> Lookback:
    """The past of a shop under its new model, and the customers as that model scored them, to what the past says.

    The shop is counted again as it was 30 days earlier (movement, under the same model), and at cut-offs 90 days ago,
    120 days ago and so on, as far as the data reach (at most MOST_CUT_OFFS): there a segmenter of the same setting is
    fitted anew, and its segments are matched with today's as those of a retraining are. Of very many customers a
    uniform sample is `tested` at the cut-offs.
    """
    missing: dict[str, str] = {}
    before = _before(past)
    moved, moves = None, None
    if isinstance(before, str):
        missing["movement"] = before
    else:
        segment_names = list(past.segments.names)
        moved = movement_between(before.customers, scored, segment_names, before.as_of, past.shop.as_of)
        moves = moves_of(before.customers, scored, segment_names)
    cut_offs = _cut_offs(past.tested)
    numbers = range(0 if isinstance(cut_offs, str) else len(cut_offs))
    at_cut_offs = (past.earlier(AHEAD + number * STEP) for number in numbers)
    before_today = (
        None if isinstance(before, str) else segments_on_days(past, chain([before], at_cut_offs), scored)
    )
    if isinstance(cut_offs, str):
        missing["forward"] = cut_offs
        return Lookback(moved, None, NOTHING_KNOWN, missing, moves, before_today)
    names_of_today = past.segments.names
    ahead = forward_check(cut_offs, names_of_today, past.tested.sample_note)
    evidence = evidence_of(cut_offs, len(names_of_today))
    return Lookback(moved, ahead, evidence, missing, moves, before_today)


def _before(past: Past) -> Shop | str:
    """The shop MOVED_OVER days ago, with segment and state under the model of today, or why that is not known."""
    before = past.long_enough(MOVED_OVER, BEFORE_MOVED)
    if isinstance(before, str):
        return before
    customers = before.customers.assign(
        segment=past.segmenter.predict(before.customers[list(FEATURES)].to_numpy()),
        state=states(before.customers, shop_gap(past.shop.customers)),
    )
    return replace(before, customers=customers)


def _cut_offs(past: Past) -> list[CutOff] | str:
    """The cut-offs that the past allows, latest first, or why there is none."""
    cut_offs: list[CutOff] = []
    fits: dict[datetime, Segmented] = {}
    for number in range(MOST_CUT_OFFS):
        days = AHEAD + number * STEP
        then = past.long_enough(days, BEFORE_AHEAD)
        if isinstance(then, str):
            return _with_leavers(cut_offs, fits) or then
        spend = spend_between(then.customers, past.earlier(days - AHEAD).customers)
        if not np.ptp(spend):
            return _with_leavers(cut_offs, fits) or (
                f"All customers of {then.as_of:%Y-%m-%d} spent the same in the {AHEAD} days after it."
            )
        own = fits[then.as_of] = past.segmented(days)
        segment = own.segmenter.labels_
        cut_offs.append(CutOff(then.as_of, AHEAD, then.customers, segment, own.same_as, own.state, spend))
    return _with_leavers(cut_offs, fits)


def _with_leavers(cut_offs: list[CutOff], fits: dict[datetime, Segmented]) -> list[CutOff]:
    """The same cut-offs, each but the earliest with those who left the best segment in the STEP days before it."""
    return [
        replace(cut_off, left_best=_left_best(fits[cut_off.as_of], cut_offs[index + 1]))
        if index + 1 < len(cut_offs)
        else cut_off
        for index, cut_off in enumerate(cut_offs)
    ]


def _left_best(then: Segmented, before: CutOff) -> np.ndarray:
    """(n,) whether each customer of `then` was in the best segment at the cut-off `before` and is not any more."""
    segmenter = then.segmenter
    best = int(segmenter.labels_.max())
    was = segmenter.predict(before.customers[list(FEATURES)].to_numpy()) == best
    left = then.shop.customers.customer_id.isin(before.customers.customer_id[was]).to_numpy()
    return left & (segmenter.labels_ != best)
