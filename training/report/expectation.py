"""What each segment, and each segment and state, is expected to bring, and what is at risk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from contract.forecast_words import group_sentence
from contract.names import GROUP_FORECAST
from training.value.groups import LEFT_OFF, GroupsBefore, Total

NOTHING_EXPECTED = dict.fromkeys(GROUP_FORECAST)


def shop_total(scored: pd.DataFrame, before: GroupsBefore) -> dict[str, float | None]:
    """All scored customers together: customers, expected_orders, and the columns of GROUP_FORECAST but the last."""
    orders, total = _total(scored, before)
    return {"customers": len(scored), "expected_orders": orders, **_columns(total)}


def with_expectation(
    profiles: pd.DataFrame, scored: pd.DataFrame, before: GroupsBefore | None
) -> pd.DataFrame:
    """Profiles (one row per segment) with the columns of GROUP_FORECAST; null without a forecast (`before` is None).

    scored: one row per customer, with segment, state, expected_orders and expected_spend. value_at_risk is that of
    the segment's customers who are due or late.
    """
    rows = [dict(NOTHING_EXPECTED) for _ in profiles.segment]
    if before is not None:
        for row, segment in zip(rows, profiles.segment.tolist(), strict=True):
            own = scored[scored.segment == segment]
            risks = [value_at_risk(own[own.state == state], segment, before) for state in LEFT_OFF]
            known = [risk for risk in risks if risk is not None]
            row |= _columns(_total(own, before)[1])
            row["value_at_risk"] = sum(known) if known else None
    columns = pd.DataFrame(rows, columns=list(GROUP_FORECAST), index=profiles.index)
    return profiles.join(columns.astype("float64"))


def cell_expectation(
    cell: Mapping[str, Any], scored: pd.DataFrame, before: GroupsBefore | None, days: int
) -> dict[str, Any]:
    """What a cell of a segment and a state (of `state_grid`) is expected to bring: the columns of GROUP_FORECAST.

    `expectation` says it in a sentence, for the next `days`; it is empty where there is nobody, or no forecast.
    """
    if before is None:
        return NOTHING_EXPECTED | {"expectation": ""}
    own = scored[(scored.segment == cell["segment"]) & (scored.state == cell["state"])]
    total = _total(own, before)[1]
    risk = value_at_risk(own, cell["segment"], before) if cell["state"] in LEFT_OFF else None
    sentence = expected_sentence(len(own), total, days) if len(own) else ""
    return {**_columns(total), "value_at_risk": risk, "expectation": sentence}


def value_at_risk(customers: pd.DataFrame, segment: int, before: GroupsBefore) -> float | None:
    """What so many customers of the segment brought when they were active, less what is expected of these; money.

    None where too few were active at the cut-offs; never below 0.
    """
    active = before.spend_when_active(segment)
    if active is None:
        return None
    return max(active * len(customers) - float(customers.expected_spend.sum()), 0.0)


def expected_sentence(customers: int, total: Total, days: int) -> str:
    """38 -> "38 customers, expected to bring 9,000 in the next 90 days, between 5,000 and 14,000." """
    return group_sentence(customers, *total, days)


def _total(customers: pd.DataFrame, before: GroupsBefore) -> tuple[float, Total]:
    orders = float(customers.expected_orders.sum())
    return orders, before.total(orders, float(customers.expected_spend.sum()))


def _columns(total: Total) -> dict[str, float | None]:
    return {"expected_spend": total.expected, "expected_low": total.low, "expected_high": total.high}
