"""Whether new data are a reason to train: no champion, a schedule, drift, or the user's wish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.names import CHAMPION, DATA_DIGEST_TAG
from training.data_rules import TrainingData, data_of, rules_of_data
from training.drift import Thresholds
from training.errors import InputError
from training.monitor import Report, drift_report
from training.rule import Rule, Tolerance
from training.store import registry

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from training.shop import Shop
    from training.train import Assignment

MOST_LOST_SHARE = 0.1  # of lines whose date or numbers the reading did not believe


@dataclass(frozen=True)
class Schedule:
    """When to train beside drift: `always` with new data, or `every_days` of the as-of date (None: never)."""

    every_days: int | None = None
    always: bool = False


@dataclass(frozen=True)
class Decision:
    """Whether to train, why or why not, and the drift report, if one was made."""

    train: bool
    why: str
    report: Report | None = None


def decision(
    client: MlflowClient,
    given: Assignment,
    sources: Sequence[str],
    schedule: Schedule,
    thresholds: Thresholds,
) -> Decision:
    """What to do with a shop's data beside the champion."""
    champion = registry.version_of(client, CHAMPION)
    if champion is None:
        return Decision(True, "there is no champion")
    record = registry.record_of(client, champion)
    if record.tags.get(DATA_DIGEST_TAG) == given.shop.digest:
        return Decision(False, f"champion {champion} was trained on these data")
    kind = registry.data_kind(record)
    if kind != given.kind:
        return Decision(True, f"champion {champion} is of {kind} data, and these are {given.kind}")
    if schedule.always:
        return Decision(True, "new data, and --always")
    before = registry.as_of(record)
    if schedule.every_days and before and (given.shop.as_of - before).days >= schedule.every_days:
        days = (given.shop.as_of - before).days
        return Decision(True, f"the data go on for {days} days after champion {champion}'s")
    return _by_drift(sources, given, thresholds, champion)


def _by_drift(sources: Sequence[str], given: Assignment, thresholds: Thresholds, champion: int) -> Decision:
    try:
        report = drift_report(sources, str(champion), given.reading, thresholds)
    except InputError as error:  # the gate then says whether a new model can take its place
        return Decision(True, f"drift from champion {champion} cannot be measured: {error}")
    lines = [line.name for line in report.lines if line.verdict == report.verdict]
    what = f"{report.verdict} ({', '.join(lines)})" if report.verdict != "ok" else "ok"
    return Decision(report.verdict == "drift", f"drift from champion {champion}: {what}", report)


def _lines(shop: Shop) -> Rule:
    """The rule that next to all lines have a date and numbers that are believed."""
    funnel = shop.funnel
    share = (funnel.unreadable + funnel.set_aside) / funnel.read
    expected = f"<= {MOST_LOST_SHARE:.0%} of the lines unreadable or of a date far from all others"
    return Rule("lines", expected, f"{share:.1%}", share <= MOST_LOST_SHARE, True)


def broken_rules(client: MlflowClient, given: Assignment, tolerance: Tolerance) -> list[Rule]:
    """The rules on data that do not hold beside the champion's; none where it is of another kind or there is none."""
    champion = registry.version_of(client, CHAMPION)
    if champion is None or registry.data_kind(registry.record_of(client, champion)) != given.kind:
        return []
    new = TrainingData(given.shop.customers, given.shop.as_of)
    rules = rules_of_data(new, data_of(client, champion), tolerance.max_order_value_change)
    return [rule for rule in (_lines(given.shop), *rules) if not rule.holds]
