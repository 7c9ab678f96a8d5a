"""Segments with what their customers did next: a row per segment, and a cell per segment and state."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from contract.names import STATES
from training.report.advice import NO_SUCH_SEGMENT, TOO_FEW, TOO_SHORT, advice, unknown
from training.report.evidence import Behaviour, Evidence

LATE = STATES[-1]
EVIDENCE_COLUMNS = ("bought_again", "bought_again_se", "mean_spend", "mean_spend_se", "total_spend")


def with_evidence(profiles: pd.DataFrame, scored: pd.DataFrame, past: Behaviour) -> pd.DataFrame:
    """Profiles (one row per segment) with the evidence's columns, each with the prefix next_, and `action`.

    scored: one row per customer, with segment and Monetary. Where nothing is known the columns are null.
    """
    rows = []
    for segment in profiles.segment:
        evidence = past.segments.get(segment)
        rows.append(
            {f"next_{name}": getattr(evidence, name, None) for name in EVIDENCE_COLUMNS}
            | {"action": _advice(scored, scored.segment == segment, evidence, past, segment)}
        )
    return pd.concat([profiles, pd.DataFrame(rows, index=profiles.index).astype(_types())], axis=1)


def state_grid(scored: pd.DataFrame, profiles: pd.DataFrame, past: Behaviour) -> list[dict[str, Any]]:
    """One record per segment and state: customers and money of today, the evidence, and what to do.

    scored: one row per customer, with segment, state and Monetary.
    """
    cells = []
    for segment in profiles.segment.tolist():
        for state in STATES:
            own = (scored.segment == segment) & (scored.state == state)
            evidence = past.cells.get((segment, state))
            cells.append(
                {
                    "segment": segment,
                    "state": state,
                    "customers": int(own.sum()),
                    "revenue": float(scored.Monetary[own].sum()),
                    "evidence": None if evidence is None else asdict(evidence),
                    "action": _advice(scored, own, evidence, past, segment, state) if own.any() else "",
                }
            )
    return cells


def _advice(
    scored: pd.DataFrame,
    own: pd.Series,
    evidence: Evidence | None,
    past: Behaviour,
    segment: int,
    state: str = "",
) -> str:
    """What to do with the customers that `own` marks, all of one segment, and of one state where it is given."""
    if evidence is None:
        in_part = bool(state) and segment in past.segments
        return unknown(TOO_FEW if in_part else NO_SUCH_SEGMENT if past.shop else TOO_SHORT)
    above = int((scored.Monetary[own] > scored.Monetary.median()).sum())
    below_shop = bool(past.shop and evidence.mean_spend < past.shop.mean_spend)
    return advice(evidence, int(own.sum()), above, below_shop=below_shop, late=state == LATE)


def _types() -> dict[str, str]:
    return {f"next_{name}": "float64" for name in EVIDENCE_COLUMNS}
