"""Drift of a registered model: the customers it was trained on beside a shop's customers of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.band import Band
from training.drift import VERDICTS, Line, Thresholds, compare, worst
from training.errors import InputError
from training.reading.address import shown
from training.score import answer
from training.shop import MIN_CUSTOMERS, Reading

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "data/customers.parquet"
SCHEMA = 1
ADVICE = {
    "ok": "Nothing to do: no line is past its threshold.",
    "watch": "Look again with the next data; retrain (segments train) if it grows.",
    "drift": "Retrain on the shop's transactions of now: segments train; then segments promote, if the gate passes.",
}


@dataclass(frozen=True)
class Side:
    """Customers as of when (ISO; None when not known), and how many."""

    as_of: str | None
    customers: int


@dataclass(frozen=True)
class Report:
    """What `segments drift` says; as JSON, these fields by their names.

    schema: the number of this form; verdict: the worst of the lines'; thresholds: watch and drift
    (PSI), watch_mix and drift_mix (total variation), anomaly_rate_low and anomaly_rate_high; notes: what to
    mind when reading; advice: what to do.
    """

    schema: int
    verdict: str
    model_version: int
    training_run: str
    sources: list[str]
    training: Side
    now: Side
    thresholds: dict[str, float]
    lines: list[Line]
    notes: list[str]
    advice: str


def report(sources: Sequence[str], model: str, reading: Reading, thresholds: Thresholds) -> Report:
    """Compare the customers of `sources` with those that a version was trained on.

    Raises InputError when the input cannot be used, holds too few customers, or the version's training
    left no table of its customers.
    """
    from training import registry, tracking

    client = tracking.connect()
    number = registry.find(client, model)
    version = client.get_model_version(registry.NAME, str(number))
    training, used = _training(client, number, version.run_id)
    scored = answer(sources, number, reading)
    now = scored.customers
    if len(now) < MIN_CUSTOMERS:
        raise InputError(
            f"{len(now)} customers in {shown(', '.join(sources))}. Expected at least {MIN_CUSTOMERS}: fewer say "
            "nothing about a distribution. Give a longer period or more files."
        )
    band = Band.read(scored.metadata) or Band.of(float(training.is_anomaly.mean()), len(training))
    as_of = datetime.fromisoformat(scored.metadata["as_of"])
    days = (scored.as_of.date() - as_of.date()).days if scored.as_of else None
    lines = compare(training, now, used, band, thresholds, days)
    verdict = worst(lines)
    return Report(
        SCHEMA,
        verdict,
        number,
        version.run_id,
        list(map(shown, sources)),
        Side(as_of.isoformat(), len(training)),
        Side(scored.as_of.isoformat() if scored.as_of else None, len(now)),
        {**asdict(thresholds), "anomaly_rate_low": band.low, "anomaly_rate_high": band.high},
        lines,
        _notes(lines, len(now), band, thresholds, as_of, days),
        ADVICE[verdict],
    )


def log(found: Report) -> str:
    """Log a report as a run of its own in the experiment, tagged with the model's version; the run's id."""
    import mlflow

    from training import registry, tracking

    client = tracking.connect()
    tags = {
        "stage": "drift",
        "verdict": found.verdict,
        "model_name": registry.NAME,
        "model_version": str(found.model_version),
        "training_run": found.training_run,
        "as_of": found.now.as_of or "",
    }
    by_name = {line.name: line for line in found.lines}
    metrics = {
        f"drift_{line.measure.lower().replace(' ', '_')}_{line.name}": line.value
        for line in found.lines
        if line.measure is not None and line.value is not None
    }
    metrics |= {
        "drift_anomaly_rate": by_name["is_anomaly"].now or 0.0,
        "drift_customers": found.now.customers,
        "drift_verdict": VERDICTS.index(found.verdict),
    }
    name = f"drift from version {found.model_version}" + (
        f" as of {found.now.as_of[:10]}" if found.now.as_of else ""
    )
    with tracking.training_run(client, name, tags) as run_id:
        mlflow.log_metrics(metrics)
        mlflow.set_tag(tracking.NOTE, "\n".join(f"- {text}" for text in (*found.notes, found.advice)))
        tracking.log_files({"drift.json": asdict(found)})
    return run_id


def _training(client: Any, version: int, run: str) -> tuple[pd.DataFrame, list[str]]:
    """The scored customers of a version's training, and the features its distances use."""
    import tempfile

    import pandas as pd
    from mlflow.exceptions import MlflowException

    try:
        with tempfile.TemporaryDirectory() as folder:
            customers = pd.read_parquet(Path(client.download_artifacts(run, REFERENCE, folder)))
        return customers, client.get_run(run).data.params["features"].split(",")
    except (MlflowException, OSError, KeyError):
        raise InputError(
            f"Version {version} has no {REFERENCE} in its training run {run}. Expected the table of customers "
            "that training leaves there. Choose another version with --model, or train anew: segments train."
        ) from None


def _notes(
    lines: Sequence[Line],
    customers: int,
    band: Band,
    thresholds: Thresholds,
    as_of: datetime,
    days: int | None,
) -> list[str]:
    """What to mind: where each line has moved most, the calendar, too few customers."""
    moved = [line for line in lines if line.verdict != "ok"]
    notes = []
    for line in moved:
        if line.name == "is_anomaly":
            notes.append(f"is_anomaly: {line.now:.2%} are flagged, expected {band}.")
        else:
            most = max(line.bins, key=lambda b: b.adds)
            notes.append(f"{line.name}, {most.label}: {most.training:.1%} in training, {most.now:.1%} now.")
    if days != 0 and "Tenure" in (line.name for line in moved):
        since = (
            "Without --as-of it is not known how far the date has moved since the training's"
            if days is None
            else f"The as-of date is {abs(days)} days {'after' if days > 0 else 'before'} the training's"
        )
        notes.append(
            f"{since}, {as_of:%Y-%m-%d}. A later date makes longer every Tenure, and the Recency of those who "
            "did not return: the calendar's doing, not the customers'. Where it is known to have moved, Tenure is "
            "watched at most."
        )
    chances: dict[str, float] = {}
    for line in lines:
        if line.measure and line.by_chance and line.by_chance > thresholds.of(line.measure)[0]:
            chances[line.measure] = max(line.by_chance, chances.get(line.measure, 0.0))
    if chances:
        reached = " and ".join(f"a {measure} of {chance:.2f}" for measure, chance in chances.items())
        notes.append(
            f"With {customers:,} customers here chance alone brings {reached}: a line is only judged by "
            "what is above its own. Give more customers to see smaller changes."
        )
    return notes
