"""The search over k, eps and min_samples with Optuna, within limits that keep the result useful."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.clustering import compiled
from training.clustering.density import Neighbours, cluster_counts, eps_for_rate, neighbours
from training.clustering.evaluate import (
    EXACT_UP_TO,
    SampledSilhouette,
    Silhouette,
    companions,
    flag_reproducibility,
    silhouette,
    stability,
)
from training.clustering.kmeans import RESTARTS_UP_TO, Clustering, Lloyd, nearest, starts
from training.clustering.segmenter import cluster_medians
from training.errors import InputError

Floats = NDArray[np.float64]

ANOMALY_RATE = 0.015  # the share of customers that is wanted as a list of the unusual
MIN_SAMPLES = (15, 25)  # fewer cannot see a dozen customers who look alike
FIRST_MIN_SAMPLES = 20  # of the trials that try each k once
RESTARTS = 20  # of k-means, for each k
RATE_MARGIN = 2  # the anomaly rate is searched up to this factor outside its limits
FINALISTS_PER_K = 2  # settings of one k whose stability is measured before the next k has its turn
ALIKE_RATE = (
    0.05  # anomaly rates whose distances from the wanted one differ by less than this share of it are alike
)
MOST_STEP = 1e6  # so that a step from nothing to something stays a number
ALIKE_TRIALS = 3  # settings of alike rates whose flags' reproducibility is measured


@dataclass(frozen=True)
class Limits:
    """What a segmentation must keep to be of use; shares are of all customers."""

    min_segments: int = 3
    max_segments: int = 12
    min_share: float = 0.05
    min_value_step: float = 1.25
    min_anomaly_rate: float = 0.005
    max_anomaly_rate: float = 0.02
    min_stability: float = 0.8

    def excess(
        self, k: int, smallest_share: float, value_step: float, anomaly_rate: float
    ) -> dict[str, float]:
        """By how much each limit is missed; zero or less is within."""
        return {
            "min_segments": float(self.min_segments - k),
            "min_share": self.min_share - smallest_share,
            "min_value_step": self.min_value_step - value_step,
            "min_anomaly_rate": self.min_anomaly_rate - anomaly_rate,
            "max_anomaly_rate": anomaly_rate - self.max_anomaly_rate,
        }


@dataclass(frozen=True)
class Trial:
    """One setting and how it did. `excess` says by how much each limit is broken: zero or less is within."""

    number: int
    k: int
    eps: float
    min_samples: int
    metrics: dict[str, float]
    excess: dict[str, float]

    @property
    def missed(self) -> dict[str, float]:
        """The limits it breaks, and by how much."""
        return {limit: by for limit, by in self.excess.items() if by > 0}

    @property
    def feasible(self) -> bool:
        return not self.missed

    @property
    def setting(self) -> str:
        return f"k={self.k}, eps={self.eps:.4f}, min_samples={self.min_samples}"


@dataclass(frozen=True)
class Choice:
    """The winner with its stability in `metrics`, the finalists looked at, and why, in words.

    `rejected` says why no trial may be used; the winner is then the best of those that may not.
    """

    winner: Trial
    finalists: list[Trial]
    reasons: list[str] = field(default_factory=list)
    rejected: str = ""


class Evaluator:
    """Answers for any (k, eps, min_samples) on one shop's customers; each fit is done once.

    points: (n, d) the space in which DBSCAN measures distances; weighted: (n, d) that of k-means; worth: (n,) what each
    customer spent, by which segments are told apart in value.

    The restarts of k-means are shared: they are made once for each k, without the customers that the highest
    anomaly rate allowed leaves out; each trial goes on from their best outcomes with its own customers.
    """

    def __init__(self, points: Floats, weighted: Floats, worth: Floats, limits: Limits, seed: int) -> None:
        self.points, self.weighted, self.worth = points, weighted, worth
        self.limits, self.seed = limits, seed
        self._near: Neighbours = neighbours(points, min(MIN_SAMPLES[1], len(points)))
        self._tree = compiled.tree_of(self.weighted)
        self._starts: dict[int, list[Floats]] = {}
        self._thresholds: dict[int, Floats] = {}
        self._fits: dict[tuple[int, bytes], dict[str, float]] = {}

    def threshold(self, min_samples: int) -> Floats:
        """(n,) noise thresholds at min_samples."""
        size = min(min_samples, len(self.points))
        if size not in self._thresholds:
            self._thresholds[size] = self._near.noise_threshold(size)
        return self._thresholds[size]

    def anomalies(self, trial: Trial) -> NDArray[np.bool_]:
        """(n,) the customers that DBSCAN calls noise at a trial's setting."""
        return self.threshold(trial.min_samples) > trial.eps

    def eps(self, rate: float, min_samples: int) -> float:
        """The eps at which a share `rate` of all customers is noise."""
        return eps_for_rate(self.threshold(min_samples), rate)

    def recall(self, k: int, eps: float, min_samples: int, metrics: dict[str, float]) -> None:
        """Take the metrics of a fit that an interrupted search has done, so that it is not done again."""
        self._fits[fit_key(k, self.threshold(min_samples) > eps)] = metrics

    def __call__(self, number: int, k: int, eps: float, min_samples: int) -> Trial:
        noise = self.threshold(min_samples) > eps
        key = fit_key(k, noise)
        if key not in self._fits:
            self._fits[key] = self._fit(k, noise)
        metrics = self._fits[key]
        excess = self.limits.excess(
            k, metrics["smallest_share"], metrics["value_step"], metrics["anomaly_rate"]
        )
        return Trial(number, k, eps, min_samples, metrics, excess)

    def _fit(self, k: int, noise: NDArray[np.bool_]) -> dict[str, float]:
        """The metrics of one fit: of all customers in their nearest segment, but for the inertia of the ordinary."""
        clustering = self._kmeans(k, noise)
        labels = np.empty(len(noise), dtype=np.int64)
        labels[~noise] = clustering.labels
        labels[noise] = nearest(self.weighted[noise], clustering.centres)[0] if noise.any() else 0
        present = labels  # in each segment there are customers, unless customers coincide
        if np.bincount(labels, minlength=k).min() == 0:
            _, present = np.unique(labels, return_inverse=True)
        score = self._silhouette(present)
        return {
            "silhouette": score.value,
            "silhouette_se": score.standard_error,
            **companions(self.weighted, present),
            "inertia": clustering.inertia,
            "anomaly_rate": float(noise.mean()),
            "smallest_share": float(np.bincount(labels, minlength=k).min() / len(labels)),
            "value_step": value_step(clustering.labels, self.worth[~noise], k),
        }

    def _silhouette(self, labels: NDArray[np.int64]) -> Silhouette:
        """The silhouette of all customers. Many customers: what all trials share is worked out once."""
        if len(labels) <= EXACT_UP_TO:
            return silhouette(self.weighted, labels, self.seed)
        return self._sampled.of(labels)

    @cached_property
    def _sampled(self) -> SampledSilhouette:
        """Knows the segments of every start of every k, to one of which each trial comes near."""
        everyone = Lloyd(self.weighted, self._tree)
        ks = range(self.limits.min_segments, self.limits.max_segments + 1)
        references = [everyone.nearest(start)[0] for k in ks for start in self._starts_of(k)]
        return SampledSilhouette(self.weighted, references, self.seed)

    def ordinary_silhouette(self, trial: Trial) -> float:
        """The mean silhouette of the ordinary customers alone, under the trial's segments."""
        noise = self.anomalies(trial)
        _, present = np.unique(self._kmeans(trial.k, noise).labels, return_inverse=True)
        return silhouette(self.weighted[~noise], present, self.seed).value

    def stability(self, trial: Trial) -> float:
        """How far k-means agrees with bootstrap refits on the trial's ordinary customers; see `stability`."""
        return stability(self.weighted[~self.anomalies(trial)], trial.k, seed=self.seed)

    def flag_reproducibility(self, trial: Trial) -> float:
        """How far the trial's flags are the same on 80 % of the customers; see `flag_reproducibility`."""
        rate = float(self.anomalies(trial).mean())
        return flag_reproducibility(self.points, trial.min_samples, rate, seed=self.seed)

    def clusters(self, trial: Trial) -> int:
        """How many clusters DBSCAN itself sees at a trial's setting."""
        return cluster_counts(self.points, self._near, [(trial.eps, trial.min_samples)])[0]

    def centres(self, trial: Trial) -> Floats:
        """(k, d) centres of a trial's segments in the weighted space, in no order."""
        return self._kmeans(trial.k, self.anomalies(trial)).centres

    def _kmeans(self, k: int, noise: NDArray[np.bool_]) -> Clustering:
        return Lloyd(self.weighted, self._tree, ~noise).best(self._starts_of(k))

    def _starts_of(self, k: int) -> list[Floats]:
        if k not in self._starts:
            self._starts[k] = self._shared_starts(k)
        return self._starts[k]

    def _shared_starts(self, k: int) -> list[Floats]:
        """What every trial of k goes on from. Many customers: the few best outcomes that were found without those whom
        the highest anomaly rate leaves out; these few others move them but little."""
        usual = self.threshold(MIN_SAMPLES[1]) <= self.eps(self.limits.max_anomaly_rate, MIN_SAMPLES[1])
        begun = starts(self.weighted[usual], k, RESTARTS, self.seed)
        if usual.sum() <= RESTARTS_UP_TO:
            return begun
        return Lloyd(self.weighted, self._tree, usual).promising(begun)


