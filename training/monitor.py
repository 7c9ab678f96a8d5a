"""Drift of a registered model: the customers of its training, compared with a shop's customers of now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from contract.names import DRIFT, MODEL, SCORED_CUSTOMERS
from training.band import Band
from training.drift import VERDICTS, Line, Thresholds, compare_customers, worst
from training.errors import InputError, is_passing
from training.reading.address import shown
from training.reading.sources import in_words
from training.score import score_customers
from training.shop import MIN_CUSTOMERS, Reading, Shop

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

SCHEMA = 1  # the number of the report's form
ADVICE = {
    "ok": "Nothing to do: no line is past its threshold.",
    "watch": "Look again with the next data; retrain (segments train) if it grows.",
    "drift": "Retrain on the shop's transactions of now: segments train; then segments promote, if the gate passes.",
}


@dataclass(frozen=True)
class Side:
    """How many customers, and their as-of date (ISO; None when it is not known)."""

    as_of: str | None
    customers: int


@dataclass(frozen=True)
class Report:
    """The report of `segments drift`. Its JSON has these fields, by their names.

    schema: the number of this form; verdict: the worst verdict of a line; thresholds: watch and drift
    (PSI), watch_mix and drift_mix (total variation), anomaly_rate_low and anomaly_rate_high; notes: what to
    consider when reading the lines; advice: what to do.
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


def drift_report(
    sources: Sequence[str],
    model: str,
    reading: Reading,
    thresholds: Thresholds,
    show: Callable[[Shop], None] | None = None,
) -> Report:
    """Compare the customers of `sources` with the customers of a version's training.

    Raises InputError when the input cannot be used or holds too few customers, or when the training left no
    table of its customers.
    """
    from training.store import registry
    from training.store.connection import connect

    client = connect()
    number = registry.find(client, model)
    version = registry.record_of(client, number)
    training, features = _training_customers(client, number, registry.run_of(version))
    scored = score_customers(client, sources, number, reading, show)
    now = scored.customers
    if len(now) < MIN_CUSTOMERS:
        raise InputError(
            f"{len(now)} customers in {in_words(sources)}. Expected at least {MIN_CUSTOMERS}: fewer "
            "say nothing about a distribution. Give a longer period or more files."
        )
    band = Band.read(scored.metadata) or Band.of(float(training.is_anomaly.mean()), len(training))
    as_of = datetime.fromisoformat(str(scored.metadata["as_of"]))
    days = (scored.as_of.date() - as_of.date()).days if scored.as_of else None
    lines = compare_customers(training, now, features, band, thresholds, days)
    verdict = worst(lines)
    return Report(
        SCHEMA,
        verdict,
        number,
        registry.run_of(version),
        list(map(shown, sources)),
        Side(as_of.isoformat(), len(training)),
        Side(scored.as_of.isoformat() if scored.as_of else None, len(now)),
        {**asdict(thresholds), "anomaly_rate_low": band.low, "anomaly_rate_high": band.high},
        lines,
        _notes(lines, len(now), band, thresholds, as_of, days),
        ADVICE[verdict],
    )


def log_report(report: Report) -> str:
    """Log a report as a run of its own in the experiment, tagged with the model's version; the id of that run."""
    import mlflow

    from training.store import tracking
    from training.store.connection import connect

    client = connect()
    tags = {
        "stage": "drift",
        "verdict": report.verdict,
        "model_name": MODEL,
        "model_version": str(report.model_version),
        "training_run": report.training_run,
        "as_of": report.now.as_of or "",
    }
    by_name = {line.name: line for line in report.lines}
    metrics = {
        f"drift_{line.measure.lower().replace(' ', '_')}_{line.name}": line.value
        for line in report.lines
        if line.measure is not None and line.value is not None
    }
    metrics |= {
        "drift_anomaly_rate": by_name["is_anomaly"].now or 0.0,
        "drift_customers": report.now.customers,
        "drift_verdict": VERDICTS.index(report.verdict),
    }
    name = f"drift from version {report.model_version}" + (
        f" as of {report.now.as_of[:10]}" if report.now.as_of else ""
    )
    with tracking.training_run(client, name, tags) as run_id:
        mlflow.log_metrics(metrics)
        mlflow.set_tag(tracking.NOTE_TAG, "\n".join(f"- {text}" for text in (*report.notes, report.advice)))
        tracking.log_files({DRIFT: asdict(report)})
    return run_id


def _training_customers(client: MlflowClient, version: int, run: str) -> tuple[pd.DataFrame, list[str]]:
    """The scored customers of a version's training, and the features its distances use."""
    import tempfile

    import pandas as pd
    from mlflow.exceptions import MlflowException

    try:
        with tempfile.TemporaryDirectory() as folder:
            customers = pd.read_parquet(Path(client.download_artifacts(run, SCORED_CUSTOMERS, folder)))
        return customers, client.get_run(run).data.params["features"].split(",")
    except (MlflowException, OSError, KeyError) as error:
        if is_passing(error):
            raise
        raise InputError(
            f"Version {version} has no {SCORED_CUSTOMERS} in its training run {run}. Expected the table of customers "
            "that training leaves there. Choose another version with --model, or train a new one: segments train."
        ) from None


def _notes(
    lines: Sequence[Line],
    customers: int,
    band: Band,
    thresholds: Thresholds,
    as_of: datetime,
    days: int | None,
) -> list[str]:
    """What to consider: the bin that moved most of each line, the calendar, too few customers."""
    moved = [line for line in lines if line.verdict != "ok"]
    notes = []
    for line in moved:
        if line.name == "is_anomaly":
            notes.append(f"is_anomaly: {line.now:.2%} are flagged, expected {band}.")
        else:
            largest = max(line.bins, key=lambda b: b.adds)
            notes.append(
                f"{line.name}, {largest.label}: {largest.training:.1%} in training, {largest.now:.1%} now."
            )
    if days != 0 and "Tenure" in (line.name for line in moved):
        since = (
            "Without --as-of it is not known how far the date is from the training's"
            if days is None
            else f"The as-of date is {abs(days)} days {'after' if days > 0 else 'before'} the training's"
        )
        notes.append(
            f"{since}, {as_of:%Y-%m-%d}. A later date makes every Tenure longer, and the Recency of those who "
            "did not return. The calendar does that, and not the customers. When the date is known to have moved, the "
            "verdict on Tenure is at most watch."
        )
    chances: dict[str, float] = {}
    for line in lines:
        if line.measure and line.by_chance and line.by_chance > thresholds.of(line.measure)[0]:
            chances[line.measure] = max(line.by_chance, chances.get(line.measure, 0.0))
    if chances:
        reached = " and ".join(f"a {measure} of {chance:.2f}" for measure, chance in chances.items())
        notes.append(
            f"With {customers:,} customers, chance alone brings {reached}. A line is judged only by a value above the "
            "one that chance brings. Give more customers to see smaller changes."
        )
    return notes
