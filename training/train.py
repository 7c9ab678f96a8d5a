"""One training, from a shop's customers to a registered challenger: the steps in their order."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd

from contract import names
from contract.names import FEATURES
from contract.people import ID, KEPT
from training import __version__, identity
from training.band import Band
from training.clustering.evaluate import Map, principal_map, without_anomaly_removal
from training.clustering.segmenter import Segmenter, density_features, standardise
from training.clustering.sweep import (
    ANOMALY_RATE,
    Choice,
    Evaluator,
    Limits,
    Trial,
    choose,
    run_trials,
    untried,
)
from training.clustering.weights import DEFAULT_WEIGHTS, weights_of, written
from training.errors import Rejected
from training.outlook import HORIZON_DAYS, Outlook, look_ahead
from training.people import kept_log, remembered
from training.profiles import profile
from training.remedy import fewer_features
from training.report import story
from training.report.advice import advice_on_leavers
from training.report.artist import Artist
from training.report.expectation import cell_expectation, shop_total, with_expectation
from training.report.facts import monthly
from training.report.histories import write_months
from training.report.lookback import AHEAD, Lookback, look_back
from training.report.outlook_story import outlook_line, outlook_sentences
from training.report.past import Past
from training.report.portrait import state_grid, with_evidence
from training.returns import with_returns_note
from training.shop import Reading, Shop, check_usable, constant_note, varying
from training.states import shop_gap
from training.store import artifact, descriptions, registry, tracking
from training.store.connection import connect
from training.store.trial_log import TrialLog
from training.value.groups import GroupsBefore
from training.value.verdict import Limits as ForecastLimits

if TYPE_CHECKING:
    from mlflow import MlflowClient


FORECAST_FIGURE = "forecast"
SPAN_COLUMNS = (FEATURES.index("Tenure"), FEATURES.index("Recency"))  # see `Segmenter`


@dataclass(frozen=True)
class Settings:
    """What a search depends on besides the data."""

    limits: Limits
    trials: int = 100
    seed: int = 0
    features: Sequence[str] = FEATURES
    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    anomaly_rate: float = ANOMALY_RATE
    horizon_days: int = HORIZON_DAYS
    forecast_limits: ForecastLimits = field(default_factory=ForecastLimits)


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
    def name(self) -> str:
        """What tells its run from others, first what differs most: MLflow's list of runs shows 20 letters."""
        features = "all features" if set(self.features) == set(FEATURES) else ", ".join(self.features)
        return f"{self.shop.as_of:%Y-%m-%d}, seed {self.settings.seed}, {features}, {self.kind} data"

    @property
    def params(self) -> dict[str, Any]:
        """The options by their names, as `mlflow run` logs them too."""
        return {
            "as_of": self.reading.as_of or "auto",
            "returns": self.reading.returns,
            "duplicates": self.reading.duplicates,
            "features": ",".join(self.settings.features),
            "weights": written({name: self.settings.weights[name] for name in self.features}),
            "anomaly_rate": self.settings.anomaly_rate,
            "trials": self.settings.trials,
            "seed": self.settings.seed,
            **asdict(self.settings.limits),
            "horizon": self.settings.horizon_days,
            **{f"forecast_{name}": value for name, value in asdict(self.settings.forecast_limits).items()},
        }

    @property
    def fingerprint(self) -> str:
        """The same for trainings of the same customers with the same options, and for no others."""
        text = f"{self.shop.digest} {json.dumps(self.params, default=str, sort_keys=True)}"
        return hashlib.sha256(text.encode()).hexdigest()[:36]

    @property
    def features(self) -> tuple[str, ...]:
        """The features that are used for distances: those of the settings that vary."""
        return varying(self.shop.customers, self.settings.features)

    @property
    def columns(self) -> list[int]:
        """The columns of the features that are used for distances."""
        return [FEATURES.index(name) for name in self.features]

    @property
    def weights(self) -> np.ndarray:
        """(d,) what each of these features counts in k-means' distances."""
        return weights_of(self.features, self.settings.weights)

    @property
    def notes(self) -> list[str]:
        """What is said about features that are left out because they do not vary."""
        constant = [name for name in self.settings.features if name not in self.features]
        return [constant_note(self.shop.customers, name) for name in constant]

    def values(self) -> np.ndarray:
        """(n, 5) the features of all customers."""
        return self.shop.customers[list(FEATURES)].to_numpy()

    def evaluator(self) -> Evaluator:
        """What answers for any setting on these customers."""
        values = self.values()
        _, density = standardise(density_features(values, self.columns, SPAN_COLUMNS))
        worth = self.shop.customers.Monetary.to_numpy()
        return Evaluator(density, self.weighted(), worth, self.settings.limits, self.settings.seed)

    def standardised(self) -> np.ndarray:
        """(n, d) the features used for distances, standardised after log1p."""
        return standardise(self.values()[:, self.columns])[1]

    def weighted(self) -> np.ndarray:
        """(n, d) the same with each feature's weight: where k-means measures its distances."""
        return self.standardised() * self.weights


