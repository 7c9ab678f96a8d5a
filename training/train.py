"""One training, from a shop's customers to a registered challenger: the steps in their order."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from contract import names
from contract.names import FEATURES
from training import __version__, identity
from training.band import Band
from training.clustering.evaluate import principal_map, without_anomaly_removal
from training.clustering.segmenter import Segmenter, standardise
from training.clustering.sweep import Choice, Evaluator, Limits, Trial, choose, run_trials
from training.errors import InputError
from training.profiles import profile
from training.report import story
from training.report.lookback import Past, look_back
from training.shop import Reading, Shop, check_usable
from training.store import artifact, registry, tracking
from training.store.connection import connect
from training.store.trial_log import TrialLog

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Settings:
    """What a search depends on besides the data."""

    limits: Limits
    trials: int = 100
    seed: int = 0
    features: Sequence[str] = FEATURES


@dataclass(frozen=True)
class Assignment:
    """What a training is given: a shop's customers, how they were read, and the settings."""

    shop: Shop
    reading: Reading
    settings: Settings
    demo: bool = False

    @property
    def kind(self) -> str:
        """What the data are, as run and version say it: demo or real."""
        return "demo" if self.demo else "real"

    @property
    def params(self) -> dict[str, Any]:
        """The options by their names, as `mlflow run` logs them too."""
        return {
            "as_of": self.reading.as_of or "auto",
            "returns": self.reading.returns,
            "duplicates": self.reading.duplicates,
            "features": ",".join(self.settings.features),
            "trials": self.settings.trials,
            "seed": self.settings.seed,
            **asdict(self.settings.limits),
        }

    @property
    def fingerprint(self) -> str:
        """The same for trainings of the same customers with the same options, and for no others."""
        text = f"{self.shop.digest} {json.dumps(self.params, default=str, sort_keys=True)}"
        return hashlib.sha256(text.encode()).hexdigest()[:36]

    @property
    def columns(self) -> list[int]:
        """The columns of the features that are used for distances."""
        return [FEATURES.index(name) for name in self.settings.features]

    def values(self) -> np.ndarray:
        """(n, 5) the features of all customers."""
        return self.shop.customers[list(FEATURES)].to_numpy()

    def evaluator(self) -> Evaluator:
        """What answers for any setting on these customers."""
        points = standardise(self.values()[:, self.columns])[1]
        return Evaluator(points, self.settings.limits, self.settings.seed)


@dataclass(frozen=True)
class Outcome:
    """What a training came to."""

    run_id: str
    version: int
    lines: list[str]
    profiles: pd.DataFrame
    identity: str


def train_challenger(
    given: Assignment,
    source: str,
    resume: bool = False,
    progress: Callable[[Trial], None] | None = None,
    storage: str = "",
) -> Outcome:
    """Search, choose, fit, log and register a challenger.

    `source` names the data for the run. `progress` is called after each trial. `storage` is the address of a
    database for the Optuna study, in which others may `work_on_study`; by default the study is this process's own.
    Raises InputError, with nothing registered, when the data cannot be segmented or no setting keeps the limits.
    """
    check_usable(given.shop.customers, given.settings.features)
    client = connect()
    interrupted = _run_to_resume(client, given.fingerprint) if resume else None
    name = f"{given.kind} data as of {given.shop.as_of:%Y-%m-%d}"
    with tracking.training_run(client, name, _run_tags(given), interrupted) as run_id:
        _log_inputs(given, source)
        evaluate = given.evaluator()
        trials = _search(client, run_id, given, evaluate, storage, progress)
        choice = _choose(run_id, trials, evaluate)
        predecessor = registry.predecessor(client, given.kind, tuple(given.settings.features))
        segmentation = _fit(given, evaluate, choice.winner, predecessor)
        model_uri, fitted = _log_model(given, evaluate, choice.winner, segmentation)
        past = look_back(given.shop, fitted.scored, fitted.segmenter, fitted.profiles.name.tolist())
        result = _Result(given, evaluate, trials, choice, segmentation, fitted, past)
        _log_result(client, run_id, result)
        version = registry.register(client, run_id, model_uri, result.version_tags, result.note)
        _end(result.note)
    tracking.journal_path(run_id).unlink(missing_ok=True)
    return Outcome(run_id, version, result.lines, fitted.profiles, str(segmentation.identity))


def work_on_study(given: Assignment, storage: str, progress: Callable[[Trial], None] | None = None) -> None:
    """Run trials of the training with the same data, settings and `storage` until its study is full; no more.

    Nothing is logged or registered: the training does that, for these trials, too.
    """
    check_usable(given.shop.customers, given.settings.features)
    trials = run_trials(given.evaluator(), given.settings.trials, None, storage, given.fingerprint)
    for trial in trials:
        if progress:
            progress(trial)


