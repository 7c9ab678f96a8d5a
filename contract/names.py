"""The names under which training writes and serving reads: model, aliases, features, artifacts, tags."""

from __future__ import annotations

MODEL = "customer-segments"  # the registered model, and the experiment of its trainings
EXPERIMENT = MODEL
HISTORY_EXPERIMENT = f"{MODEL}-history"  # one run for each time the champion changed
CYCLE_EXPERIMENT = f"{MODEL}-cycles"  # one run for each state of the data that `segments cycle` handled
FORGOTTEN_EXPERIMENT = f"{MODEL}-forgotten"  # one run for each customer who asked to be forgotten

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
    ("double", "expected_orders"),  # the forecast: null where it does not hold on the shop's past
    ("double", "expected_spend"),
    ("double", "spend_low"),
    ("double", "spend_high"),
    ("double", "likely_to_buy"),
)
FORECAST_OUTPUTS = ("expected_orders", "expected_spend", "spend_low", "spend_high", "likely_to_buy")
GROUP_FORECAST = (
    "expected_spend",
    "expected_low",
    "expected_high",
    "value_at_risk",
)  # of a segment, and of a state

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
MOST_GONE_LISTED = 100  # customers who are gone, biggest spenders first
MOVES = "data/moves.parquet"  # where each customer was before
FORWARD = "forward.json"
MONTHS = "data/months.parquet"  # orders and money of each customer by month
PAST_SEGMENTS = "data/past_segments.parquet"  # segment and state of each customer on earlier days
CUSTOMER_FILES = (
    MOVES,
    MONTHS,
    PAST_SEGMENTS,
)  # with rows of each customer; the summary says which a training left
EVIDENCE = "evidence.json"
FORECAST = "forecast.json"
FACTS = "facts.json"
REPORT = "report.html"
FIGURES = "figures"
GATE = "gate.json"
DRIFT = "drift.json"
SEGMENTER = "segmenter.skops"  # inside the logged model

# In the metadata of a model, and tags of its version.
FORECAST_STATE = "forecast"  # FORECAST_HOLDS, or why the model gives no forecast
FORECAST_HOLDS = "holds"
FORECAST_DAYS = "forecast_days"  # that the forecast looks ahead

# Tags of a model version, and of its run.
DIGEST_TAG = "sha256"  # the digest of the model's files
SIGNATURE_TAG = "signature"  # of that digest and the run, by who trained
DATA_TAG = "data"  # real or demo
DATA_DIGEST_TAG = "data_digest"
DETAILS_TAG = "details"  # what its training measured, as JSON; older versions have a tag for each
FORGOTTEN_TAG = "forgotten"  # when customers were taken out of its run last: servers then load it anew
GATE_TAG = "gate"  # what the gate said of a version, in a few words
APPROVAL_TAG = (
    "approval"  # waiting, approved, rejected or superseded: whether a person let a version become champion
)

DASHBOARD = "http://127.0.0.1:5000/ui"  # of `segments up` and `segments api`, by default