def value_step(labels: NDArray[np.int64], worth: Floats, k: int) -> float:
    """How many times the median `worth` (n,) of a segment is that of the one below: the least of k - 1 steps.

    1 when there is only one segment with customers, and when the one below is worth nothing and so is this one.
    """
    medians = np.sort(cluster_medians(labels, worth, k))
    medians = medians[np.isfinite(medians)]
    below, above = medians[:-1], medians[1:]
    steps = np.divide(above, below, out=np.where(above > 0, np.inf, 1.0), where=below > 0)
    return float(min(steps.min(initial=np.inf), MOST_STEP)) if len(medians) > 1 else 1.0


def fit_key(k: int, noise: NDArray[np.bool_]) -> tuple[int, bytes]:
    """What a fit of k-means really depends on: settings that call the same customers noise share it."""
    return k, np.packbits(noise).tobytes()


def run_trials(
    evaluate: Evaluator, trials: int, seed: int | None, storage: Path | str, name: str, rate: float
) -> Iterator[Trial]:
    """Trials of an Optuna study (TPE, constrained), one by one, until it holds `trials`; those it has come first.

    Each k from min_segments to max_segments is tried once before the sampler chooses, lowest first, at the wanted
    anomaly `rate`. eps is searched through the anomaly rate it stands for, on a log scale, because its range belongs
    to the data. Each trial's sampler is seeded by the trial's number, so a study that was interrupted
    goes on as if it had not been.

    `storage` is a journal file of this process alone, or the address of a database whose study `name`
    any number of processes add to: their trials come, too, and a few more than `trials` when several
    were under way. Only one of them may have a `seed`, or they would try the same settings. A trial's
    number is its place in the journal, or the one that the database gave it.
    """
    import optuna

    study, journal = _study(storage, name)
    limits = evaluate.limits
    rates = limits.min_anomaly_rate / RATE_MARGIN, min(0.5, limits.max_anomaly_rate * RATE_MARGIN)
    if seed is not None:
        for setting in first_settings(limits, rate):
            study.enqueue_trial(setting, skip_if_exists=True)
    seen: set[int] = set()
    while True:
        for known in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)):
            if known.number not in seen:
                yield _known(evaluate, known)
                seen.add(known.number)
        if len(seen) >= trials:
            return
        study.sampler = optuna.samplers.TPESampler(
            seed=None if seed is None else (seed * 1_000_003 + len(seen)) % 2**32
        )
        asked = study.ask()
        k = asked.suggest_int("k", limits.min_segments, limits.max_segments)
        asked_rate = asked.suggest_float("anomaly_rate", *rates, log=True)
        min_samples = asked.suggest_int("min_samples", *MIN_SAMPLES)
        trial = evaluate(asked.number, k, evaluate.eps(asked_rate, min_samples), min_samples)
        for limit, by in trial.excess.items():
            asked.set_constraint(limit, by)
        asked.set_user_attr("metrics", trial.metrics)
        told = study.tell(asked, trial.metrics["silhouette"])
        if journal:
            journal.add_trial(told)
        seen.add(asked.number)
        yield trial


