"""The gate: the rules that a version must keep to become champion, some for itself, some compared with the champion."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contract.names import (
    CHAMPION,
    DATA_DIGEST_TAG,
    FEATURES,
    FORECAST_HOLDS,
    FORECAST_STATE,
    GATE,
    GATE_TAG,
    MODEL,
)
from training import endpoint, shop
from training.clustering.evaluate import silhouette
from training.clustering.segmenter import symmetric_log1p
from training.clustering.sweep import value_step
from training.data_rules import TrainingData, data_of, read_table, rules_of_data
from training.errors import InputError, is_passing
from training.identity import Segments, same_segments
from training.rule import Rule, Tolerance
from training.store import registry, tracking
from training.store.once import already_gone

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.pyfunc import PyFuncModel

    from training.clustering.sweep import Limits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Verdict:
    """The rules, the champion with which they compare, if there is one, and the reason of a forced promotion."""

    rules: list[Rule]
    champion: int | None
    reason: str = ""

    @property
    def failed(self) -> list[Rule]:
        return [rule for rule in self.rules if not rule.holds]

    @property
    def passes(self) -> bool:
        return all(self.reason and rule.forcible for rule in self.failed)

    @property
    def forced(self) -> bool:
        return self.passes and bool(self.failed)

    def as_json(self) -> dict[str, object]:
        """The verdict as plain values, as gate.json has it."""
        return {"verdict": self.outcome} | asdict(self)

    @property
    def outcome(self) -> str:
        """The verdict in a few words."""
        if self.failed and not self.passes:
            return f"FAILED: {', '.join(rule.name for rule in self.failed)}"
        return f"forced: {self.reason}" if self.forced else "passed"

    def tags(self) -> dict[str, str]:
        """The verdict as MLflow tags: its outcome, and with which champion it compared."""
        compared = "no champion" if self.champion is None else f"version {self.champion}"
        return {GATE_TAG: self.outcome, f"{GATE_TAG}.champion": compared}

    def tags_of_rules(self) -> dict[str, str]:
        """The verdict as MLflow tags, and one for each rule."""
        return self.tags() | {f"{GATE_TAG}.{rule.name}": str(rule) for rule in self.rules}


def judge(
    client: MlflowClient,
    version: int,
    limits: Limits,
    tolerance: Tolerance,
    reason: str = "",
    server: endpoint.Endpoint | None = None,
) -> Verdict:
    """Judge a version by itself, compared with the champion, and over HTTP.

    A `reason` forces the rules that compare with the champion. The scoring server of the version, if there is no
    `server` of it yet, starts first and is asked last, so that it starts while the rules are computed. Raises
    InputError when the version's run is gone, which keeps its data and the verdict.
    """
    champion = registry.version_of(client, CHAMPION)
    _check_run(client, version)
    with contextlib.nullcontext(server) if server else endpoint.started(version) as server:
        rules = list(rules_on_table(client, version, champion, limits, tolerance))
        rules.append(answers(client, server, version))
    return Verdict(rules, champion, reason)


def rules_on_table(
    client: MlflowClient, version: int, champion: int | None, limits: Limits, tolerance: Tolerance
) -> Iterator[Rule]:
    """The rules on the feature table of a version's training: its limits, and the champion on the same table.

    Only the version's own rules count when there is no champion, or when a version of real data follows a champion
    of the demo shop. No rule follows on a table that has changed since the training, or on a model that cannot
    be loaded.
    """
    record = registry.record_of(client, version)
    table, rule = _training_table(record)
    yield rule
    if not rule.holds:
        return
    try:
        challenger = _ScoredVersion.score(client, version, table)
    except Exception as error:  # whatever else it is, such a model cannot be champion
        if is_passing(error, server_errors=True):
            raise
        yield Rule("model", "scores its customers", f"{type(error).__name__}: {error}", False)
        return
    yield from _rules_of_its_own(challenger, table, _stability(registry.details_of(record)), limits)
    if champion is not None:
        kind = registry.data_kind(record)
        champion_kind = registry.data_kind(registry.record_of(client, champion))
        if champion_kind == "real":
            yield Rule("data", "real, as the champion's", kind, kind == "real")
        if champion_kind == kind:
            data = TrainingData(table, registry.as_of(record))
            yield from rules_of_data(data, data_of(client, champion), tolerance.max_order_value_change)
            yield from _rules_of_comparison(client, champion, challenger, table, tolerance)


def log_verdict(client: MlflowClient, version: int, verdict: Verdict) -> None:
    """Write a verdict as tags of the version and of its run, and as the run's gate.json, in place of an earlier one."""
    from mlflow.entities import RunTag

    tags = verdict.tags()
    record = registry.record_of(client, version)
    for name in record.tags:
        if name.startswith("gate") and name not in tags:
            client.delete_model_version_tag(MODEL, str(version), name)
    for name, value in tags.items():
        client.set_model_version_tag(MODEL, str(version), name, value)
    run_id = registry.run_of(record)
    run = client.get_run(run_id)
    for name in run.data.tags:
        if name.startswith("gate") and name not in tags:
            with already_gone():
                client.delete_tag(run_id, name)
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    client.log_dict(run_id, verdict.as_json(), GATE)


