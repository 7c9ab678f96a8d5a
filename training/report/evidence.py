"""What customers such as those of a segment did next, in the shop's own past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.names import STATES
from training.report.forward import CutOff

LEAST_CUSTOMERS = 20  # of a group at a cut-off, on average, from which its numbers are told


@dataclass(frozen=True)
class Evidence:
    """What a group's customers did in the `days` after a cut-off; means over the cut-offs, with standard errors.

    customers: how many there were; bought_again: the share who spent anything; mean_spend: money per customer, those
    who bought nothing included; total_spend: money of all of them. The errors are those of one cut-off: the cut-offs
    share most of their customers, so more of them make the mean no surer.
    """

    days: int
    cut_offs: int
    customers: float
    bought_again: float
    bought_again_se: float
    mean_spend: float
    mean_spend_se: float
    total_spend: float

    @property
    def spend_of_buyers(self) -> float:
        """Money per customer who bought."""
        return self.mean_spend / self.bought_again if self.bought_again else 0.0


@dataclass(frozen=True)
class Behaviour:
    """The evidence for the whole shop, each segment of today, each segment and state, and who left the best segment.

    A group that had too few customers, or whose segment was not there at the cut-offs, has none.
    """

    shop: Evidence | None
    segments: dict[int, Evidence]
    cells: dict[tuple[int, str], Evidence]
    left_best: Evidence | None

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "shop": _plain(self.shop),
            "segments": {str(number): asdict(evidence) for number, evidence in self.segments.items()},
            "cells": [
                {"segment": segment, "state": state, **asdict(evidence)}
                for (segment, state), evidence in self.cells.items()
            ],
            "left_best": _plain(self.left_best),
        }


NOTHING_KNOWN = Behaviour(None, {}, {}, None)


def evidence_of(cut_offs: Sequence[CutOff], segments: int) -> Behaviour:
    """What each group did after the cut-offs (one or more); `segments` is the number of segments of today."""
    everyone = [np.ones(len(cut_off.spend), dtype=bool) for cut_off in cut_offs]
    by_segment = {
        number: group
        for number in range(segments)
        if (group := _evidence(cut_offs, [cut_off.same_as == number for cut_off in cut_offs]))
    }
    cells = {
        (number, state): group
        for number in by_segment
        for state in STATES
        if (group := _evidence(cut_offs, [(c.same_as == number) & (c.state == state) for c in cut_offs]))
    }
    known = [cut_off for cut_off in cut_offs if cut_off.left_best is not None]
    left = _evidence(known, [cut_off.left_best for cut_off in known if cut_off.left_best is not None])
    return Behaviour(_evidence(cut_offs, everyone), by_segment, cells, left)


def _evidence(cut_offs: Sequence[CutOff], members: Sequence[NDArray[np.bool_]]) -> Evidence | None:
    """The evidence of the customers that `members` (n,) marks at each cut-off; None where there are too few."""
    spends = [cut_off.spend[own] for cut_off, own in zip(cut_offs, members, strict=True) if own.any()]
    if not spends or np.mean([len(spend) for spend in spends]) < LEAST_CUSTOMERS:
        return None
    shares = np.array([(spend > 0).mean() for spend in spends])
    share_errors = np.array(
        [((spend > 0).std(ddof=1)) / np.sqrt(len(spend)) for spend in spends if len(spend) > 1]
    )
    mean_errors = np.array([spend.std(ddof=1) / np.sqrt(len(spend)) for spend in spends if len(spend) > 1])
    return Evidence(
        cut_offs[0].days,
        len(spends),
        float(np.mean([len(spend) for spend in spends])),
        float(shares.mean()),
        float(np.sqrt((share_errors**2).mean())),
        float(np.mean([spend.mean() for spend in spends])),
        float(np.sqrt((mean_errors**2).mean())),
        float(np.mean([spend.sum() for spend in spends])),
    )


def _plain(evidence: Evidence | None) -> dict[str, Any] | None:
    return None if evidence is None else asdict(evidence)
