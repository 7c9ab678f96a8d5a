"""One training, from a shop's customers to a registered challenger: the steps in their order."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training import __version__, identity, package, registry, story, tracking
from training.band import Band
from training.errors import InputError
from training.evaluate import principal_map, without_anomaly_removal
from training.features import FEATURES
from training.past import look_back
from training.profiles import profile
from training.segmenter import Segmenter, standardise
from training.shop import Reading, Shop, check_usable
from training.sweep import Evaluator, Floats, Limits, Trial, choose, sweep


@dataclass(frozen=True)
class Settings:
    """What a search depends on besides the data."""

    limits: Limits
    trials: int = 100
    seed: int = 0
    features: Sequence[str] = FEATURES


@dataclass(frozen=True)
class Outcome:
    """What a training came to."""

    run_id: str
    version: int
    lines: list[str]
    profiles: pd.DataFrame
    identity: str


def train(
    shop: Shop,
    source: str,
    reading: Reading,
    settings: Settings,
    demo: bool,
    resume: bool = False,
    progress: Callable[[Trial], None] | None = None,
    storage: str = "",
) -> Outcome:
    """Search, choose, fit, log and register a challenger.

    `progress` is called after each trial. `storage` is the address of a database for the Optuna study, in
    which others may `work` on the same training; by default the study is this process's own. Raises
    InputError, with nothing registered, when the data cannot be segmented or no setting keeps the limits.
    """
    check_usable(shop.customers, settings.features)
    values, columns, points = _points(shop, settings)
    kind = "demo" if demo else "real"

    client = tracking.connect()
    params = _params(reading, settings)
    fingerprint = _fingerprint(shop, params)
    interrupted = tracking.interrupted(client, fingerprint) if resume else None
    if resume and interrupted is None:
        raise InputError(
            "There is no interrupted training of these data with these settings. Expected the same files and "
            "options as the training that was stopped. Run without --resume."
        )
    tags = {"fingerprint": fingerprint, "stage": "sweep", "data": kind, "code_version": __version__}
    name = f"{kind} data as of {shop.as_of:%Y-%m-%d}"
    with tracking.training_run(client, name, tags, interrupted) as run_id:
        import mlflow

        mlflow.log_params(params)
        tracking.log_data(shop.customers, source, shop.digest)

        evaluate = Evaluator(points, settings.limits, settings.seed)
        journal = tracking.journal(run_id)
        trials = []
        study = fingerprint if storage else run_id
        with tracking.TrialLog(client, run_id) as log:
            for trial in sweep(evaluate, settings.trials, settings.seed, storage or journal, study):
                log.write(trial.number, _setting(trial), trial.metrics, trial.missed)
                trials.append(trial)
                if progress:
                    progress(trial)
        try:
            choice = choose(trials, evaluate)
        except InputError:
            mlflow.set_tag("stage", "failed")  # there is nothing to resume
            journal.unlink(missing_ok=True)
            raise
        winner = choice.winner

        segmenter = Segmenter(
            winner.k,
            eps=winner.eps,
            min_samples=winner.min_samples,
            columns=columns,
            order_by=FEATURES.index("Monetary"),
            init=evaluate.centres(winner),
            random_state=settings.seed,
        ).fit(values)
        profiles = profile(shop.customers, segmenter.labels_, segmenter.anomalies_, FEATURES)
        predecessor = registry.predecessor(client, kind, tuple(settings.features))
        profiles, decided = identity.keep(segmenter, profiles, tuple(settings.features), predecessor)
        metadata = {"as_of": shop.as_of.isoformat(), "data": kind}
        metadata |= {"returns": reading.returns, "duplicates": reading.duplicates}
        band = Band.of(winner.metrics["anomaly_rate"], len(values)).record()
        uri, answers = _log_model(segmenter, profiles, shop.customers[list(FEATURES)], metadata | band)
        plane = principal_map(points)
        scored = shop.customers.join(answers)
        scored["pca_1"], scored["pca_2"] = plane.coordinates.T
        fitted = story.Fitted(segmenter, profiles, scored, plane)

        metrics = winner.metrics | {"eps": winner.eps, "customers": len(values), "lines": shop.funnel.read}
        if shop.sampled_from:
            metrics["sampled_from"] = shop.sampled_from
        metrics["dbscan_clusters"] = evaluate.clusters(winner)
        metrics |= without_anomaly_removal(points, segmenter.anomalies_, winner.k, settings.seed)
        past = look_back(shop, scored, segmenter, profiles.name.tolist())
        metrics |= past.metrics
        mlflow.log_metrics(metrics)
        curve = _curve(evaluate, winner)
        tracking.log_curve(client, run_id, curve)
        lines = story.in_five_lines(shop, kind, winner, fitted)
        files = {
            "data/features.parquet": shop.customers,
            "data/customers.parquet": scored,
            "data/funnel.json": asdict(shop.funnel),
            "profiles.json": profiles.to_dict("records"),
            "summary.json": {
                "as_of": shop.as_of.isoformat(),
                "data": kind,
                "outcome": lines,
                "setting": _setting(winner),
                "metrics": metrics,
                "explained_variance": plane.explained.tolist(),
                "missing": past.missing,
            },
            "choice.json": asdict(choice),
            "identity.json": decided.as_dict(),
            "trials.csv": _trial_table(trials),
        }
        method = {name: str(value) for name, value in (params | _setting(winner)).items()}
        files |= past.files
        files |= story.files(shop, evaluate, settings.features, choice, fitted, past, curve, lines, method)
        tracking.log_files(files)
        note = "\n".join(f"- {line}" for line in lines)
        marks = _version_tags(shop, kind, winner, band) | decided.tags()
        version = registry.register(client, run_id, uri, marks, note)
        mlflow.set_tags({tracking.NOTE: note, "stage": "done"})  # last: until then a resume goes on from here
    journal.unlink(missing_ok=True)
    return Outcome(run_id, version, lines, profiles, str(decided))


def work(
    shop: Shop,
    reading: Reading,
    settings: Settings,
    storage: str,
    progress: Callable[[Trial], None] | None = None,
) -> None:
    """Run trials of the training with the same data, settings and `storage` until its study is full; no more.

    Nothing is logged or registered: the training does that, for these trials, too.
    """
    check_usable(shop.customers, settings.features)
    evaluate = Evaluator(_points(shop, settings)[2], settings.limits, settings.seed)
    study = _fingerprint(shop, _params(reading, settings))
    for trial in sweep(evaluate, settings.trials, None, storage, study):
        if progress:
            progress(trial)


def _points(shop: Shop, settings: Settings) -> tuple[Floats, list[int], Floats]:
    """(n, 5) features, the columns of those used for distances, and (n, d) these standardised."""
    values = shop.customers[list(FEATURES)].to_numpy()
    columns = [FEATURES.index(name) for name in settings.features]
    return values, columns, standardise(values[:, columns])[1]


def _log_model(
    segmenter: Segmenter, profiles: pd.DataFrame, customers: pd.DataFrame, metadata: dict[str, Any]
) -> tuple[str, pd.DataFrame]:
    """Log the model; (its URI, its answers for all customers), which must be the training's."""
    with tempfile.TemporaryDirectory() as folder:
        typical = np.median(customers.to_numpy(), axis=0)
        path = Path(folder) / "segmenter.skops"
        artifact = package.write(path, segmenter, FEATURES, profiles.name, typical)
        uri, answers = registry.log_model(artifact, customers, package.requirements(), metadata)
    registry.check_answers(answers, segmenter.labels_, segmenter.anomalies_)
    return uri, answers