def first_settings(limits: Limits, rate: float) -> list[dict[str, Any]]:
    """Each k once, lowest first, at the wanted anomaly rate: the settings that are tried before the sampler chooses."""
    ks = range(limits.min_segments, limits.max_segments + 1)
    return [{"k": k, "anomaly_rate": rate, "min_samples": FIRST_MIN_SAMPLES} for k in ks]


def _study(storage: Path | str, name: str) -> tuple[Any, Any]:
    """The Optuna study `name` to ask, and the one in a journal that keeps its finished trials.

    In a database they are one, and the second is None. Beside a journal the study asked is in memory: each step of a
    trial would be a write of its own there, waited for until the disk has it, about ten where now there is one.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if isinstance(storage, str):
        try:
            study = optuna.create_study(
                study_name=name, storage=storage, direction="maximize", load_if_exists=True
            )
        # An address that cannot be read, a missing driver and a database that is down each have a class of their own.
        except Exception as error:
            raise InputError(
                f"--storage cannot be opened: {str(error).splitlines()[0]} Expected the address of a database, such as "
                "sqlite:///study.db or postgresql://user@host/name, with its driver installed."
            ) from None
        return study, None
    _mend(storage)
    file = optuna.storages.JournalStorage(JournalFileBackend(str(storage)))
    journal = optuna.create_study(study_name=name, storage=file, direction="maximize", load_if_exists=True)
    study = optuna.create_study(study_name=name, direction="maximize")
    study.add_trials(journal.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))
    return study, journal


def _known(evaluate: Evaluator, found: Any) -> Trial:
    """A trial that a study already holds, with the metrics it was told with."""
    k, min_samples = found.params["k"], found.params["min_samples"]
    eps = evaluate.eps(found.params["anomaly_rate"], min_samples)
    evaluate.recall(k, eps, min_samples, found.user_attrs["metrics"])
    return evaluate(found.number, k, eps, min_samples)


def _mend(journal: Path) -> None:
    """Cut off what was written by half into a journal that nobody else uses, and remove the lock of a killed process.

    Optuna refuses the one and waits for the other, for ever where the journal's path is relative.
    """
    Path(f"{journal}.lock").unlink(missing_ok=True)
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        whole = 0
        for line in file:
            try:
                json.loads(line)
            except ValueError:
                break
            whole += len(line) if line.endswith(b"\n") else 0
        file.truncate(whole)


def choose(trials: list[Trial], evaluate: Evaluator, rate: float) -> Choice:
    """The k of the highest silhouette, and of its trials the one whose anomaly rate is nearest to the wanted `rate`.

    Only trials that keep the limits count, and the one chosen must survive resampling: where two settings of a k do
    not, the k of the next highest silhouette has its turn. Rates that are about as near (ALIKE_RATE) are told apart
    by how reproducible their flags are. Where no trial can be used, `rejected` names the limit and by how much it was
    missed.
    """
    feasible = [trial for trial in trials if trial.feasible]
    if not feasible:
        return _none_feasible(trials, evaluate)
    best: dict[int, float] = {}
    for trial in feasible:
        best[trial.k] = max(trial.metrics["silhouette"], best.get(trial.k, -1.0))
    finalists: list[Trial] = []
    for k in sorted(best, key=lambda k: -best[k]):
        for trial in _by_rate([t for t in feasible if t.k == k], evaluate, rate)[:FINALISTS_PER_K]:
            finalists.append(_with(trial, stability=evaluate.stability(trial)))
            if finalists[-1].metrics["stability"] >= evaluate.limits.min_stability:
                return Choice(finalists[-1], finalists, _reasons(trials, finalists, evaluate.limits, rate))
    return _none_stable(trials, finalists, evaluate.limits)


def _by_rate(trials: list[Trial], evaluate: Evaluator, rate: float) -> list[Trial]:
    """Trials of one k that flag different customers, those whose anomaly rate is nearest to the wanted one first."""
    different: dict[bytes, Trial] = {}
    for trial in sorted(trials, key=lambda t: abs(t.metrics["anomaly_rate"] - rate)):
        different.setdefault(fit_key(trial.k, evaluate.anomalies(trial))[1], trial)
    ordered = list(different.values())
    nearest_by = abs(ordered[0].metrics["anomaly_rate"] - rate)
    alike = [t for t in ordered if abs(t.metrics["anomaly_rate"] - rate) <= nearest_by + ALIKE_RATE * rate]
    measured = [
        _with(trial, flag_reproducibility=evaluate.flag_reproducibility(trial))
        for trial in alike[:ALIKE_TRIALS]
    ]
    measured.sort(key=lambda t: -t.metrics["flag_reproducibility"])
    return [*measured, *ordered[len(measured) :]]


def _with(trial: Trial, **metrics: float) -> Trial:
    return replace(trial, metrics=trial.metrics | metrics)


def _none_feasible(trials: list[Trial], evaluate: Evaluator) -> Choice:
    limits = evaluate.limits
    nearest_trial = min(trials, key=lambda t: (len(t.missed), max(t.missed.values())))
    by = ", ".join(
        f"{limit} ({getattr(limits, limit):g}) by {value:.4g}"
        for limit, value in nearest_trial.missed.items()
    )
    why = (
        f"None of {len(trials)} trials keeps the limits; the nearest ({nearest_trial.setting}) misses {by}. "
        "Expected at least one."
    )
    best = _with(nearest_trial, stability=evaluate.stability(nearest_trial))
    return Choice(best, [best], [why], why)


def _none_stable(trials: list[Trial], finalists: list[Trial], limits: Limits) -> Choice:
    best = max(finalists, key=lambda t: t.metrics["stability"])
    why = (
        f"The best {len(finalists)} settings are not stable: the steadiest ({best.setting}) agrees with its "
        f"bootstrap refits by {best.metrics['stability']:.3f} (adjusted Rand index). Expected at least "
        f"{limits.min_stability:g}."
    )
    return Choice(best, finalists, [why, *_costs(trials, limits)], why)


def _reasons(trials: list[Trial], finalists: list[Trial], limits: Limits, rate: float) -> list[str]:
    winner = finalists[-1]
    return [
        f"{winner.k} segments have the highest silhouette of all customers, {winner.metrics['silhouette']:.4f}, among "
        f"the trials that keep every limit{' and are stable' if finalists[:-1] else ''}; they agree with their "
        f"bootstrap refits by {winner.metrics['stability']:.3f} (adjusted Rand index).",
        f"Of these trials {winner.setting} flags {winner.metrics['anomaly_rate']:.2%} of customers, the nearest to the "
        f"wanted {rate:.2%}.",
        *(
            f"{loser.setting} has silhouette {loser.metrics['silhouette']:.4f} but is not stable: "
            f"{loser.metrics['stability']:.3f}, below {limits.min_stability:g}."
            for loser in finalists[:-1]
        ),
        *_costs(trials, limits),
        *untried(trials, limits),
    ]


def _costs(trials: list[Trial], limits: Limits) -> list[str]:
    """What each limit cost: how many trials, and the best of them."""
    costs = []
    for limit in Limits().excess(0, 0, 0, 0):
        lost = [trial for trial in trials if limit in trial.missed]
        if lost:
            best = max(lost, key=lambda t: t.metrics["silhouette"])
            costs.append(
                f"The limit {limit} = {getattr(limits, limit):g} cost {len(lost)} of {len(trials)} trials; the best of "
                f"them, {best.setting}, had silhouette {best.metrics['silhouette']:.4f}."
            )
    return costs


def untried(trials: list[Trial], limits: Limits) -> list[str]:
    """A warning when there were too few trials to try each number of segments that is allowed."""
    missing = sorted(set(range(limits.min_segments, limits.max_segments + 1)) - {trial.k for trial in trials})
    if not missing:
        return []
    first, last = missing[0], missing[-1]
    numbers = str(first) if first == last else f"{first} to {last}"
    needed = limits.max_segments - limits.min_segments + 1
    return [
        f"{numbers} segments were not tried: there were {len(trials)} trials, and trying each number of segments once "
        f"takes {needed}. More trials may choose another number."
    ]
