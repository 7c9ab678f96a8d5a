"""The search over k, eps and min_samples with Optuna, within limits that keep the result useful."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.clustering import compiled
from training.clustering.density import Neighbours, cluster_counts, eps_for_rate, neighbours
from training.clustering.evaluate import companions, silhouette, stability
from training.clustering.kmeans import Clustering, Lloyd, nearest, starts
from training.errors import InputError

Floats = NDArray[np.float64]

MIN_SAMPLES = (5, 25)
RESTARTS = 20  # of k-means, for each k
BEYOND = 2  # the anomaly rate is searched up to this factor outside its limits
TRIED_A_K = 2  # settings of one k whose stability is measured before the next k has its turn


@dataclass(frozen=True)
class Limits:
    """What a segmentation must keep to be of use; shares are of all customers."""

    min_segments: int = 3
    max_segments: int = 12
    min_share: float = 0.05
    min_anomaly_rate: float = 0.001
    max_anomaly_rate: float = 0.05
    min_stability: float = 0.8

    def excess(self, k: int, smallest_share: float, anomaly_rate: float) -> dict[str, float]:
        """By how much each limit is missed; zero or less is within."""
        return {
            "min_segments": float(self.min_segments - k),
            "min_share": self.min_share - smallest_share,
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
    """The winner with its stability in `metrics`, the finalists looked at, and why, in words."""

    winner: Trial
    finalists: list[Trial]
    reasons: list[str] = field(default_factory=list)


class Evaluator:
    """Answers for any (k, eps, min_samples) on one standardised matrix (n, d); each fit is done once.

    The restarts of k-means are shared: they are made once for each k, without the customers that the highest
    anomaly rate allowed leaves out; each trial goes on from their best outcomes with its own customers.
    """

    def __init__(self, points: Floats, limits: Limits, seed: int) -> None:
        self.points, self.limits, self.seed = points, limits, seed
        self._near: Neighbours = neighbours(points, min(MIN_SAMPLES[1], len(points)))
        self._tree = compiled.tree_of(points)
        self._starts: dict[int, list[Floats]] = {}
        self._thresholds: dict[int, Floats] = {}
        self._fits: dict[tuple[int, bytes], dict[str, float]] = {}

    def threshold(self, min_samples: int) -> Floats:
        """(n,) noise thresholds at min_samples."""
        if min_samples not in self._thresholds:
            self._thresholds[min_samples] = self._near.noise_threshold(min_samples)
        return self._thresholds[min_samples]

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
        excess = self.limits.excess(k, metrics["smallest_share"], metrics["anomaly_rate"])
        return Trial(number, k, eps, min_samples, metrics, excess)

    def _fit(self, k: int, noise: NDArray[np.bool_]) -> dict[str, float]:
        ordinary = self.points[~noise]
        found = self._kmeans(k, noise)
        _, labels = np.unique(found.labels, return_inverse=True)  # fewer than k where customers coincide
        score = silhouette(ordinary, labels, self.seed)
        sizes = np.bincount(found.labels, minlength=k)
        if noise.any():
            sizes += np.bincount(nearest(self.points[noise], found.centres)[0], minlength=k)
        return {
            "silhouette": score.value,
            "silhouette_se": score.standard_error,
            **companions(ordinary, labels),
            "inertia": found.inertia,
            "anomaly_rate": float(noise.mean()),
            "smallest_share": float(sizes.min() / len(self.points)),
        }

    def clusters(self, trial: Trial) -> int:
        """How many clusters DBSCAN itself sees at a trial's setting."""
        return cluster_counts(self.points, self._near, [(trial.eps, trial.min_samples)])[0]

    def centres(self, trial: Trial) -> Floats:
        """(k, d) centres of a trial's segments, in no order."""
        return self._kmeans(trial.k, self.anomalies(trial)).centres

    def _kmeans(self, k: int, noise: NDArray[np.bool_]) -> Clustering:
        if k not in self._starts:
            size = min(MIN_SAMPLES[1], len(self.points))
            usual = self.threshold(size) <= self.eps(self.limits.max_anomaly_rate, size)
            self._starts[k] = starts(self.points[usual], k, RESTARTS, self.seed)
        return Lloyd(self.points[~noise], self._tree, ~noise).best(self._starts[k])


def fit_key(k: int, noise: NDArray[np.bool_]) -> tuple[int, bytes]:
    """What a fit of k-means really depends on: settings that call the same customers noise share it."""
    return k, np.packbits(noise).tobytes()