def _fingerprint(shop: Shop, params: dict[str, Any]) -> str:
    text = f"{shop.digest} {json.dumps(params, default=str, sort_keys=True)}"
    return hashlib.sha256(text.encode()).hexdigest()[:36]


def _setting(trial: Trial) -> dict[str, Any]:
    return {"k": trial.k, "eps": trial.eps, "min_samples": trial.min_samples}


def _params(reading: Reading, settings: Settings) -> dict[str, Any]:
    """The options by their names, as `mlflow run` logs them too."""
    return {
        "as_of": reading.as_of or "auto",
        "returns": reading.returns,
        "duplicates": reading.duplicates,
        "features": ",".join(settings.features),
        "trials": settings.trials,
        "seed": settings.seed,
        **asdict(settings.limits),
    }


def _version_tags(shop: Shop, kind: str, winner: Trial, band: dict[str, float]) -> dict[str, str]:
    measured = ("silhouette", "stability", "smallest_share")
    numbers = {"eps": winner.eps} | {name: winner.metrics[name] for name in measured} | band
    return {
        "data": kind,
        "data_digest": shop.digest,
        "as_of": shop.as_of.isoformat(),
        "customers": str(len(shop.customers)),
        "k": str(winner.k),
        "min_samples": str(winner.min_samples),
        **{name: f"{value:.6g}" for name, value in numbers.items()},
    }


def _curve(evaluate: Evaluator, winner: Trial) -> pd.DataFrame:
    """One row a k, at the winner's eps and min_samples: inertia, silhouette and the rest."""
    names = ["inertia", "silhouette", "silhouette_se", "davies_bouldin", "calinski_harabasz"]
    rows = []
    for k in range(2, evaluate.limits.max_segments + 1):
        metrics = evaluate(-1, k, winner.eps, winner.min_samples).metrics
        rows.append({"k": k, **{name: metrics[name] for name in names}})
    return pd.DataFrame(rows)


def _trial_table(trials: Sequence[Trial]) -> pd.DataFrame:
    rows = [{"trial": t.number, **_setting(t), **t.metrics, "missed": " ".join(t.missed)} for t in trials]
    return pd.DataFrame(rows)
