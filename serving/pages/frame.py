"""What stands on every page: where it leads, which model answers, and what the page's scripts need to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from flask import request

from contract import colours, words
from contract.languages import MARKS
from contract.names import FEATURES
from serving import evidence, queries
from serving.charting_library import installed_release
from serving.pages.changes import changes
from serving.pages.distributions import distributions
from serving.pages.writing import currency, language
from serving.snapshot import Snapshot

NAV = (
    ("Overview", "api.ui"),
    ("Segments", "pages.segments"),
    ("Customers", "pages.customers"),
    ("Movement", "pages.movement"),
    ("Unusual", "pages.unusual"),
    ("Past", "pages.past"),
    ("For developers", "pages.developers"),
)
FEW_CUSTOMERS, FEW_SHARE = 5, 0.1  # up to which number, and share of a segment, customers are said to be few
STRONG = 0.5  # correlation from which a feature is said to grow along an axis of the map


def frame(snapshot: Snapshot, stale: str | None) -> dict[str, Any]:
    """What the frame of a page is filled with."""
    segments = snapshot.once(described)
    return {
        "nav": NAV,
        "overview": snapshot.once(queries.overview),
        "stale": stale,
        "currency": currency(str(snapshot.summary.get("currency") or "")),
        "segments": segments,
        "by_number": {segment["segment"]: segment for segment in segments},
        "features": snapshot.once(features),
        "meanings": {} if queries.no_states(snapshot) else words.STATE_MEANINGS,
        "forecast": None if queries.no_forecast(snapshot) else queries.forecast(snapshot),
        "known": known(snapshot, segments),
    }


def prepared(snapshot: Snapshot) -> Snapshot:
    """The same snapshot once it has worked out what pages ask it, so that nobody waits for it at the first open."""
    for query in (described, features, axes, queries.overview, evidence.grid, changes, distributions):
        snapshot.once(query)
    return snapshot


def described(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Each segment's profile, colour and shape, and what such customers did next, most valuable first."""
    worth, after = snapshot.once(queries.worth), evidence.of_segments(snapshot)
    segments = [
        {
            **profile,
            **look(int(profile["segment"])),
            "after": after.get(profile["segment"]),
            "few": _few(profile),
        }
        for profile in queries.segments(snapshot)["segments"]
    ]
    return sorted(segments, key=lambda segment: worth[segment["segment"]], reverse=True)


def look(number: int) -> dict[str, str]:
    """The colour and the shape of a segment's marks."""
    return {"colour": colours.segment_variable(number), "shape": colours.segment_shape(number)}


def features(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """The words of each feature, and the median of all customers."""
    median = snapshot.once(queries.typical)["median"]
    return {name: {**asdict(words.WORDS[name]), "median": median[name]} for name in FEATURES}


def known(snapshot: Snapshot, segments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the page's scripts need to know."""
    marks = MARKS[language()]
    return {
        "version": snapshot.version,
        "root": request.script_root,
        "segments": segments,
        "states": {} if queries.no_states(snapshot) else words.STATE_MEANINGS,
        "labels": {name: feature.label for name, feature in words.WORDS.items()},
        "names": list(FEATURES),  # in this order: tojson sorts the keys of features
        "features": snapshot.once(features),
        "forecast_days": None if queries.no_forecast(snapshot) else queries.forecast(snapshot)["days"],
        "axes": snapshot.once(axes),
        "marks": asdict(marks),
        "plotly": installed_release(),
    }


def axes(snapshot: Snapshot) -> list[str]:
    """What grows along each axis of the map, in words."""
    return [_growing(axis) for axis in snapshot.once(queries.typical)["axes"]]


def _few(profile: dict[str, Any]) -> bool:
    """Whether so few customers bring half of the segment's money that it is theirs, and not the segment's."""
    half_by = profile.get("half_by")
    return half_by is not None and half_by <= min(FEW_CUSTOMERS, FEW_SHARE * profile["customers"])


def _growing(correlations: dict[str, float]) -> str:
    strongest = sorted(correlations.items(), key=lambda item: -abs(item[1]))
    return ", ".join(
        words.WORDS[name].more if value > 0 else words.WORDS[name].less
        for name, value in strongest
        if abs(value) >= STRONG
    )