def read_verdict(client: MlflowClient, version: int) -> Verdict | None:
    """The verdict that `log_verdict` wrote last; None where there is none that can be read."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = registry.run_of(registry.record_of(client, version))
            text = Path(client.download_artifacts(run, GATE, folder)).read_text(encoding="utf-8")
        values = json.loads(text)
        return Verdict([Rule(**rule) for rule in values["rules"]], values["champion"], values["reason"])
    except Exception:  # whatever it is, the version has to be judged again
        return None


@dataclass(frozen=True)
class _ScoredVersion:
    """A version and its answers for the customers of a table."""

    model: PyFuncModel
    segments: Segments
    segment: Ints
    is_anomaly: NDArray[np.bool_]

    @classmethod
    def score(cls, client: MlflowClient, version: int, table: pd.DataFrame) -> _ScoredVersion:
        model = registry.load(client, version)
        answers: pd.DataFrame = model.predict(table[list(FEATURES)])
        segments = registry.read_segments(client, version)
        return cls(model, segments, answers.segment.to_numpy(), answers.is_anomaly.to_numpy())

    def points(self, table: pd.DataFrame) -> Floats:
        """(n, d) the table in the weighted space of this version's training."""
        logs = symmetric_log1p(table[list(self.segments.features)].to_numpy())
        return (logs - self.segments.mean) / self.segments.scale * self.segments.weights


def _training_table(record: ModelVersion) -> tuple[pd.DataFrame, Rule]:
    """The feature table of a version's training, and the rule that its digest is still the same."""
    import pandas as pd

    expected = "as its training left it"
    try:
        table = read_table(registry.run_of(record))
    except Exception as error:  # whatever else it is, there is no table to judge on
        if is_passing(error, server_errors=True):
            raise
        return pd.DataFrame(), Rule("table", expected, f"cannot be read: {type(error).__name__}", False)
    digest, digest_tag = shop.digest(table), record.tags.get(DATA_DIGEST_TAG)
    if digest != digest_tag:
        return table, Rule("table", expected, f"digest {digest}, not {digest_tag}", False)
    return table, Rule("table", expected, f"{len(table):,} customers, digest {digest}", True)


def _check_run(client: MlflowClient, version: int) -> None:
    from mlflow.exceptions import MlflowException

    run = registry.record_of(client, version).run_id
    try:
        if run and client.get_run(run).info.lifecycle_stage == "active":
            return
        to_do = (
            f"Restore it, if it was deleted lately: {tracking.mlflow_command(f'runs restore --run-id {run}')}"
            if run
            else "Train again."
        )
    except MlflowException as error:
        if is_passing(error, server_errors=True):
            raise
        to_do = "Train again."
    raise InputError(
        f"Version {version} has no run any more (it was {run or 'registered without one'}). Expected the run that "
        f"trained it, with its data. {to_do}"
    )


def _stability(details: Mapping[str, object]) -> float:
    """The stability that the training measured; nan without a usable one, so that the rule fails."""
    try:
        return float(str(details.get("stability", "nan")))
    except ValueError:
        return float("nan")


def _rules_of_its_own(
    scored: _ScoredVersion, table: pd.DataFrame, stability: float, limits: Limits
) -> Iterator[Rule]:
    k = len(scored.segments.centres)
    ordinary = ~scored.is_anomaly
    step = value_step(scored.segment[ordinary], table.Monetary.to_numpy()[ordinary], k)
    share = np.bincount(scored.segment, minlength=k).min() / len(scored.segment)
    rate = float(scored.is_anomaly.mean())
    low, high = limits.min_anomaly_rate, limits.max_anomaly_rate
    steady = stability >= limits.min_stability
    yield Rule("segments", f">= {limits.min_segments}", str(k), k >= limits.min_segments)
    yield Rule("stability", f">= {limits.min_stability:g} (bootstrap ARI)", f"{stability:.3f}", steady)
    yield Rule("smallest_segment", f">= {limits.min_share:.1%}", f"{share:.1%}", share >= limits.min_share)
    expected = f">= {limits.min_value_step:g} times the one below"
    yield Rule("value_step", expected, f"{step:.2f}", step >= limits.min_value_step)
    yield Rule("anomaly_rate", f"{low:.1%} to {high:.1%}", f"{rate:.1%}", low <= rate <= high)


