"""The shapes of questions and answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

FEATURE_EXAMPLE: dict[str, Any] = {
    "Recency": 2,
    "Frequency": 7,
    "Monetary": 4310.0,
    "AverageOrderValue": 615.71,
    "Tenure": 367,
}
SCORE_EXAMPLE = {
    "segment": 2,
    "segment_name": "High-value active",
    "is_anomaly": False,
    "anomaly_score": 0.41,
    "anomaly_reason": "",
    "distance": 1.58,
}
ROW_EXAMPLE = {
    "customer_id": "12347",
    **FEATURE_EXAMPLE,
    "Returned": 0.0,
    "country": "Iceland",
    **SCORE_EXAMPLE,
}
ANOMALY_EXAMPLE = ROW_EXAMPLE | {
    "customer_id": "12346",
    "Monetary": 77183.6,
    "AverageOrderValue": 77183.6,
    "Frequency": 1,
    "is_anomaly": True,
    "anomaly_score": 3.2,
    "anomaly_reason": "AverageOrderValue unusually high: 77,184 (typical 283)",
    "distance": 6.1,
}
STAMP_EXAMPLE = {"model_version": 3, "as_of": "2011-12-10T12:50:00"}
SEGMENT_EXAMPLE = {
    "segment": 2,
    "name": "High-value active",
    "customers": 1540,
    "share": 0.357,
    "revenue": 6956951.5,
    "revenue_share": 0.839,
    "anomalies": 18,
    "mean_Recency": 29.5,
    "mean_Frequency": 8.8,
    "mean_Monetary": 4517.5,
    "mean_AverageOrderValue": 470.2,
    "mean_Tenure": 280.4,
    "median_Recency": 18,
    "median_Frequency": 6,
    "median_Monetary": 2199.2,
    "median_AverageOrderValue": 361.0,
    "median_Tenure": 300,
    "action": "Reward and keep: early access, a personal contact, no discounts needed.",
}


def _with(example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": example})


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class Problem(BaseModel):
    """What went wrong, for a program and for a person."""

    code: int = Field(description="The HTTP status")
    name: str
    message: str = Field(description="What was given, what was expected, what to do")


class Error(BaseModel):
    """Every error has this shape."""

    model_config = _with(
        {"error": {"code": 404, "name": "Not Found", "message": "There is no customer 'x'."}}
    )
    error: Problem


class Stamp(BaseModel):
    """Which model an answer comes from, and the day its data look back from."""

    model_version: int
    as_of: str


class Home(BaseModel):
    """What this is, and where to go."""

    model_config = _with(
        {
            "name": "customer-segments",
            "about": "Who the customers are, who is unusual, and which segment a new one belongs to.",
            "endpoints": {"GET /health": "Is a champion loaded, and which"},
            "ui": "/ui",
            "apidocs": "/apidocs",
            "openapi": "/openapi.json",
        }
    )
    name: str
    about: str
    endpoints: dict[str, str]
    ui: str
    apidocs: str
    openapi: str
    problem: str | None = Field(default=None, description="Why nothing can be answered yet")


class Health(Stamp):
    """The champion that answers. `stale` is there only when it may not be the newest, and says why."""

    model_config = _with(
        {"status": "ok", "model": "customer-segments", "alias": "champion", **STAMP_EXAMPLE}
        | {"data": "real", "customers": 4317}
    )
    status: str
    model: str
    alias: str
    data: str = Field(description="real or demo")
    customers: int
    stale: str | None = None


class SegmentCount(BaseModel):
    """A segment in short."""

    segment: int
    name: str
    customers: int
    share: float
    revenue_share: float


class Overview(Stamp):
    """The whole shop on one page."""

    model_config = _with(
        STAMP_EXAMPLE
        | {"data": "real", "customers": 4317, "revenue": 8291748.6, "anomalies": 33, "anomaly_rate": 0.0076}
        | {
            "segments": [
                {name: SEGMENT_EXAMPLE[name] for name in SegmentCount.model_fields},
            ],
            "outcome": ["33 customers (0.76%) are anomalies: they fit no pattern."],
            "setting": {"k": 3, "eps": 0.9857, "min_samples": 5},
            "metrics": {"silhouette": 0.3208, "stability": 0.962},
        }
    )
    data: str = Field(description="real or demo")
    customers: int
    revenue: float
    anomalies: int
    anomaly_rate: float
    segments: list[SegmentCount]
    outcome: list[str] = Field(description="What the training came to, in sentences")
    setting: dict[str, Any] = Field(description="The chosen k, eps and min_samples")
    metrics: dict[str, Any]


class Profile(SegmentCount):
    """A segment: who is in it, what they are worth, what to do."""

    model_config = _with(SEGMENT_EXAMPLE)
    revenue: float
    anomalies: int
    mean_Recency: float
    mean_Frequency: float
    mean_Monetary: float
    mean_AverageOrderValue: float
    mean_Tenure: float
    median_Recency: float
    median_Frequency: float
    median_Monetary: float
    median_AverageOrderValue: float
    median_Tenure: float
    action: str


class Segments(Stamp):
    """All segments, in the order of their numbers."""

    model_config = _with(STAMP_EXAMPLE | {"segments": [SEGMENT_EXAMPLE]})
    segments: list[Profile]


class Means(BaseModel):
    """A segment's mean customer."""

    segment: int
    name: str
    customers: int
    Recency: float
    Frequency: float
    Monetary: float


class Summary(Stamp):
    """Mean Recency, Frequency and Monetary of each segment."""

    model_config = _with(
        STAMP_EXAMPLE
        | {
            "segments": [
                {"segment": 2, "name": "High-value active", "customers": 1540}
                | {"Recency": 29.5, "Frequency": 8.8, "Monetary": 4517.5}
            ]
        }
    )
    segments: list[Means]


