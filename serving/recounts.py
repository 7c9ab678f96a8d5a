"""What a training wrote of its customers, counted anew where customers were taken out of its tables since.

`segments forget` takes customers out of the tables of a run. The sums that the training wrote beside them would then
contradict the tables, and tell by subtraction what a forgotten customer spent. Of a training of which nobody was taken
out, everything stays the same object. What is told of earlier dates cannot be counted anew and stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from contract.advice_words import BEST_FIRST, EXPECTED_OF_LEAVERS, best_first, expected_of_leavers
from contract.forecast_words import group_sentence, shop_sentence
from contract.group_sums import customers_for_half
from contract.lists.value_at_risk import LEFT_OFF, spend_when_active
from contract.names import FEATURES, STATES
from contract.words import counted, verb
from serving.movement_recounts import recounted_movement

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]
SHOP_FORECAST = ("customers", "expected_orders", "expected_spend", "expected_low", "expected_high")
NO_MOVES = (
    "A customer was taken out since the training, which did not write down who moved, so the numbers cannot be counted "
    "anew. Train anew: `segments train --promote`."
)


@dataclass(frozen=True)
class TrainingFiles:
    """What the files of a training say beside its tables; taken_out: customers whom its tables have no more."""

    profiles: Sequence[Record]
    summary: Record
    movement: Record | None = None
    evidence: Record | None = None
    forecast: Record | None = None
    taken_out: int = 0


def recounted(files: TrainingFiles, customers: pd.DataFrame, moves: pd.DataFrame | None) -> TrainingFiles:
    """The files with the numbers of the table of `customers`, one row each; moves: where these were before.

    A customer may be gone from the movement only: who is none any more at the later date is in no table.
    """
    movement = recounted_movement(files.movement, customers, moves)
    if movement is not files.movement:
        summary = _with_movement(files.summary, movement, files.evidence)
        files = replace(files, movement=movement, summary=summary)
    taken_out = number_taken_out(files.profiles, customers)
    if not taken_out:
        return files
    evidence = files.evidence
    return replace(
        files,
        profiles=recounted_profiles(files.profiles, customers, files.forecast),
        summary=_recounted_summary(files.summary, customers, taken_out),
        evidence=evidence and {**evidence, "grid": _cells(evidence["grid"], customers, files.forecast)},
        forecast=_recounted_forecast(files.forecast, customers),
        taken_out=taken_out,
    )


def number_taken_out(profiles: Sequence[Record], customers: pd.DataFrame) -> int:
    """How many of the customers whom the training counted are not in its table any more."""
    return max(sum(int(profile["customers"]) for profile in profiles) - len(customers), 0)


def taken_out_sentence(number: int) -> str:
    """1 -> "1 customer was taken out after the training: ..."."""
    whom = verb(number, "this customer", "these customers")
    return (
        f"{counted(number, 'customer')} {verb(number, 'was', 'were')} taken out after the training "
        f"(`segments forget`): counts and sums are without {whom}. The full report, and what is told of earlier "
        "dates, are as they were when trained."
    )


def recounted_profiles(
    profiles: Sequence[Record], customers: pd.DataFrame, forecast: Record | None = None
) -> list[Record]:
    """One record per segment, with the numbers of the table."""
    groups, typical = dict(list(customers.groupby("segment"))), customers["Monetary"].median()
    active = _spend_when_active(forecast)
    records = []
    for profile in profiles:
        own = groups.get(profile["segment"], customers[:0])
        numbers = _counts(own) | _shares(own, customers) | _expected(profile, own)
        if len(own) != profile["customers"]:
            numbers |= _typical(own)
        risks = [_at_risk(own[own["state"] == state], active) for state in LEFT_OFF if "state" in own]
        numbers |= {"value_at_risk": _sum(risks), "action": _action(profile, own, typical)}
        records.append(_with(profile, numbers))
    return records


def recounted_metrics(metrics: Mapping[str, float], customers: pd.DataFrame) -> dict[str, float]:
    """The metrics of a run, with the numbers of the table where they count its customers or sum their forecasts."""
    shop = _shop({name: metrics.get(f"forecast_{name}") for name in SHOP_FORECAST}, customers)
    numbers = {"customers": len(customers), "anomaly_rate": float(customers["is_anomaly"].mean())}
    return dict(_with(metrics, numbers | {f"forecast_{name}": value for name, value in shop.items()}))


def _with(record: Record, numbers: Record) -> Record:
    """The record with these numbers in the place of its own; what it does not know it does not get."""
    return {
        name: numbers[name] if name in numbers and _is_known(value) else value
        for name, value in record.items()
    }


def _cells(grid: Sequence[Record], customers: pd.DataFrame, forecast: Record | None) -> list[Record]:
    """One record per segment and state, with the numbers of the table."""
    groups = dict(list(customers.groupby(["segment", "state"])))
    active, typical = _spend_when_active(forecast), customers["Monetary"].median()
    days = (forecast or {}).get("horizon_days", 0)
    cells = []
    for cell in grid:
        own = groups.get((cell["segment"], cell["state"]), customers[:0])
        numbers = _counts(own) | _expected(cell, own) | {"value_at_risk": _at_risk(own, active)}
        action = _action(cell, own, typical) if len(own) else ""
        new = _with(cell, numbers | {"action": action})
        cells.append({**new, "expectation": _expectation(new, days)} if new.get("expectation") else new)
    return cells


def _expectation(cell: Record, days: int) -> str:
    if not cell["customers"]:
        return ""
    spend, low, high = (cell[name] for name in ("expected_spend", "expected_low", "expected_high"))
    return group_sentence(cell["customers"], spend, low, high, days)


def _counts(own: pd.DataFrame) -> dict[str, Any]:
    return {
        "customers": len(own),
        "revenue": float(own["Monetary"].sum()),
        "anomalies": int(own["is_anomaly"].sum()),
    }


def _shares(own: pd.DataFrame, customers: pd.DataFrame) -> dict[str, float]:
    money = float(customers["Monetary"].sum())
    return {
        "share": len(own) / len(customers),
        "revenue_share": float(own["Monetary"].sum()) / money if money else 0.0,
    }


def _typical(own: pd.DataFrame) -> dict[str, Any]:
    """Means, medians and counts that change with any customer of a segment; None where there is nobody any more."""
    numbers: dict[str, Any] = {"half_by": customers_for_half(own["Monetary"]) if len(own) else None}
    for name in FEATURES:
        numbers[f"mean_{name}"] = float(own[name].mean()) if len(own) else None
        numbers[f"median_{name}"] = float(own[name].median()) if len(own) else None
    if "state" in own:
        numbers |= {f"state_{name}": int((own["state"] == name).sum()) for name in STATES}
    return numbers


def _expected(record: Record, own: pd.DataFrame) -> dict[str, float | None]:
    """What a group is expected to bring, and its range in the same proportion to that as before."""
    before: Any = record.get("expected_spend")
    if not _is_known(before) or "expected_spend" not in own:
        return {}
    spend = float(own["expected_spend"].sum())
    times = spend / before if before else 0.0
    ends = {name: record.get(name) for name in ("expected_low", "expected_high")}
    scaled = {name: None if end is None else times * end for name, end in ends.items()}
    return {"expected_spend": spend, **scaled}


def _spend_when_active(forecast: Record | None) -> dict[int, float]:
    return spend_when_active((forecast or {}).get("groups", ()))


def _at_risk(own: pd.DataFrame, active: Mapping[int, float]) -> float | None:
    """What so many customers of one segment brought while active, less what is expected of these."""
    if not len(own) or "expected_spend" not in own:
        return 0.0
    brought = active.get(int(own["segment"].iloc[0]))
    return None if brought is None else max(brought * len(own) - float(own["expected_spend"].sum()), 0.0)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _action(record: Record, own: pd.DataFrame, typical: float) -> str:
    above = int((own["Monetary"] > typical).sum())
    return BEST_FIRST.sub(best_first(len(own), above), record.get("action") or "")


def _recounted_forecast(forecast: Record | None, customers: pd.DataFrame) -> Record | None:
    if not (forecast and forecast.get("shop")):
        return forecast
    shop = {**forecast["shop"], **_shop(forecast["shop"], customers)}
    old, new = (_shop_sentence(own, forecast["horizon_days"]) for own in (forecast["shop"], shop))
    sentences = [new if sentence == old else sentence for sentence in forecast["sentences"]]
    return {**forecast, "shop": shop, "sentences": sentences}


def _shop_sentence(shop: Record, days: int) -> str:
    orders, spend, low, high = (shop[name] for name in SHOP_FORECAST[1:])
    return shop_sentence(orders, spend, low, high, days)


def _shop(before: Record, customers: pd.DataFrame) -> dict[str, Any]:
    """SHOP_FORECAST of all customers together."""
    numbers: dict[str, Any] = {"customers": len(customers), **_expected(before, customers)}
    if "expected_orders" in customers:
        numbers["expected_orders"] = float(customers["expected_orders"].sum())
    return numbers


def _recounted_summary(summary: Record, customers: pd.DataFrame, taken_out: int) -> Record:
    """The summary with the numbers of the table; its outcome begins with what it was when trained."""
    who = f"{counted(taken_out, 'customer')} who {verb(taken_out, 'was', 'were')} taken out since"
    new: dict[str, Any] = {}
    if summary.get("metrics"):
        new["metrics"] = recounted_metrics(summary["metrics"], customers)
    if summary.get("outcome"):
        new["outcome"] = [f"As it was when trained, with {who}:", *summary["outcome"]]
    return {**summary, **new}


def _with_movement(summary: Record, movement: Record | None, evidence: Record | None) -> Record:
    """The summary of a training whose movement was counted anew, or cannot be: None."""
    if movement is None:
        return {**summary, "missing": {**(summary.get("missing") or {}), "movement": NO_MOVES}}
    fallen = len(movement["fallen"])
    left = cast("Record | None", (evidence or {}).get("left_best"))
    words = expected_of_leavers(left["mean_spend"], fallen) if left else ""
    advice = EXPECTED_OF_LEAVERS.sub(words, summary.get("advice_on_fallen") or "") if fallen else ""
    return {**summary, "advice_on_fallen": advice}


def _is_known(value: object) -> bool:
    """Whether a value of a file is neither null nor NaN."""
    return value is not None and value == value
