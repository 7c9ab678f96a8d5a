"""The shapes of questions and answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from contract.forecast_words import FORECAST_WORDS, SEASON
from contract.names import MOST_GONE_LISTED

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
    "state": "active",
    "is_anomaly": False,
    "anomaly_score": 0.41,
    "anomaly_reason": "",
    "distance": 1.58,
}
ROW_EXAMPLE = {
    "customer_id": "12347",
    **FEATURE_EXAMPLE,
    "Returned": 0.0,
    "returns_note": "",
    "country": "Iceland",
    **SCORE_EXAMPLE,
}
ANOMALY_EXAMPLE = ROW_EXAMPLE | {
    "customer_id": "16446",
    "Monetary": 2.9,
    "AverageOrderValue": 1.45,
    "Frequency": 2,
    "Returned": 168469.6,
    "returns_note": "returned 168,470 of 168,473",
    "is_anomaly": True,
    "anomaly_score": 3.2,
    "anomaly_reason": "AverageOrderValue unusually low: 1.45 (typical 283)",
    "distance": 6.1,
}
EVIDENCE_EXAMPLE = {
    "days": 90,
    "cut_offs": 4,
    "customers": 71.5,
    "bought_again": 0.73,
    "bought_again_se": 0.05,
    "mean_spend": 912.4,
    "mean_spend_se": 131.2,
    "total_spend": 65236.6,
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
    "half_by": 77,
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
    "state_one-time": 12,
    "state_active": 1102,
    "state_due": 301,
    "state_late": 125,
    "share_new": 0.05,
    "share_active": 0.72,
    "share_lapsed": 0.08,
    "next_bought_again": 0.9,
    "next_bought_again_se": 0.01,
    "next_mean_spend": 1412.5,
    "next_mean_spend_se": 160.2,
    "next_total_spend": 1101750.0,
    "action": "90% bought again within 90 days as things were, 1,569 each: they come back without a discount.",
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
    """The champion that answers.

    `stale` is there only when it may not be the newest, and says why; `promoted_by_hand` only when no command made it
    champion, and says what the gate says of it.
    """

    model_config = _with(
        {"status": "ok", "model": "customer-segments", "alias": "champion", **STAMP_EXAMPLE}
        | {"data": "real", "customers": 4317}
    )
    status: str
    model: str
    alias: str
    data: str = Field(description="real or demo")
    customers: int
    promoted_by_hand: str | None = None
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
            "warnings": ["k = 5 was not tried."],
            "rejected": None,
            "promoted_by_hand": None,
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
    warnings: list[str] = Field(description="What to know of how the result came about")
    rejected: str | None = Field(description="Why the segmentation was rejected; null: it was not")
    promoted_by_hand: str | None = Field(
        description="What the gate says of a version that was made champion by hand; null: a command promoted it"
    )
    taken_out: str | None = Field(
        default=None, description="How many customers were taken out since the training; absent: nobody was"
    )


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
    expected_spend: float | None = Field(
        default=None, description="Money to expect of the segment in the days ahead; null: no forecast holds"
    )
    expected_low: float | None = Field(default=None, description=FORECAST_WORDS["expected_low"][1])
    expected_high: float | None = Field(default=None, description=FORECAST_WORDS["expected_high"][1])
    value_at_risk: float | None = Field(
        default=None, description="What those due or late brought while active, less what is expected of them"
    )
    half_by: int | None = Field(
        default=None, description="The fewest customers who bring half of the segment's money"
    )
    next_bought_again: float | None = Field(
        default=None, description="Share of such customers who bought in the days after; null: not known"
    )
    next_bought_again_se: float | None = Field(default=None, description="Its standard error")
    next_mean_spend: float | None = Field(
        default=None,
        description="Money per such customer in the days after, those who bought nothing included",
    )
    next_mean_spend_se: float | None = Field(default=None, description="Its standard error")
    next_total_spend: float | None = Field(
        default=None, description="Money of all such customers in the days after"
    )


class Segments(Stamp):
    """All segments, in the order of their numbers."""

    model_config = _with(STAMP_EXAMPLE | {"segments": [SEGMENT_EXAMPLE]})
    segments: list[Profile]


class Evidence(BaseModel):
    """What such customers did in the days after a cut-off: means over the cut-offs."""

    model_config = _with(EVIDENCE_EXAMPLE)
    days: int
    cut_offs: int = Field(description="Dates of the past at which there were such customers")
    customers: float = Field(description="How many there were")
    bought_again: float = Field(description="Share who bought anything")
    bought_again_se: float = Field(description="Its standard error")
    mean_spend: float = Field(description="Money per customer, those who bought nothing included")
    mean_spend_se: float | None = Field(description="Its standard error")
    total_spend: float = Field(description="Money of all of them")


class Cell(BaseModel):
    """The customers of one segment who are in one state."""

    segment: int
    name: str
    state: str
    customers: int
    revenue: float = Field(description="Money they have spent so far")
    evidence: Evidence | None = Field(description="What such customers did next; null: not known")
    action: str = Field(description="What to do; empty where there is nobody")
    expected_spend: float | None = Field(
        default=None, description="Money to expect of them in the days ahead; null: no forecast holds"
    )
    expected_low: float | None = Field(default=None, description=FORECAST_WORDS["expected_low"][1])
    expected_high: float | None = Field(default=None, description=FORECAST_WORDS["expected_high"][1])
    value_at_risk: float | None = Field(
        default=None, description="What so many active ones bring, less what is expected; of due and late"
    )
    expectation: str = Field(default="", description="The same in a sentence; empty without a forecast")


class States(Stamp):
    """Segments by state: who is there, what they are worth, what such customers did next, and what to do."""

    model_config = _with(
        STAMP_EXAMPLE
        | {
            "usual_gap": 56.5,
            "meanings": {"late": "last ordered more than twice their usual time between two orders ago"},
            "days": 90,
            "cut_offs": ["2011-09-11", "2011-08-12", "2011-07-13", "2011-06-13"],
            "shop": EVIDENCE_EXAMPLE,
            "left_best": None,
            "cells": [
                {"segment": 2, "name": "High-value active", "state": "late", "customers": 38}
                | {"revenue": 101250.0, "evidence": EVIDENCE_EXAMPLE}
                | {"action": "73% bought again within 90 days as things were, 1,250 each."}
            ],
        }
    )
    usual_gap: float | None = Field(
        description="The shop's median days between two orders; null where nobody came back"
    )
    meanings: dict[str, str] = Field(description="Each state in words")
    days: int = Field(description="Days after a cut-off in which spend was counted")
    cut_offs: list[str] = Field(
        description="The dates of the past, latest first; none: the past is too short"
    )
    shop: Evidence | None = Field(description="What all customers did")
    left_best: Evidence | None = Field(description="What those did who had just left the best segment")
    cells: list[Cell] = Field(description="The most valuable segment first")


class Difference(BaseModel):
    """How much more the segments tell than an alternative, with the standard error."""

    difference: float
    standard_error: float


class Forward(Stamp):
    """How much of later spend the segments told at earlier dates, beside plain RFM."""

    model_config = _with(
        STAMP_EXAMPLE
        | {
            "days": 90,
            "eta_squared": {"segments_log": 0.243, "rfm_log": 0.213},
            "ahead": {"rfm": {"difference": 0.03, "standard_error": 0.005}},
            "top_share": {"segments": 0.71, "rfm_same_sizes": 0.7},
            "by_cut_off": [{"cut_off": "2011-09-11", "customers": 3203, "segments_log": 0.25}],
            "groups": [
                {"kind": "segment", "group": 2, "name": "High-value active", "customers": 640.5}
                | {"mean_spend": 1412.5, "bought_again": 0.9}
            ],
            "sentences": ["They explain 24% of the variance of the log of that spend (eta squared)."],
        }
    )
    days: int
    eta_squared: dict[str, float | None] = Field(
        description="Share of the variance of spend, or of its log (_log), between the groups; means over the dates"
    )
    ahead: dict[str, Difference] = Field(description="Of the log: segments less each alternative")
    top_share: dict[str, float | None] = Field(
        description="Share of that spend which the highest group brought, of segments and of RFM"
    )
    by_cut_off: list[dict[str, Any]] = Field(description="One row per date, latest first")
    groups: list[dict[str, Any]] = Field(description="Each segment, and each of as many RFM tiers")
    sentences: list[str]


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
    state: str | None = Field(
        default=None,
        description="one-time, active, due or late; absent of versions from before there were states",
    )
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
    returns_note: str | None = Field(
        default=None,
        description="What those gave back who returned half or more of what they bought; empty for all others",
    )
    country: str | None = None


class Customer(Row, Stamp):
    """A customer of the shop, stamped."""

    model_config = _with(STAMP_EXAMPLE | ROW_EXAMPLE)


class ListColumn(BaseModel):
    """A column of a list of customers."""

    name: str
    label: str = Field(description="As people call it")
    unit: str = Field(description="money, days, orders, share (0 to 1), or empty")
    kind: str = Field(description="id, number, text, flag, or kept: a column that the shop kept")


class CustomerList(Stamp):
    """A page of a list of customers, and what all customers of the list come to."""

    model_config = _with(
        STAMP_EXAMPLE
        | {"matches": 38, "money": 101250.0, "share_of_money": 0.0122, "expected_spend": 9012.4}
        | {"value_at_risk": 12873.9, "page": 1, "per_page": 50, "pages": 1}
        | {"columns": [{"name": "customer_id", "label": "Customer", "unit": "", "kind": "id"}]}
        | {"customers": [ROW_EXAMPLE]}
    )
    matches: int = Field(description="Customers of the list")
    money: float = Field(description="What they have spent so far")
    share_of_money: float = Field(description="Their share of all that was spent")
    expected_spend: float | None = Field(
        description="What they are expected to spend in the days of the forecast; null: no forecast"
    )
    value_at_risk: float | None = Field(
        description="What such customers brought while active, less what is expected of those who are due or late"
    )
    page: int
    per_page: int
    pages: int
    columns: list[ListColumn] = Field(description="The columns of the rows, in their order")
    customers: list[dict[str, Any]] = Field(description="One row per customer, with these columns")
    without_kept: str = Field(
        "", description="Why columns that the shop kept are not here; only there when some are not"
    )


class Nearest(BaseModel):
    """The segment that is nearest to a customer beside their own."""

    segment: int
    name: str
    distance: float = Field(description="To its centre")
    own_distance: float = Field(description="To the centre of the customer's own segment")


class NextMove(BaseModel):
    """The first step on a way that would move a customer to another segment."""

    way: str = Field(
        description="wait: no order for so many days; orders: so many orders of the usual value; order: one of so much"
    )
    step: float = Field(description="How many days or orders, or how much money")
    unit: str = Field(description="days, orders or money")
    segment: int = Field(description="Where it leads")
    name: str
    sentence: str


class Month(BaseModel):
    """A month of a customer."""

    month: str = Field(description="YYYY-MM")
    orders: int
    money: float = Field(
        description="Spent, by the rule for returns of the training; below 0: more was given back"
    )


class PastSegment(BaseModel):
    """Where a customer was on an earlier day, under the model of today."""

    as_of: str = Field(description="YYYY-MM-DD")
    segment: int
    name: str
    state: str


class CustomerPage(Customer):
    """A customer of the shop with all that is kept of them, and what would move them to another segment."""

    model_config = _with(
        STAMP_EXAMPLE
        | ROW_EXAMPLE
        | {"nearest": {"segment": 1, "name": "Low-value lapsed", "distance": 2.4, "own_distance": 1.58}}
        | {
            "moves": [
                {"way": "wait", "step": 214, "unit": "days", "segment": 1, "name": "Low-value lapsed"}
                | {"sentence": "Without an order for 214 more days, this customer moves to Low-value lapsed."}
            ]
        }
        | {"months": [{"month": "2011-11", "orders": 1, "money": 224.82}]}
        | {"past": [{"as_of": "2011-11-10", "segment": 2, "name": "High-value active", "state": "due"}]}
    ) | ConfigDict(extra="allow")
    nearest: Nearest | None = Field(description="null: the model is too old to tell")
    moves: list[NextMove] = Field(description="Each way that leads to another segment, its first step")
    months: list[Month] | None = Field(
        description="Months with an order or a return, earliest first; null: the training did not keep them"
    )
    past: list[PastSegment] | None = Field(
        description="Earlier days on which this was a customer, earliest first; null: the training did not keep them"
    )


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
    state: str | None = Field(default=None, description="The state that was asked for; absent: all")


class Move(BaseModel):
    """The customers who were in one place at the earlier date and in another, or the same, at the later."""

    from_segment: int | None = Field(description="null: no customer yet")
    from_name: str = Field(description="New: no customer yet")
    to_segment: int | None = Field(
        description="null: no customer any more, having taken back all they bought"
    )
    to_name: str = Field(description="Gone: no customer any more")
    customers: int
    Monetary_before: float | None = Field(
        description="Money they had spent by the earlier date; null: not known since a customer was taken out"
    )
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


class Gone(BaseModel):
    """A customer of the earlier date who is none at the later one."""

    customer_id: str
    from_segment: int
    from_name: str
    Monetary_before: float


GONE_EXAMPLE = {
    "customer_id": "12350",
    "from_segment": 0,
    "from_name": "Low-value lapsed",
    "Monetary_before": 334.4,
}
GONE_MEANING = f"Who is no customer any more, biggest spenders first; the first {MOST_GONE_LISTED}"


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
            "gone": [GONE_EXAMPLE],
            "advice": "Of those who left it before, 62% bought again within 90 days and spent 714 each.",
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
    best: int = Field(description="The segment whose ordinary customers are worth most")
    best_name: str
    sentences: list[str]
    moves: list[Move]
    gone: list[Gone] = Field(description=GONE_MEANING)
    advice: str | None = Field(
        description="What to do with those who left the best segment; null: nobody left it, or not known"
    )
    total: int = Field(description="Customers who left the best segment")
    page: int
    limit: int
    pages: int
    customers: list[Fallen] = Field(description="Who left the best segment, biggest spenders first")


class ShopForecast(BaseModel):
    """All customers together in the days ahead."""

    customers: int
    expected_orders: float
    expected_spend: float
    expected_low: float | None = Field(description=FORECAST_WORDS["expected_low"][1])
    expected_high: float | None = Field(description=FORECAST_WORDS["expected_high"][1])


class Forecast(Stamp):
    """What the customers are expected to bring, and how such a forecast held on the past."""

    model_config = _with(
        STAMP_EXAMPLE
        | {
            "days": 90,
            "season": SEASON,
            "shop": {"customers": 4317, "expected_orders": 3911.2, "expected_spend": 1804500.0}
            | {"expected_low": 1350000.0, "expected_high": 2610000.0},
            "sentences": ["The spend of 84% of customers was in the range given for each."],
            "ranks": [{"way": "Forecast", "spend": 0.54, "orders": 0.51}],
            "coverage": [{"cut_off": "2011-09-11", "covered": 0.84, "above": 0.09}],
        }
    )
    days: int = Field(description="Days that are looked ahead")
    season: str = Field(description="What to know of every sum")
    shop: ShopForecast
    sentences: list[str]
    ranks: list[dict[str, Any]] = Field(
        description="Rank correlation with spend and orders that came, beside plain ways; means over the dates"
    )
    coverage: list[dict[str, Any]] = Field(
        description="By date: share of customers whose spend was in its range"
    )


class MovementBetween(Stamp):
    """Who moved between two versions of the registry."""

    model_config = _with(
        STAMP_EXAMPLE
        | {
            "from_version": 1,
            "to_version": 3,
            "from_as_of": "2011-10-10T23:59:59",
            "to_as_of": "2011-12-10T12:50:00",
        }
        | {"days": 61}
        | {
            "moves": [
                {
                    "from_segment": 2,
                    "from_name": "High-value active",
                    "to_segment": 1,
                    "to_name": "Medium-value",
                }
                | {"customers": 33, "Monetary_before": 22000.5, "Monetary_after": 22310.0}
            ],
            "gone": [GONE_EXAMPLE],
        }
    )
    from_version: int
    to_version: int
    from_as_of: str
    to_as_of: str
    days: int = Field(description="Calendar days between the two as-of dates")
    moves: list[Move] = Field(description="Null for a segment: no customer yet, or no customer any more")
    gone: list[Gone] = Field(description=GONE_MEANING)


class VersionSegment(BaseModel):
    """A segment of a version in short."""

    segment: int
    name: str
    customers: int
    revenue: float


class Version(BaseModel):
    """A version of the registry and what its training says of itself."""

    version: int
    as_of: str
    customers: int
    revenue: float
    anomalies: int
    segments: list[VersionSegment]
    metrics: dict[str, float]
    gate: dict[str, Any] | None = Field(
        description="The gate's verdict and rules; null: it has not judged it"
    )


class Cycle(BaseModel):
    """What came of one state of the data that `segments cycle` handled."""

    as_of: str | None = Field(description="Until when the data go; null: they could not be read")
    begun: str
    outcome: str = Field(description="promoted, kept, waiting, stopped or rejected")
    reason: str
    version: int | None = Field(description="The version that was trained on them; null: none was")


class Cycles(Stamp):
    """What came of the data that `segments cycle` handled, latest first."""

    model_config = _with(
        STAMP_EXAMPLE
        | {
            "news": "New data (as of 2011-12-10) came on 2011-12-12 and were not used. The data are not like the "
            "champion's. order_value: 21,304 a median order; expected 152 to 456. The figures here are as of "
            "2011-12-01.",
            "cycles": [
                {
                    "as_of": "2011-12-10T12:50:00",
                    "begun": "2011-12-12T03:00:04",
                    "outcome": "stopped",
                    "reason": "The data are not like the champion's. order_value: 21,304 a median order; expected "
                    "152 to 456",
                    "version": None,
                }
            ],
        }
    )
    news: str | None = Field(description="Why these figures are not of the latest data; null: they are")
    cycles: list[Cycle]


class Change(BaseModel):
    """A change of the champion. One by hand left no entry, so nobody and no time is known of it."""

    before: int | None
    after: int | None
    how: str
    reason: str
    when: str | None
    who: str


class Versions(Stamp):
    """All versions, and who made which of them champion; both latest first."""

    model_config = _with(
        STAMP_EXAMPLE
        | {
            "versions": [
                {
                    "version": 3,
                    "as_of": "2011-12-10T12:50:00",
                    "customers": 4317,
                    "revenue": 8291748.6,
                    "anomalies": 33,
                }
                | {
                    "segments": [
                        {"segment": 2, "name": "High-value active", "customers": 1540, "revenue": 6956951.5}
                    ]
                }
                | {"metrics": {"silhouette": 0.3208}, "gate": {"verdict": "passed", "rules": []}}
            ],
            "promotions": [
                {"before": 2, "after": 3, "how": "segments train --promote", "reason": "", "who": "ann"}
                | {"when": "2011-12-10T13:05:11"}
            ],
        }
    )
    versions: list[Version]
    promotions: list[Change]


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
