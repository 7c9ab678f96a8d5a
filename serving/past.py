"""The versions of the registry as the API tells them."""

from __future__ import annotations

from typing import Any

from serving.archive import Archive, Promotion, Training
from serving.snapshot import Snapshot

MEASURED = ("silhouette", "stability", "anomaly_rate", "forward_eta_squared_segments_log")


def versions(snapshot: Snapshot, archive: Archive) -> dict[str, Any]:
    """All versions whose training can be read, and the changes of the champion; both latest first."""
    return {
        "model_version": snapshot.version,
        "as_of": snapshot.as_of,
        "versions": [_version(training) for training in archive.trainings(snapshot.version)],
        "promotions": [_promotion(own) for own in archive.records(snapshot.version).promotions],
    }


def _version(training: Training) -> dict[str, Any]:
    return {
        "version": training.version,
        "as_of": training.as_of,
        "customers": training.customers,
        "revenue": training.revenue,
        "anomalies": training.anomalies,
        "segments": [
            {name: own[name] for name in ("segment", "name", "customers", "revenue")}
            for own in training.profiles
        ],
        "metrics": {name: training.metrics[name] for name in MEASURED if name in training.metrics},
        "gate": training.gate,
    }


def _promotion(promotion: Promotion) -> dict[str, Any]:
    return {
        "before": promotion.before,
        "after": promotion.after,
        "how": promotion.how,
        "reason": promotion.reason,
        "when": None if promotion.when is None else promotion.when.isoformat(timespec="seconds"),
        "who": promotion.who,
    }