class Score(BaseModel):
    """What the model says of a customer."""

    model_config = _with(SCORE_EXAMPLE)
    segment: int
    segment_name: str
    is_anomaly: bool
    anomaly_score: float = Field(description="Above 1 is an anomaly")
    anomaly_reason: str = Field(description="Empty when not an anomaly")
    distance: float = Field(description="To the segment's centre")


class Row(Score):
    """A customer of the shop."""

    model_config = _with(ROW_EXAMPLE)
    customer_id: str
    Recency: float = Field(description="Days since the last purchase")
    Frequency: float = Field(description="Orders")
    Monetary: float = Field(description="Money spent")
    AverageOrderValue: float
    Tenure: float = Field(description="Days since the first purchase")
    Returned: float | None = Field(default=None, description="Money given back")
    country: str | None = None


class Customer(Row, Stamp):
    """A customer of the shop, stamped."""

    model_config = _with(STAMP_EXAMPLE | ROW_EXAMPLE)


class Page(Stamp):
    """Some of many customers."""

    model_config = _with(
        STAMP_EXAMPLE | {"total": 33, "page": 1, "limit": 50, "pages": 1, "customers": [ANOMALY_EXAMPLE]}
    )
    total: int
    page: int
    limit: int
    pages: int
    customers: list[Row]


class SegmentPage(Page):
    """Some of a segment's customers."""

    model_config = _with(
        STAMP_EXAMPLE
        | {"segment": 2, "name": "High-value active", "total": 1540, "page": 1, "limit": 50, "pages": 31}
        | {"customers": [ROW_EXAMPLE]}
    )
    segment: int
    name: str


class Move(BaseModel):
    """The customers who were in one place at the earlier date and in another, or the same, at the later."""

    from_segment: int | None = Field(description="null: no customer yet")
    from_name: str = Field(description="New: no customer yet")
    to_segment: int | None = Field(
        description="null: no customer any more, having taken back all they bought"
    )
    to_name: str = Field(description="Gone: no customer any more")
    customers: int
    Monetary_before: float = Field(description="Money they had spent by the earlier date")
    Monetary_after: float = Field(description="Money they had spent by the later date")


class Fallen(BaseModel):
    """A customer who left the best segment."""

    customer_id: str
    from_name: str
    to_segment: int | None
    to_name: str
    Monetary_before: float
    Monetary_after: float | None
    Recency: int | None = Field(description="Days from the last order to the later date")


class Movement(Stamp):
    """Who moved between two dates under the same model, and some of those who left the best segment."""

    model_config = _with(
        STAMP_EXAMPLE
        | {"from_as_of": "2011-11-10T12:50:00", "to_as_of": "2011-12-10T12:50:00"}
        | {"best": 2, "best_name": "High-value active"}
        | {"sentences": ["85% of all customers stayed in their segment."]}
        | {
            "moves": [
                {"from_segment": 2, "from_name": "High-value active", "to_segment": 0}
                | {"to_name": "Low-value lapsed", "customers": 132}
                | {"Monetary_before": 114240.28, "Monetary_after": 113867.73},
            ],
            "total": 132,
            "page": 1,
            "limit": 50,
            "pages": 3,
            "customers": [
                {"customer_id": "17353", "from_name": "High-value active", "to_segment": 0}
                | {"to_name": "Low-value lapsed", "Monetary_before": 1740.0, "Monetary_after": 1740.0}
                | {"Recency": 129}
            ],
        }
    )
    from_as_of: str
    to_as_of: str
    best: int = Field(description="The segment of the highest mean Monetary of ordinary customers")
    best_name: str
    sentences: list[str]
    moves: list[Move]
    total: int = Field(description="Customers who left the best segment")
    page: int
    limit: int
    pages: int
    customers: list[Fallen] = Field(description="Who left the best segment, biggest spenders first")


class Points(BaseModel):
    """Points on the map, as arrays of one length."""

    customer_id: list[str]
    x: list[float]
    y: list[float]
    anomaly_score: list[float]


class SegmentPoints(Points):
    """A segment's ordinary customers."""

    segment: int
    name: str


class AnomalyPoints(Points):
    """The anomalies, most unusual first."""

    segment: list[int]


class Map(Stamp):
    """The plane of the two principal components."""

    model_config = _with(
        STAMP_EXAMPLE
        | {"customers": 4317, "shown": 4000, "explained_variance": [0.518, 0.243]}
        | {
            "segments": [
                {"segment": 2, "name": "High-value active"}
                | {"customer_id": ["12347"], "x": [2.8357], "y": [-0.4938], "anomaly_score": [0.31]}
            ],
            "anomalies": {"customer_id": ["12346"], "x": [1.9], "y": [3.1], "segment": [2]}
            | {"anomaly_score": [3.2]},
        }
    )
    customers: int
    shown: int = Field(description="All anomalies and a sample of the others")
    explained_variance: list[float]
    segments: list[SegmentPoints]
    anomalies: AnomalyPoints


class Metrics(BaseModel):
    """A customer to score. Recency is at most Tenure."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {**FEATURE_EXAMPLE}})
    Recency: float = Field(ge=0, description="Days since the last purchase, at most Tenure")
    Frequency: float = Field(ge=1, description="Orders")
    Monetary: float = Field(ge=0, description="Money spent")
    AverageOrderValue: float = Field(
        default=0,
        ge=0,
        description="Monetary / Frequency where it is left out",
        json_schema_extra=_without_default,
    )
    Tenure: float = Field(ge=0, description="Days since the first purchase")


class ScoreAnswer(RootModel[Score | list[Score]]):
    """A score for an object, a list of scores for a list, in the same order."""

    model_config = _with([SCORE_EXAMPLE])