@dataclass(frozen=True)
class _Segmentation:
    """The chosen segments under their final numbers and names, and where each comes from."""

    segmenter: Segmenter
    profiles: pd.DataFrame
    identity: identity.Identity


@dataclass(frozen=True)
class _Result:
    """Everything that a training found out, and the same as metrics, tags, sentences and files."""

    given: Assignment
    evaluate: Evaluator
    trials: list[Trial]
    choice: Choice
    segmentation: _Segmentation
    fitted: story.Fitted
    past: Past

    @property
    def band(self) -> Band:
        """The share of customers that the model is expected to flag."""
        return Band.of(self.choice.winner.metrics["anomaly_rate"], len(self.given.shop.customers))

    @property
    def lines(self) -> list[str]:
        """The outcome in five lines."""
        return story.in_five_lines(self.given.shop, self.given.kind, self.choice.winner, self.fitted)

    @property
    def note(self) -> str:
        """The outcome as the description of run and version."""
        return "\n".join(f"- {line}" for line in self.lines)

    @property
    def version_tags(self) -> dict[str, str]:
        """The tags of the model's version."""
        shop, winner = self.given.shop, self.choice.winner
        measured = ("silhouette", "stability", "smallest_share")
        numbers = {"eps": winner.eps} | {name: winner.metrics[name] for name in measured} | self.band.record()
        return {
            names.DATA_TAG: self.given.kind,
            names.DATA_DIGEST_TAG: shop.digest,
            "as_of": shop.as_of.isoformat(),
            "customers": str(len(shop.customers)),
            "k": str(winner.k),
            "min_samples": str(winner.min_samples),
            **{name: f"{value:.6g}" for name, value in numbers.items()},
            **self.segmentation.identity.tags(),
        }

    def metrics(self) -> dict[str, float]:
        """The metrics of the run."""
        shop, winner, fitted = self.given.shop, self.choice.winner, self.fitted
        values = winner.metrics | {
            "eps": winner.eps,
            "customers": len(shop.customers),
            "lines": shop.funnel.read,
        }
        if shop.sampled_from:
            values["sampled_from"] = shop.sampled_from
        values["dbscan_clusters"] = self.evaluate.clusters(winner)
        without = without_anomaly_removal(
            self.evaluate.points, fitted.segmenter.anomalies_, winner.k, self.given.settings.seed
        )
        return values | without | self.past.metrics

    def files(self, metrics: Mapping[str, float], curve: pd.DataFrame) -> dict[str, Any]:
        """The artifacts of the run, by path."""
        shop, winner, fitted = self.given.shop, self.choice.winner, self.fitted
        method = {name: str(value) for name, value in (self.given.params | _setting(winner)).items()}
        data = {
            names.FEATURE_TABLE: shop.customers,
            names.SCORED_CUSTOMERS: fitted.scored,
            names.FUNNEL: asdict(shop.funnel),
            names.UNDERSTANDING: shop.understanding.as_dict() if shop.understanding else {},
            names.PROFILES: fitted.profiles.to_dict("records"),
            names.SUMMARY: {
                "as_of": shop.as_of.isoformat(),
                "data": self.given.kind,
                "outcome": self.lines,
                "setting": _setting(winner),
                "metrics": metrics,
                "explained_variance": fitted.map.explained.tolist(),
                "missing": self.past.missing,
            },
            names.CHOICE: asdict(self.choice),
            names.IDENTITY: self.segmentation.identity.as_dict(),
            names.TRIALS: _trial_table(self.trials),
        }
        pictures = story.files(
            shop,
            self.evaluate,
            self.given.settings.features,
            self.choice,
            fitted,
            self.past,
            curve,
            self.lines,
            method,
        )
        return data | self.past.files | pictures


def _run_to_resume(client: MlflowClient, fingerprint: str) -> str:
    run = tracking.interrupted_run(client, fingerprint)
    if run is None:
        raise InputError(
            "There is no interrupted training of these data with these settings. Expected the same files and "
            "options as the training that was stopped. Run without --resume."
        )
    return run


def _run_tags(given: Assignment) -> dict[str, str]:
    return {
        "fingerprint": given.fingerprint,
        "stage": "sweep",
        "data": given.kind,
        "code_version": __version__,
    }


def _log_inputs(given: Assignment, source: str) -> None:
    import mlflow

    mlflow.log_params(given.params)
    tracking.log_data(given.shop.customers, source, given.shop.digest)


