"""What the dashboard needs beside the answers: the charting library, and the words for its numbers.

The library comes out of the installed plotly package, so that no copy of it is kept here and no page
asks the internet for it.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

from contract.names import FEATURES
from serving import queries
from serving.snapshot import Snapshot

ONE_YEAR = 365 * 24 * 3600
ROWS_SHOWN = 20
WORDS: dict[str, dict[str, str]] = {
    "Recency": {
        "label": "Days since last order",
        "column": "Last order, days ago",
        "unit": "days",
        "meaning": "Whole days from the last purchase to the as-of date.",
        "more": "longer since the last order",
        "less": "a more recent last order",
    },
    "Frequency": {
        "label": "Orders",
        "column": "Orders",
        "unit": "orders",
        "meaning": "Number of orders; cancellations do not count.",
        "more": "more orders",
        "less": "fewer orders",
    },
    "Monetary": {
        "label": "Money spent",
        "column": "Spent",
        "unit": "money",
        "meaning": "Money spent in all orders together, in the shop's currency.",
        "more": "more money spent",
        "less": "less money spent",
    },
    "AverageOrderValue": {
        "label": "Average order value",
        "column": "Average order",
        "unit": "money",
        "meaning": "Money spent divided by the number of orders.",
        "more": "larger orders",
        "less": "smaller orders",
    },
    "Tenure": {
        "label": "Days since first order",
        "column": "First order, days ago",
        "unit": "days",
        "meaning": "Whole days from the first purchase to the as-of date.",
        "more": "a customer for longer",
        "less": "a newer customer",
    },
}


def register(app: Flask) -> None:
    """Serve the charting library, and teach the templates to write numbers."""
    for word in (whole, orders, amount, percent, counted, day, plainly):
        app.add_template_filter(word)
        app.add_template_global(word)

    # Below /static, and with the release in its name: a browser may keep it for good.
    @app.route("/static/plotly-<release>.min.js")
    def charting_library(release: str) -> Response:
        if release != plotly_release():
            raise NotFound(f"Plotly {release[:20]} is not here. Expected {plotly_release()}.")
        packed = _packed_library()
        zipped = "gzip" in request.accept_encodings
        answer = Response(packed if zipped else gzip.decompress(packed), mimetype="text/javascript")
        if zipped:
            answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Vary"] = "Accept-Encoding"
        answer.headers["Cache-Control"] = f"private, max-age={ONE_YEAR}, immutable"
        return answer


def page(snapshot: Snapshot) -> dict[str, Any]:
    """What the dashboard is filled with: segments most valuable first, and what its scripts need to know."""
    overview = queries.overview(snapshot)
    typical = queries.typical(snapshot)
    segments = [
        {**profile, "place": place} for place, profile in enumerate(queries.segments(snapshot)["segments"])
    ]
    worth = queries.worth(snapshot)
    segments.sort(key=lambda segment: worth[segment["segment"]], reverse=True)
    features = {name: {**WORDS[name], "median": typical["median"][name]} for name in FEATURES}
    return {
        "overview": overview,
        "segments": segments,
        "top": max(segments, key=lambda segment: segment["revenue_share"] or 0),
        "moved": _moved(snapshot, [segment["segment"] for segment in segments]),
        "no_movement": queries.no_movement(snapshot),
        "unusual": queries.anomalies(snapshot, 1, ROWS_SHOWN),
        "example": snapshot.row(snapshot.by_spending[segments[0]["segment"]][0]),
        "features": features,
        "plotly": plotly_release(),
        "known": {
            "version": snapshot.version,
            "root": request.script_root,
            "rows": ROWS_SHOWN,
            "segments": segments,
            "names": list(FEATURES),  # in this order: tojson sorts the keys of features
            "features": features,
            "axes": [_axis(axis) for axis in typical["axes"]],
        },
    }


def _moved(snapshot: Snapshot, order: list[int]) -> dict[str, Any] | None:
    """Who moved, with a matrix for the page: rows and columns in the `order` of segments, most valuable first; New
    and Gone last."""
    if snapshot.movement is None:
        return None
    told = queries.movement(snapshot, 1, ROWS_SHOWN)
    cells = {(move["from_segment"], move["to_segment"]): move for move in told["moves"]}
    starts = [place for place in (*order, None) if any(start == place for start, _ in cells)]
    ends = [place for place in (*order, None) if any(end == place for _, end in cells)]
    rows = []
    for start in starts:
        total = sum(move["customers"] for (place, _), move in cells.items() if place == start)
        row = [
            {
                "end": end,
                "customers": move["customers"],
                "share": move["customers"] / total,
                "money": move["Monetary_after"] if end is not None else move["Monetary_before"],
                "way": _way(start, end, order),
                "strength": round(100 * math.sqrt(move["customers"] / total)),
            }
            if (move := cells.get((start, end)))
            else None
            for end in ends
        ]
        rows.append({"segment": start, "customers": total, "cells": row})
    names = {profile["segment"]: profile["name"] for profile in snapshot.profiles}
    return told | {"names": names, "ends": ends, "rows": rows}


def _way(start: int | None, end: int | None, order: list[int]) -> str:
    """From one segment to another, given their `order`, most valuable first."""
    if start is None:
        return "new"
    if start == end:
        return "stayed"
    return "rose" if end is not None and order.index(end) < order.index(start) else "fell"


@cache
def plotly_release() -> str:
    """The installed release of plotly; "0" when it is not installed, and then there are tables only."""
    try:
        return version("plotly")
    except PackageNotFoundError:
        return "0"


@cache
def _packed_library() -> bytes:
    found = find_spec("plotly")  # finding it is quick, importing it is not
    if found is None or found.origin is None:
        raise NotFound("The plotly package is not installed.")
    return gzip.compress(
        (Path(found.origin).parent / "package_data" / "plotly.min.js").read_bytes(), 6, mtime=0
    )


def whole(value: float | None) -> str:
    """1234.4 to "1,234"; a half goes up, as it does in a browser."""
    return "–" if value is None else f"{math.floor(value + 0.5):,}"


def orders(value: float | None) -> str:
    """6.0 to "6", 1.5 to "1.5"."""
    return "–" if value is None else f"{value:,.1f}".removesuffix(".0")


def amount(value: float | None) -> str:
    """Money with two decimals where they matter: "12.50", "2,129"."""
    if value is None:
        return "–"
    return f"{value:,.2f}" if 0 < abs(value) < 100 else whole(value)


def percent(share: float | None) -> str:
    """0.3704 to "37%"; one decimal below a tenth."""
    if share is None:
        return "–"
    return f"{share:.1%}" if 0 < share < 0.0995 else f"{share:.0%}"


def counted(number: str, one: str, many: str) -> str:
    """A number that is written already, and its noun: "1 order", "6 orders"."""
    return f"{number} {one if number == '1' else many}"


def day(moment: str) -> str:
    """ "2011-12-10T12:50:00" to "10 December 2011"."""
    try:
        date = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return f"{date.day} {date:%B %Y}"


def plainly(reason: str | None) -> str:
    """An anomaly's reason with the features' everyday names."""
    text = re.sub(
        "|".join(rf"\b{name}\b" for name in FEATURES), lambda name: WORDS[name[0]]["label"], reason or ""
    )
    return text[:1].upper() + text[1:]


def _axis(correlations: Mapping[str, float]) -> str:
    """What grows along an axis of the map, in words."""
    strong = sorted(correlations.items(), key=lambda item: -abs(item[1]))
    return ", ".join(
        WORDS[name]["more" if value > 0 else "less"] for name, value in strong if abs(value) >= 0.5
    )