def _rules_of_comparison(
    client: MlflowClient, version: int, challenger: _ScoredVersion, table: pd.DataFrame, tolerance: Tolerance
) -> Iterator[Rule]:
    """The rules that compare with the champion `version`, on the same `table`."""
    try:
        champion = _ScoredVersion.score(client, version, table)
    except Exception as error:  # whatever else it is, there is nothing to compare with
        if is_passing(error):
            raise
        yield Rule("champion", "can be compared", f"cannot be loaded: {type(error).__name__}", False, True)
        return
    yield _signature(challenger, champion)
    yield from _forecast(challenger, champion)
    features, expected = challenger.segments.features, champion.segments.features
    yield Rule("features", ", ".join(expected), ", ".join(features), features == expected, True)
    if features != expected:
        return
    if challenger.segments.weighted and not champion.segments.weighted:
        why = f"version {version} is of a release without weights: judged as a first model"
        yield Rule("weights", "as the champion's, if it has any", why, True)
        return
    alike = challenger.segments.weighs_like(champion.segments)
    yield Rule("weights", _weights(champion), _weights(challenger), alike, True)
    if alike:
        yield _silhouette(challenger, champion, table, tolerance.max_silhouette_loss)
        same = same_segments(challenger.segments, champion.segments)
        yield _identity(challenger.segments, champion.segments, same)
        moved = float((same[challenger.segment] != champion.segment).mean())
        most = tolerance.max_moved
        yield Rule("moved", f"<= {most:.1%} of customers", f"{moved:.1%}", moved <= most, True)


def _weights(scored: _ScoredVersion) -> str:
    return ", ".join(f"{weight:g}" for weight in scored.segments.weights)


def _signature(challenger: _ScoredVersion, champion: _ScoredVersion) -> Rule:
    """The rule that the champion's callers need not change: they send enough, and get answers of the same types."""
    new, old = challenger.model.metadata.signature, champion.model.metadata.signature
    new_inputs, old_inputs, new_outputs, old_outputs = (
        {column.name: str(column.type).removeprefix("DataType.") for column in schema}
        for schema in (new.inputs, old.inputs, new.outputs, old.outputs)
    )
    broken = [f"wants {name} ({kind})" for name, kind in new_inputs.items() if old_inputs.get(name) != kind]
    broken += [
        f"gives no {name} ({kind})" for name, kind in old_outputs.items() if new_outputs.get(name) != kind
    ]
    return Rule("signature", "fits the champion's callers", ", ".join(broken) or "fits", not broken, True)


def _forecast(challenger: _ScoredVersion, champion: _ScoredVersion) -> Iterator[Rule]:
    """The rule that a forecast which people have is not taken from them unnoticed; none where they have none."""
    new, old = (
        (scored.model.metadata.metadata or {}).get(
            FORECAST_STATE, "has none: made before there were forecasts"
        )
        for scored in (challenger, champion)
    )
    if old == FORECAST_HOLDS:
        yield Rule("forecast", "holds on the past, as the champion's", str(new), new == FORECAST_HOLDS, True)


def _silhouette(
    challenger: _ScoredVersion, champion: _ScoredVersion, table: pd.DataFrame, loss: float
) -> Rule:
    """The mean silhouettes of both, in the challenger's scale, over the customers that are anomalies for neither."""
    ordinary = ~(challenger.is_anomaly | champion.is_anomaly)
    points = challenger.points(table)[ordinary]
    values = []
    for scored in (challenger, champion):
        _, labels = np.unique(scored.segment[ordinary], return_inverse=True)
        values.append(silhouette(points, labels).value)
    new, old = values
    expected = f">= {old - loss:.4f} (the champion's {old:.4f} - {loss:g})"
    return Rule("silhouette", expected, f"{new:.4f}", new >= old - loss, True)


def _identity(new: Segments, old: Segments, same: Ints) -> Rule:
    """The rule that a segment of the champion keeps its number.

    A number that is too large for the new model's segments cannot be kept, which is no fault. A segment whose name is
    not true of it any more has a new one; that is said, and is no fault either.
    """
    pairs = [(number, old_number) for number, old_number in enumerate(same.tolist()) if old_number >= 0]
    broken = [
        f"{number} ({new.names[number]}) is the champion's {old_number} ({old.names[old_number]})"
        for number, old_number in pairs
        if number != old_number < len(same)
    ]
    renamed = [
        f"{old.names[old_number]} is now {new.names[number]}"
        for number, old_number in pairs
        if new.names[number] != old.names[old_number]
    ]
    kept = "; ".join([f"{len(pairs)} of {len(same)} segments are the champion's", *renamed])
    return Rule("identity", "numbers kept where the same", "; ".join(broken) or kept, not broken, True)


def answers(client: MlflowClient, server: endpoint.Endpoint, version: int) -> Rule:
    """The rule that a server answers a version's input example as the version does by itself."""
    expected = "its input example over HTTP, as by itself"
    try:
        model = registry.load(client, version)
        own: pd.DataFrame = model.predict(model.input_example)
        served = server.ask(model.input_example)
    except Exception as error:  # whatever else it is, such a model cannot be champion
        if is_passing(error, server_errors=True):
            raise
        return Rule("answers", expected, f"{type(error).__name__}: {error}", False)
    same = served == own.to_dict("records")
    return Rule("answers", expected, f"{len(served)} rows, {'the same' if same else 'not the same'}", same)
