"""What Prometheus may ask of a server: requests, seconds, customers scored, anomalies, version, age of the model."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where the workers of one server leave their counts
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
METHODS = ("GET", "HEAD", "POST", "OPTIONS")
OTHER = "other"  # a method or a path that nobody chose a name for: names of callers would grow without end


class Metrics:
    """The counts of one server, or of one of its workers."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        self.requests = Counter(
            "segments_requests", "Requests answered", ["method", "path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "segments_request_seconds",
            "Seconds from a request to its answer",
            ["path"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.counts: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.rows = Counter("segments_rows", "Customers scored", registry=self.registry)
        self.anomalies = Counter(
            "segments_anomalies", "Customers scored that are anomalies", registry=self.registry
        )
        self.version = Gauge(
            "segments_model_version",
            "The version that answers",
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self.age = Gauge(
            "segments_model_age_seconds",
            "Seconds since the version that answers was registered",
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request; `path` is one that the server has, or OTHER."""
        requests, durations = self._counts_of(method if method in METHODS else OTHER, path, status)
        requests.inc()
        durations.observe(seconds)

    def _counts_of(self, method: str, path: str, status: int) -> tuple[Counter, Histogram]:
        """The two counts of such requests; kept, because asking for them by their labels takes longer than counting."""
        labels = (method, path, status)
        counts = self.counts.get(labels)
        if counts is None:
            counts = self.counts[labels] = (self.requests.labels(*labels), self.seconds.labels(path))
        return counts

    def scored(self, rows: int, anomalies: int) -> None:
        """Count customers that were scored."""
        self.rows.inc(rows)
        self.anomalies.inc(anomalies)

    def text(self, version: int | None, registered: float) -> tuple[bytes, str]:
        """All counts in the form of Prometheus, and its content type; of all workers where there are several."""
        from prometheus_client import CollectorRegistry, exposition
        from prometheus_client.multiprocess import MultiProcessCollector

        if version is not None:
            self.version.set(version)
            self.age.set(time.time() - registered)
        registry = self.registry
        if SHARED_FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return exposition.generate_latest(registry), exposition.CONTENT_TYPE_LATEST


@contextlib.contextmanager
def shared_by_workers() -> Iterator[None]:
    """The workers started inside the `with` count together, in a folder that goes with it."""
    if SHARED_FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="segments-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield
        finally:
            os.environ.pop(SHARED_FOLDER, None)