def run_trials(
    evaluate: Evaluator, trials: int, seed: int | None, storage: Path | str, name: str
) -> Iterator[Trial]:
    """Trials of an Optuna study (TPE, constrained), one by one, until it holds `trials`; those it has come first.

    eps is searched through the anomaly rate it stands for, on a log scale, because its range belongs
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
    rates = limits.min_anomaly_rate / BEYOND, min(0.5, limits.max_anomaly_rate * BEYOND)
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
        k = asked.suggest_int("k", 2, limits.max_segments)
        rate = asked.suggest_float("anomaly_rate", *rates, log=True)
        min_samples = asked.suggest_int("min_samples", *MIN_SAMPLES)
        trial = evaluate(asked.number, k, evaluate.eps(rate, min_samples), min_samples)
        for limit, by in trial.excess.items():
            asked.set_constraint(limit, by)
        asked.set_user_attr("metrics", trial.metrics)
        told = study.tell(asked, trial.metrics["silhouette"])
        if journal:
            journal.add_trial(told)
        seen.add(asked.number)
        yield trial


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


def choose(trials: list[Trial], evaluate: Evaluator) -> Choice:
    """The feasible trial of highest silhouette whose segments also survive resampling.

    Stability is measured in the order of silhouette, for at most two settings of each k, until one is
    stable enough.

    Raises InputError, naming the limit and by how much it was missed, when no trial keeps them all.
    """
    limits = evaluate.limits
    feasible = sorted((t for t in trials if t.feasible), key=lambda t: -t.metrics["silhouette"])
    if not feasible:
        nearest = min(trials, key=lambda t: (len(t.missed), max(t.missed.values())))
        by = ", ".join(
            f"{limit} ({getattr(limits, limit):g}) by {v:.4g}" for limit, v in nearest.missed.items()
        )
        raise InputError(
            f"None of {len(trials)} trials keeps the limits; the nearest ({nearest.setting}) misses {by}. "
            "Expected at least one. Relax that limit or give more data; nothing was registered."
        )
    finalists: list[Trial] = []
    seen: set[tuple[int, bytes]] = set()
    for trial in feasible:
        noise = evaluate.anomalies(trial)
        key = fit_key(trial.k, noise)
        if key in seen or sum(k == trial.k for k, _ in seen) == TRIED_A_K:
            continue
        seen.add(key)
        measured = stability(evaluate.points[~noise], trial.k, seed=evaluate.seed)
        finalists.append(replace(trial, metrics=trial.metrics | {"stability": measured}))
        if measured >= limits.min_stability:
            break
    if finalists[-1].metrics["stability"] < limits.min_stability:
        best = max(finalists, key=lambda t: t.metrics["stability"])
        raise InputError(
            f"The best {len(finalists)} settings are not stable: the steadiest ({best.setting}) agrees with its "
            f"bootstrap refits by {best.metrics['stability']:.3f} (adjusted Rand index). Expected at least "
            f"{limits.min_stability:g}. Lower --min-stability or give more data; nothing was registered."
        )
    return Choice(finalists[-1], finalists, _reasons(trials, finalists, limits))


def _reasons(trials: list[Trial], finalists: list[Trial], limits: Limits) -> list[str]:
    winner = finalists[-1]
    reasons = [
        f"{winner.setting} has the highest silhouette, {winner.metrics['silhouette']:.4f}, of the trials that keep "
        f"every limit{' and are stable' if finalists[:-1] else ''}, and agrees with its bootstrap refits by "
        f"{winner.metrics['stability']:.3f} (adjusted Rand index)."
    ]
    reasons += [
        f"{loser.setting} has silhouette {loser.metrics['silhouette']:.4f} but is not stable: "
        f"{loser.metrics['stability']:.3f}, below {limits.min_stability:g}."
        for loser in finalists[:-1]
    ]
    for limit in ("min_segments", "min_share", "min_anomaly_rate", "max_anomaly_rate"):
        cost = [t for t in trials if limit in t.missed]
        if cost:
            best = max(cost, key=lambda t: t.metrics["silhouette"])
            reasons.append(
                f"The limit {limit} = {getattr(limits, limit):g} cost {len(cost)} of {len(trials)} trials; the best of "
                f"them, {best.setting}, had silhouette {best.metrics['silhouette']:.4f}."
            )
    return reasons