def _search(
    client: MlflowClient,
    run_id: str,
    given: Assignment,
    evaluate: Evaluator,
    storage: str,
    progress: Callable[[Trial], None] | None,
) -> list[Trial]:
    """All trials of the study, each as a child run of `run_id`."""
    journal, settings = tracking.journal_path(run_id), given.settings
    study = given.fingerprint if storage else run_id
    trials = []
    with TrialLog(client, run_id) as log:
        for trial in run_trials(evaluate, settings.trials, settings.seed, storage or journal, study):
            log.write(trial.number, _setting(trial), trial.metrics, trial.missed)
            trials.append(trial)
            if progress:
                progress(trial)
    return trials


def _choose(run_id: str, trials: list[Trial], evaluate: Evaluator) -> Choice:
    import mlflow

    try:
        return choose(trials, evaluate)
    except InputError:
        mlflow.set_tag("stage", "failed")  # there is nothing to resume
        tracking.journal_path(run_id).unlink(missing_ok=True)
        raise


def _fit(
    given: Assignment, evaluate: Evaluator, winner: Trial, predecessor: identity.Predecessor
) -> _Segmentation:
    """The winner's segmentation, with the predecessor's numbers and names where segments are the same."""
    segmenter = Segmenter(
        winner.k,
        eps=winner.eps,
        min_samples=winner.min_samples,
        columns=given.columns,
        order_by=FEATURES.index("Monetary"),
        init=evaluate.centres(winner),
        random_state=given.settings.seed,
    ).fit(given.values())
    profiles = profile(given.shop.customers, segmenter.labels_, segmenter.anomalies_, FEATURES)
    return _Segmentation(*identity.keep(segmenter, profiles, tuple(given.settings.features), predecessor))


def _log_model(
    given: Assignment, evaluate: Evaluator, winner: Trial, segmentation: _Segmentation
) -> tuple[str, story.Fitted]:
    """Log the model; its URI, and its answers for all customers, which must be the training's."""
    customers, segmenter = given.shop.customers, segmentation.segmenter
    metadata = {
        "as_of": given.shop.as_of.isoformat(),
        "data": given.kind,
        "returns": given.reading.returns,
        "duplicates": given.reading.duplicates,
        "reading": json.dumps(given.shop.understanding.mapping if given.shop.understanding else {}),
        **Band.of(winner.metrics["anomaly_rate"], len(customers)).record(),
    }
    values = customers[list(FEATURES)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / names.SEGMENTER
        artifact.write(path, segmenter, FEATURES, segmentation.profiles.name, np.median(values, axis=0))
        uri, answers = registry.log_model(path, values, artifact.requirements(), metadata)
    registry.check_answers(answers, segmenter.labels_, segmenter.anomalies_)
    plane = principal_map(evaluate.points)
    scored = customers.join(answers)
    scored["pca_1"], scored["pca_2"] = plane.coordinates.T
    return uri, story.Fitted(segmenter, segmentation.profiles, scored, plane)


def _log_result(client: MlflowClient, run_id: str, result: _Result) -> None:
    import mlflow

    metrics = result.metrics()
    mlflow.log_metrics(metrics)
    curve = _curve(result.evaluate, result.choice.winner)
    tracking.log_curve(client, run_id, curve)
    tracking.log_files(result.files(metrics, curve))


def _end(note: str) -> None:
    """Mark the active run as done. This is the last write: until then a resume goes on from here."""
    import mlflow

    mlflow.set_tags({tracking.NOTE_TAG: note, "stage": "done"})


def _setting(trial: Trial) -> dict[str, Any]:
    return {"k": trial.k, "eps": trial.eps, "min_samples": trial.min_samples}


def _curve(evaluate: Evaluator, winner: Trial) -> pd.DataFrame:
    """One row per k, at the winner's eps and min_samples: inertia, silhouette and the rest."""
    columns = ["inertia", "silhouette", "silhouette_se", "davies_bouldin", "calinski_harabasz"]
    rows = []
    for k in range(2, evaluate.limits.max_segments + 1):
        metrics = evaluate(-1, k, winner.eps, winner.min_samples).metrics
        rows.append({"k": k, **{name: metrics[name] for name in columns}})
    return pd.DataFrame(rows)


def _trial_table(trials: Sequence[Trial]) -> pd.DataFrame:
    rows = [{"trial": t.number, **_setting(t), **t.metrics, "missed": " ".join(t.missed)} for t in trials]
    return pd.DataFrame(rows)
