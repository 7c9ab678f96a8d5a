"""The names under which training writes and serving reads: model, aliases, features, artifacts, tags."""

from __future__ import annotations

MODEL = "customer-segments"  # the registered model, and the experiment of its trainings
EXPERIMENT = MODEL
HISTORY_EXPERIMENT = f"{MODEL}-history"  # one run for each time the champion changed

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"

FEATURES = ("Recency", "Frequency", "Monetary", "AverageOrderValue", "Tenure")
SPAN = "Span"  # in reasons: days from the first to the last order, which DBSCAN sees in the place of Tenure
STATES = ("one-time", "active", "due", "late")  # where a customer stands between two orders
OUTPUTS = (  # the model's answer for a customer: (type of an MLflow schema, column)
    ("long", "segment"),
    ("string", "segment_name"),
    ("string", "state"),
    ("boolean", "is_anomaly"),
    ("double", "anomaly_score"),
    ("string", "anomaly_reason"),
    ("double", "distance"),
)

# Artifacts of a training's run, by their paths.
FEATURE_TABLE = "data/features.parquet"
SCORED_CUSTOMERS = "data/customers.parquet"
FUNNEL = "data/funnel.json"
UNDERSTANDING = "data/understanding.json"  # how the files were read
PROFILES = "profiles.json"
SUMMARY = "summary.json"
CHOICE = "choice.json"
IDENTITY = "identity.json"
TRIALS = "trials.csv"
MOVEMENT = "movement.json"
FALLEN = "fallen.csv"
FORWARD = "forward.json"
EVIDENCE = "evidence.json"
FACTS = "facts.json"
REPORT = "report.html"
FIGURES = "figures"
GATE = "gate.json"
DRIFT = "drift.json"
SEGMENTER = "segmenter.skops"  # inside the logged model

# Tags of a model version, and of its run.
DIGEST_TAG = "sha256"  # the digest of the model's files
DATA_TAG = "data"  # real or demo
DATA_DIGEST_TAG = "data_digest"
