"""How segments, money and quality went over the versions, two of them side by side, and who promoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contract.words import day
from serving.archive import Promotion, Training
from serving.pages.frame import look
from serving.pages.lines import Line, drawing

EVIDENCE = "forward_eta_squared_segments_log"
SHOP_LOOK = {"colour": "shop", "shape": "circle"}
MEASURES = (  # of two versions side by side: label, how it is written, where it is found
    ("Customers", "whole", lambda own: own.customers),
    ("Money spent", "amount", lambda own: own.revenue),
    ("Segments", "whole", lambda own: len(own.profiles)),
    ("Unusual customers", "whole", lambda own: own.anomalies),
    ("Silhouette", "score", lambda own: own.metrics.get("silhouette")),
    ("Stability", "score", lambda own: own.metrics.get("stability")),
    ("Later spend told by segments", "percent", lambda own: own.metrics.get(EVIDENCE)),
    ("Expected spend", "amount", lambda own: own.metrics.get("forecast_expected_spend")),
)


def content(
    trainings: Sequence[Training], promotions: Sequence[Promotion], champion: int, pair: Sequence[Training]
) -> dict[str, Any]:
    """What the page is filled with: `trainings` and `promotions` latest first, `pair` are two versions to compare."""
    return {
        "trainings": trainings,
        "champion": champion,
        "promotions": promotions,
        "charts": charts(trainings),
        "pair": pair,
        "compared": [
            {"label": label, "written": written, "values": [value(own) for own in pair]}
            for label, written, value in MEASURES
        ],
        "segments_compared": side_by_side(pair),
    }


def charts(trainings: Sequence[Training]) -> list[dict[str, Any]]:
    """The lines over as-of dates: of each date the latest version."""
    by_date = {own.as_of: own for own in sorted(trainings, key=lambda own: own.version)}
    moments = sorted(by_date)
    rows = [by_date[moment] for moment in moments]
    numbers = sorted({number for own in rows for number in own.names})
    drawn = [
        ("Customers of each segment", "whole", _of_segments(rows, numbers, "customers")),
        ("Money of each segment", "amount", _of_segments(rows, numbers, "revenue")),
        ("Unusual customers", "whole", [_of_shop("Unusual customers", [own.anomalies for own in rows])]),
        ("Silhouette", "score", [_of_shop("Silhouette", [own.metrics.get("silhouette") for own in rows])]),
        (
            "Differences in later spend that the segments told",
            "percent",
            [_of_shop("Told by the segments", [own.metrics.get(EVIDENCE) for own in rows])],
        ),
    ]
    return [
        {
            "title": title,
            "written": written,
            "moments": moments,
            "series": lines,
            "drawing": drawing(moments, lines),
        }
        for title, written, lines in drawn
    ]


def side_by_side(pair: Sequence[Training]) -> list[dict[str, Any]]:
    """The segments of two versions, by their numbers: name, customers and money in each, None where it is not there."""
    numbers = sorted({number for own in pair for number in own.names}, reverse=True)
    return [{"segment": number, "own": [_profile(own, number) for own in pair]} for number in numbers]


def _profile(training: Training, number: int) -> Mapping[str, Any] | None:
    return next((own for own in training.profiles if own["segment"] == number), None)


def _of_segments(rows: Sequence[Training], numbers: Sequence[int], name: str) -> list[Line]:
    lines = []
    for number in numbers:
        own = [_profile(training, number) for training in rows]
        last, title = next(
            (training, profile["name"])
            for training, profile in reversed([*zip(rows, own, strict=True)])
            if profile
        )
        if last is not rows[-1]:  # another number may have the name today
            title = f"{title} (until {day(last.as_of)})"
        lines.append(Line(title, [profile[name] if profile else None for profile in own], look(number)))
    return lines


def _of_shop(name: str, values: Sequence[float | None]) -> Line:
    return Line(name, values, SHOP_LOOK)