@dataclass(frozen=True)
class Outcome:
    """What a training came to."""

    run_id: str
    version: int
    lines: list[str]
    profiles: pd.DataFrame
    identity: str
    warnings: list[str]
    outlook: str

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "run_id": self.run_id,
            "version": self.version,
            "outcome": self.lines,
            "segments": self.profiles.to_dict("records"),
            "identity": self.identity,
            "warnings": self.warnings,
            "outlook": self.outlook,
        }


def train_challenger(
    given: Assignment,
    source: str,
    resume: str | None = None,
    progress: Callable[[Trial], None] | None = None,
    storage: str = "",
    registered: Callable[[int], None] | None = None,
    artist: Artist | None = None,
    known: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Search, choose, fit, log and register a challenger.

    `source` names the data for the run. `resume` is the id of an interrupted run to go on with. `progress` is called
    after each trial. `storage` is the address of a database for the Optuna study, in which others may
    `work_on_study`; by default the study is this process's own. `registered` is called with the version as soon as
    it can be loaded, and then `known` with what the training came to; figures and report are waited for after that, and
    the alias `challenger` comes last. `artist` draws the figures, each as soon as what it shows is known.
    Raises InputError, with nothing registered, when the data cannot be segmented, and Rejected when no setting keeps
    the limits: the run then keeps features, figures, report and the best segmentation, marked as rejected.
    """
    check_usable(given.shop.customers, given.settings.features)
    client = connect()
    artist, months = artist or Artist(), monthly(given.shop.orders)
    story.draw_shop(artist, given.shop.customers, months)
    with tracking.training_run(client, given.name, _run_tags(given), resume) as run_id:
        _log_inputs(given, source)
        found = _find(client, run_id, given, storage, progress, artist)
        choice = found.choice
        past = _past(given, found.segmentation)
        outlook = look_ahead(past, given.settings.horizon_days, given.settings.forecast_limits)
        if outlook.tests:
            artist.draw(FORECAST_FIGURE, outlook)
        model_uri, answers = _answers(client, given, found, outlook)
        result = _result(given, found, past, outlook, answers)
        story.draw_fitted(artist, result.fitted, result.past, result.grid)
        remembered.check_none(client, given.reading.forgotten, given.shop.customers[ID])
        if not choice.rejected:
            version = registry.register(client, run_id, model_uri, result.version_tags, result.note)
            outcome = result.outcome(run_id, version)
            if registered:
                registered(version)
            if known:
                known(outcome)
        _log_result(client, run_id, result, artist, months)
        tracking.rename(client, run_id, given.name, f"k={choice.winner.k}, {given.name}")
        if choice.rejected:
            _reject(run_id, given, result)
        registry.challenge(client, version)
        descriptions.write_missing(client)
        _end(result.note, "done")
    tracking.journal_path(run_id).unlink(missing_ok=True)
    return outcome


def work_on_study(given: Assignment, storage: str, progress: Callable[[Trial], None] | None = None) -> None:
    """Run trials of the training with the same data, settings and `storage` until its study is full; no more.

    Nothing is logged or registered: the training does that, for these trials, too.
    """
    check_usable(given.shop.customers, given.settings.features)
    settings = given.settings
    evaluate = given.evaluator()
    for trial in run_trials(
        evaluate, settings.trials, None, storage, given.fingerprint, settings.anomaly_rate
    ):
        if progress:
            progress(trial)


@dataclass(frozen=True)
class _Segmentation:
    """The chosen segments under their final numbers and names, and where each comes from."""

    segmenter: Segmenter
    profiles: pd.DataFrame
    identity: identity.Identity


@dataclass(frozen=True)
class _Found:
    """What the search came to.

    curve: a row per k at the chosen setting; measured: metrics that only the evaluator of the search can tell.
    """

    trials: list[Trial]
    choice: Choice
    segmentation: _Segmentation
    plane: Map
    curve: pd.DataFrame
    measured: dict[str, float]


@dataclass(frozen=True)
class _Result:
    """Everything that a training found out, and the same as metrics, tags, sentences and files."""

    given: Assignment
    found: _Found
    fitted: story.Fitted
    past: Lookback
    outlook: Outlook

    @property
    def choice(self) -> Choice:
        """The chosen trial, and why."""
        return self.found.choice

    @property
    def groups_before(self) -> GroupsBefore | None:
        """What the ranges of groups are learnt from; None where the forecast does not hold."""
        return self.outlook.groups_before if self.outlook.holds else None

    @property
    def shop_total(self) -> dict[str, float | None] | None:
        """What all customers together are expected to bring; None where the forecast does not hold."""
        before = self.groups_before
        return None if before is None else shop_total(self.fitted.scored, before)

    @property
    def outlook_line(self) -> str:
        """What is expected of all customers, or why nothing is said of it."""
        return outlook_line(self.outlook, self.shop_total)

    @property
    def band(self) -> Band:
        """The share of customers that the model is expected to flag."""
        return Band.of(self.choice.winner.metrics["anomaly_rate"], len(self.given.shop.customers))

    @property
    def lines(self) -> list[str]:
        """The outcome in five lines."""
        return story.in_five_lines(self.given.shop, self.given.kind, self.choice, self.fitted)

    @property
    def warnings(self) -> list[str]:
        """What the reader should know of how the result came about."""
        return [*self.given.notes, *untried(self.found.trials, self.given.settings.limits)]

    @property
    def note(self) -> str:
        """The outcome as the description of run and version."""
        return "\n".join(f"- {line}" for line in (*self.lines, self.outlook_line, *self.warnings))

    @property
    def version_tags(self) -> dict[str, str]:
        """The tags of the model's version."""
        shop, winner = self.given.shop, self.choice.winner
        return {
            names.DATA_TAG: self.given.kind,
            names.DATA_DIGEST_TAG: shop.digest,
            "as_of": shop.as_of.isoformat(),
            "customers": str(len(shop.customers)),
            "k": str(winner.k),
            **self.outlook.record,
            names.DETAILS_TAG: json.dumps(self._details),
        }

    @property
    def _details(self) -> dict[str, float | int | str]:
        """What else a reader of the version may want: its setting, how it did, and where its segments come from."""
        winner = self.choice.winner
        measured = ("silhouette", "stability", "smallest_share", "value_step", "flag_reproducibility")
        return (
            {"eps": winner.eps, "min_samples": winner.min_samples, "best_trial": winner.number}
            | {name: winner.metrics[name] for name in measured}
            | self.band.record()
            | self.found.segmentation.identity.tags()
        )

    def metrics(self) -> dict[str, float]:
        """The metrics of the run."""
        shop, winner, fitted = self.given.shop, self.choice.winner, self.fitted
        values = winner.metrics | {
            **_setting(winner),
            "best_trial": winner.number,
            **self.found.measured,
            "customers": len(shop.customers),
            "lines": shop.funnel.read,
        }
        if shop.sampled_from:
            values["sampled_from"] = shop.sampled_from
        weighted, seed = self.given.weighted(), self.given.settings.seed
        without = without_anomaly_removal(weighted, fitted.segmenter.anomalies_, winner.k, seed)
        return values | without | self.past.metrics | self.outlook.metrics() | self._expected_metrics()

    def _expected_metrics(self) -> dict[str, float]:
        numbers = {f"forecast_{name}": value for name, value in (self.shop_total or {}).items()}
        return {name: float(value) for name, value in numbers.items() if value is not None}

    def outcome(self, run_id: str, version: int) -> Outcome:
        """What the training came to, in the run `run_id`, registered as `version`."""
        identity_line = str(self.found.segmentation.identity)
        return Outcome(
            run_id, version, self.lines, self.fitted.profiles, identity_line, self.warnings, self.outlook_line
        )

    def files(self, metrics: Mapping[str, float], artist: Artist, months: pd.DataFrame) -> dict[str, Any]:
        """The artifacts of the run, by path; `artist` was asked for the figures."""
        shop, winner, fitted, kept = self.given.shop, self.choice.winner, self.fitted, self.given.shop.kept
        method = {name: str(value) for name, value in (self.given.params | _setting(winner)).items()}
        by_customer = {names.MONTHS: partial(write_months, shop), **self.past.files}
        data = {
            names.FEATURE_TABLE: shop.customers.drop(columns=kept),
            names.SCORED_CUSTOMERS: fitted.scored.drop(columns=kept),
            names.FUNNEL: asdict(shop.funnel),
            names.UNDERSTANDING: shop.understanding.as_dict() if shop.understanding else {},
            names.PROFILES: fitted.profiles.to_dict("records"),
            names.SUMMARY: {
                "as_of": shop.as_of.isoformat(),
                "data": self.given.kind,
                "currency": shop.understanding.currency if shop.understanding else "",
                "outcome": self.lines,
                "setting": _setting(winner),
                "metrics": metrics,
                "explained_variance": fitted.map.explained.tolist(),
                "missing": self.past.missing,
                "warnings": self.warnings,
                "rejected": self.choice.rejected,
                "advice_on_fallen": self._advice_on_fallen(),
                KEPT: kept,
                "customer_files": [path for path in names.CUSTOMER_FILES if path in by_customer],
            },
            names.EVIDENCE: self._evidence(),
            names.FORECAST: self._forecast(),
            names.CHOICE: asdict(self.choice),
            names.IDENTITY: self.found.segmentation.identity.as_dict(),
            names.TRIALS: _trial_table(self.found.trials),
        }
        pictures = story.files(
            artist,
            shop,
            months,
            self.choice,
            fitted,
            self.past,
            self.grid,
            outlook_sentences(self.outlook, self.shop_total),
            self.outlook.horizon_days,
            self.lines,
            method,
            self.warnings,
        )
        for name, picture in artist.pictures([FORECAST_FIGURE]).items():
            data[f"{names.FIGURES}/{name}.png"] = picture.png
        return data | by_customer | pictures

    def _advice_on_fallen(self) -> str:
        fallen = len(self.past.movement.fallen) if self.past.movement else 0
        return advice_on_leavers(self.past.evidence.left_best, fallen) if fallen else ""

    def _evidence(self) -> dict[str, Any]:
        """What such customers did next, and the grid of segments and states with it."""
        cut_offs = [] if self.past.forward is None else self.past.forward.by_cut_off.cut_off.tolist()
        return {"days": AHEAD, "cut_offs": cut_offs, **self.past.evidence.as_json(), "grid": self.grid}

    @cached_property
    def grid(self) -> list[dict[str, Any]]:
        """The grid of segments and states, with what is expected of each cell."""
        scored, before, days = self.fitted.scored, self.groups_before, self.outlook.horizon_days
        return [
            cell | cell_expectation(cell, scored, before, days)
            for cell in state_grid(scored, self.fitted.profiles, self.past.evidence)
        ]

    def _forecast(self) -> dict[str, Any]:
        """The forecast, its tests and its verdict, what is expected of all customers, and all that in sentences."""
        shop = self.shop_total
        sentences = outlook_sentences(self.outlook, shop)
        return {**self.outlook.as_json(), "shop": shop, "sentences": sentences}


def _run_tags(given: Assignment) -> dict[str, str]:
    return {
        "fingerprint": given.fingerprint,
        "stage": "sweep",
        "data": given.kind,
        "code_version": __version__,
    }


def _log_inputs(given: Assignment, source: str) -> None:
    """Log parameters and data into the active run. What `mlflow run` has logged stays as the user wrote it."""
    import mlflow

    run = mlflow.active_run()
    logged = run.data.params if run else {}
    mlflow.log_params({name: value for name, value in given.params.items() if name not in logged})
    tracking.log_data(given.shop.customers, source, given.shop.digest)


def _find(
    client: MlflowClient,
    run_id: str,
    given: Assignment,
    storage: str,
    progress: Callable[[Trial], None] | None,
    artist: Artist,
) -> _Found:
    """Search, choose, fit, and have it drawn; the evaluator, which takes much memory, is gone afterwards."""
    evaluate = given.evaluator()
    trials = _search(client, run_id, given, evaluate, storage, progress)
    choice = choose(trials, evaluate, given.settings.anomaly_rate)
    winner = choice.winner
    predecessor = registry.predecessor(client, given.kind, given.features, given.weights)
    segmentation = _fit(given, evaluate, winner, predecessor)
    plane, curve = principal_map(given.standardised()), _curve(evaluate, winner)
    segment_names = segmentation.profiles.name.tolist()
    fitted = segmentation.segmenter
    story.draw_choice(artist, evaluate, given.features, winner, fitted, plane, segment_names, curve)
    measured = {
        "silhouette_ordinary": evaluate.ordinary_silhouette(winner),
        "dbscan_clusters": evaluate.clusters(winner),
    }
    return _Found(trials, choice, segmentation, plane, curve, measured)


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
        for trial in run_trials(
            evaluate, settings.trials, settings.seed, storage or journal, study, settings.anomaly_rate
        ):
            log.write(trial.number, _setting(trial), trial.metrics, trial.missed)
            trials.append(trial)
            if progress:
                progress(trial)
    return trials


def _fit(
    given: Assignment, evaluate: Evaluator, winner: Trial, predecessor: identity.Predecessor
) -> _Segmentation:
    """The winner's segmentation, with the predecessor's numbers and names where segments are the same."""
    segmenter = Segmenter(
        winner.k,
        eps=winner.eps,
        min_samples=winner.min_samples,
        columns=given.columns,
        weights=given.weights,
        span=SPAN_COLUMNS,
        order_by=FEATURES.index("Monetary"),
        init=evaluate.centres(winner),
        random_state=given.settings.seed,
    ).fit(given.values())
    profiles = profile(given.shop.customers, segmenter.labels_, segmenter.anomalies_, FEATURES)
    return _Segmentation(*identity.keep(segmenter, profiles, given.features, predecessor))


def _past(given: Assignment, segmentation: _Segmentation) -> Past:
    """The shop's earlier days, under the segments of today."""
    names_of_today = segmentation.profiles.name.tolist()
    segments = identity.segments_of(segmentation.segmenter, given.features, names_of_today)
    return Past(given.shop, segmentation.segmenter, segments)


def _answers(
    client: MlflowClient, given: Assignment, found: _Found, outlook: Outlook
) -> tuple[str, pd.DataFrame]:
    """The model's answers for all customers, which must be the training's; logged, its URI, unless it is rejected."""
    customers, segmenter = given.shop.customers, found.segmentation.segmenter
    values = customers[list(FEATURES)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / names.SEGMENTER
        typical = np.median(values, axis=0)
        gap, segment_names = shop_gap(customers), found.segmentation.profiles.name
        artifact.write(path, segmenter, FEATURES, segment_names, typical, gap, outlook.numbers)
        if found.choice.rejected:
            uri, answers = "", artifact.answers(path, values)
        else:
            metadata = _metadata(given, found.choice.winner) | outlook.record
            uri, answers = registry.log_model(client, path, values, artifact.requirements(), metadata)
    registry.check_answers(answers, segmenter.labels_, segmenter.anomalies_)
    return uri, answers


def _metadata(given: Assignment, winner: Trial) -> dict[str, Any]:
    """What the model says of itself."""
    return {
        "as_of": given.shop.as_of.isoformat(),
        "data": given.kind,
        "returns": given.reading.returns,
        "duplicates": given.reading.duplicates,
        "features": ",".join(given.features),
        "weights": given.params["weights"],
        "reading": json.dumps(given.shop.understanding.mapping if given.shop.understanding else {}),
        **Band.of(winner.metrics["anomaly_rate"], len(given.shop.customers)).record(),
    }


def _result(given: Assignment, found: _Found, past: Past, outlook: Outlook, answers: pd.DataFrame) -> _Result:
    """What the past says of the segmentation, and everything else that is told of it."""
    customers = with_returns_note(given.shop.customers, given.reading.returns)
    scored = customers.join(artifact.with_numbers(answers))
    scored["pca_1"], scored["pca_2"] = found.plane.coordinates.T
    lookback = look_back(past, scored)
    profiles = with_evidence(found.segmentation.profiles, scored, lookback.evidence)
    profiles = with_expectation(profiles, scored, outlook.groups_before if outlook.holds else None)
    fitted = story.Fitted(found.segmentation.segmenter, profiles, scored, found.plane)
    return _Result(given, found, fitted, lookback, outlook)


def _reject(run_id: str, given: Assignment, result: _Result) -> NoReturn:
    """Mark the active run as rejected, and raise Rejected with what may help."""
    remedy = fewer_features(given)
    _end(f"- REJECTED: {result.choice.rejected} {remedy}\n{result.note}", "rejected")
    tracking.journal_path(run_id).unlink(missing_ok=True)
    raise Rejected(
        f"{result.choice.rejected} {remedy} Nothing was registered. The features, figures, report and the best "
        f"rejected segmentation are in run {run_id}."
    )


def _log_result(
    client: MlflowClient, run_id: str, result: _Result, artist: Artist, months: pd.DataFrame
) -> None:
    import mlflow

    metrics = result.metrics()
    mlflow.log_metrics(metrics)
    winner = result.choice.winner
    mlflow.log_params({**tracking.rounded(_setting(winner)), "best_trial": winner.number})
    tracking.log_curve(client, run_id, result.found.curve)
    if (kept := result.given.shop.kept) and not result.choice.rejected:
        kept_log.keep(run_id, result.given.shop.customers[[ID, *kept]])
    tracking.log_files(result.files(metrics, artist, months))


def _end(note: str, stage: str) -> None:
    """Mark the active run as ended. This is the last write: until then a resume goes on from here."""
    import mlflow

    mlflow.set_tags({tracking.NOTE_TAG: note, "stage": stage})


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
