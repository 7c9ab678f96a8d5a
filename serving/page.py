"""What the dashboard is filled with: the answers of the API, in the order and the words of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from flask import Flask, request

from contract import colours, words
from contract.forecast_words import FORECAST_WORDS
from contract.names import FEATURES
from serving import evidence, queries
from serving.charting_library import installed_release
from serving.snapshot import Snapshot

ROWS_SHOWN = 20
FEW_CUSTOMERS, FEW_SHARE = 5, 0.1  # up to which number, and share of a segment, customers are said to be few
WORDS_OF_THE_TEMPLATE = (
    words.whole,
    words.number,
    words.amount,
    words.percent,
    words.score,
    words.measure,
    words.counted,
    words.day,
    words.titled,
    words.plainly,
    words.verb,
)
STRONG = 0.5  # correlation from which a feature is said to grow along an axis of the map


def register(app: Flask) -> None:
    """Teach the templates the words and the palette."""
    for word in WORDS_OF_THE_TEMPLATE:
        app.add_template_filter(word)
        app.add_template_global(word)
    app.add_template_global(colours.style_sheet, "palette")
    app.jinja_env.globals["colours"] = colours.MEANINGS


def content(snapshot: Snapshot) -> dict[str, Any]:
    """All that the template needs: segments most valuable first, and what the page's scripts need to know."""
    typical = queries.typical(snapshot)
    segments = _segments(snapshot)
    features = {name: {**asdict(words.WORDS[name]), "median": typical["median"][name]} for name in FEATURES}
    return {
        "overview": queries.overview(snapshot),
        "segments": segments,
        "by_number": {segment["segment"]: segment for segment in segments},
        "top": max(segments, key=lambda segment: segment["revenue_share"] or 0),
        "moved": _moved(snapshot, [segment["segment"] for segment in segments]),
        "no_movement": queries.no_movement(snapshot),
        "states": evidence.grid(snapshot),
        "no_states": queries.no_states(snapshot),
        "foretold": evidence.foretold(snapshot),
        "forward": snapshot.forward,
        "forecast": _forecast(snapshot),
        "no_forward": queries.no_forward(snapshot),
        "unusual": queries.anomalies(snapshot, 1, ROWS_SHOWN),
        "example": snapshot.row(snapshot.by_spending[segments[0]["segment"]][0]),
        "features": features,
        "plotly": installed_release(),
        "known": {
            "version": snapshot.version,
            "root": request.script_root,
            "rows": ROWS_SHOWN,
            "segments": segments,
            "states": {} if queries.no_states(snapshot) else words.STATE_MEANINGS,
            "labels": {name: feature.label for name, feature in words.WORDS.items()},
            "names": list(FEATURES),  # in this order: tojson sorts the keys of features
            "features": features,
            "forecast_days": None if queries.no_forecast(snapshot) else queries.forecast(snapshot)["days"],
            "axes": [_growing(axis) for axis in typical["axes"]],
        },
    }


def _forecast(snapshot: Snapshot) -> dict[str, Any] | None:
    """What the shop is expected to bring, and the forecast's words; None where no forecast holds."""
    if queries.no_forecast(snapshot):
        return None
    answer = queries.forecast(snapshot)
    meanings = {
        name: {"label": label, "meaning": meaning.format(days=answer["days"])}
        for name, (label, meaning) in FORECAST_WORDS.items()
    }
    return answer | {"words": meanings}


def _segments(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Each segment's profile, colour and shape, most valuable first."""
    worth, after = queries.worth(snapshot), evidence.of_segments(snapshot)
    segments = [
        {
            **profile,
            "colour": colours.segment_variable(profile["segment"]),
            "shape": colours.segment_shape(profile["segment"]),
            "after": after.get(profile["segment"]),
            "few": _few(profile),
        }
        for profile in queries.segments(snapshot)["segments"]
    ]
    return sorted(segments, key=lambda segment: worth[segment["segment"]], reverse=True)


def _few(profile: Mapping[str, Any]) -> bool:
    """Whether so few customers bring half of the segment's money that it is theirs, and not the segment's."""
    half_by = profile.get("half_by")
    return half_by is not None and half_by <= min(FEW_CUSTOMERS, FEW_SHARE * profile["customers"])


def _moved(snapshot: Snapshot, order: Sequence[int]) -> dict[str, Any] | None:
    """Who moved, with a matrix for the page: rows and columns in the `order` of segments, most valuable first; New
    and Gone last."""
    if snapshot.movement is None:
        return None
    movement = queries.movement(snapshot, 1, ROWS_SHOWN)
    moves = {(move["from_segment"], move["to_segment"]): move for move in movement["moves"]}
    starts = [segment for segment in (*order, None) if any(start == segment for start, _ in moves)]
    ends = [segment for segment in (*order, None) if any(end == segment for _, end in moves)]
    rows = [_row(start, [moves.get((start, end)) for end in ends], order) for start in starts]
    names = {profile["segment"]: profile["name"] for profile in snapshot.profiles}
    return movement | {"names": names, "ends": ends, "rows": rows}


def _row(
    start: int | None, moves: Sequence[Mapping[str, Any] | None], order: Sequence[int]
) -> dict[str, Any]:
    """A row of the matrix: the moves from one segment, None where nobody took one."""
    total = sum(move["customers"] for move in moves if move)
    cells = [move and _cell(move, total, order) for move in moves]
    return {"segment": start, "customers": total, "cells": cells}


def _cell(move: Mapping[str, Any], total: int, order: Sequence[int]) -> dict[str, Any]:
    """A move as the matrix shows it; its colour, in percent, is the stronger, the more of the row took it."""
    start, end, share = move["from_segment"], move["to_segment"], move["customers"] / total
    return {
        "end": end,
        "customers": move["customers"],
        "share": share,
        "money": move["Monetary_after"] if end is not None else move["Monetary_before"],
        "way": _way(start, end, order),
        "strength": round(25 + 75 * math.sqrt(share)),
    }


def _way(start: int | None, end: int | None, order: Sequence[int]) -> str:
    """From one segment to another, given their `order`, most valuable first."""
    if start is None:
        return "new"
    if start == end:
        return "stayed"
    return "rose" if end is not None and order.index(end) < order.index(start) else "fell"


def _growing(correlations: Mapping[str, float]) -> str:
    """What grows along an axis of the map, in words."""
    strongest = sorted(correlations.items(), key=lambda item: -abs(item[1]))
    return ", ".join(
        words.WORDS[name].more if value > 0 else words.WORDS[name].less
        for name, value in strongest
        if abs(value) >= STRONG
    )
