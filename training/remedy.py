"""What may help a shop whose customers no setting could segment within the limits, without weakening a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from training.clustering.sweep import choose, first_settings

if TYPE_CHECKING:
    from training.train import Assignment

MOST_SEGMENTS_TRIED = 3  # numbers of segments from the fewest allowed
LEAST_FEATURES = 2


def fewer_features(given: Assignment) -> str:
    """A sentence: which feature to leave out so that the limits are kept, when that helped; what to do otherwise."""
    steady = {left: stability for left in _one_less(given.features) if (stability := _stability(given, left))}
    if not steady:
        return "Leaving out one feature did not help either. Give a longer period or more customers."
    features = max(steady, key=lambda left: steady[left])
    (gone,) = set(given.features) - set(features)
    return (
        f"Without {gone} every limit is kept, with stability {steady[features]:.3f}: train with --features "
        f"{','.join(features)}."
    )


def _one_less(features: Sequence[str]) -> list[tuple[str, ...]]:
    if len(features) <= LEAST_FEATURES:
        return []
    return [tuple(name for name in features if name != gone) for gone in features]


def _stability(given: Assignment, features: tuple[str, ...]) -> float | None:
    """The stability of the best segmentation by these features within the limits, or None when there is none."""
    fewer = replace(given, settings=replace(given.settings, features=features))
    evaluate, rate = fewer.evaluator(), given.settings.anomaly_rate
    trials = []
    for number, setting in enumerate(first_settings(evaluate.limits, rate)[:MOST_SEGMENTS_TRIED]):
        eps = evaluate.eps(setting["anomaly_rate"], setting["min_samples"])
        trials.append(evaluate(number, setting["k"], eps, setting["min_samples"]))
    choice = choose(trials, evaluate, rate)
    return None if choice.rejected else choice.winner.metrics["stability"]
