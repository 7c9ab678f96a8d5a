"""Who the segments are: each with its evidence, its states and its distributions, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.exceptions import BadRequest

from contract.forecast_words import FORECAST_WORDS
from contract.lists.filters import FILTER_NAME
from contract.names import FEATURES
from serving import evidence, queries
from serving.pages.distributions import distributions
from serving.snapshot import Snapshot

STRONGEST = 3.0  # doublings from which a cell of the heat map has its full colour


def content(
    snapshot: Snapshot, segments: Sequence[Mapping[str, Any]], chosen: Sequence[str]
) -> dict[str, Any]:
    """What the page is filled with; `chosen` are the numbers of the segments to be seen side by side, none for all."""
    shown = _chosen(segments, chosen)
    return {
        "shown": shown,
        "chosen": {segment["segment"] for segment in shown} if chosen else set(),
        "states": snapshot.once(evidence.grid),
        "no_states": queries.no_states(snapshot),
        "foretold": evidence.foretold(snapshot),
        "forward": snapshot.forward,
        "no_forward": queries.no_forward(snapshot),
        "distributions": snapshot.once(distributions),
        "bounds": bounds,
        "heat": heat(segments, snapshot.once(queries.typical)["median"]),
        "forecast_words": _forecast_words(snapshot),
    }


def bounds(feature: str, bar: Mapping[str, Any], first: bool) -> dict[str, float]:
    """The filter of a bar's list; the `first` bar has no lower end."""
    name = FILTER_NAME[feature]
    least = {} if first else {f"min_{name}": bar["from"]}
    return least | ({} if bar["to"] is None else {f"max_{name}": bar["to"]})


def heat(segments: Sequence[Mapping[str, Any]], median: Mapping[str, float]) -> dict[int, dict[str, Any]]:
    """Each segment's typical customer beside the shop's, by feature: how many times as much, and the colour of that."""
    return {
        segment["segment"]: {name: _compared(segment[f"median_{name}"], median[name]) for name in FEATURES}
        for segment in segments
    }


def _compared(value: float | None, median: float) -> dict[str, Any]:
    if not value or median <= 0:
        return {"times": None, "way": "", "strength": 0}
    doublings = math.log2(value / median)
    strength = round(100 * min(abs(doublings) / STRONGEST, 1.0))
    return {"times": value / median, "way": "above" if doublings > 0 else "below", "strength": strength}


def _chosen(segments: Sequence[Mapping[str, Any]], chosen: Sequence[str]) -> list[Mapping[str, Any]]:
    known = {str(segment["segment"]) for segment in segments}
    for number in chosen:
        if number not in known:
            raise BadRequest(
                f"There is no segment {number[:20]!r}. Expected one of: {', '.join(sorted(known))}."
            )
    return [segment for segment in segments if not chosen or str(segment["segment"]) in chosen]


def _forecast_words(snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    """The label and the meaning of each word of the forecast; none where no forecast holds."""
    if queries.no_forecast(snapshot):
        return {}
    days = queries.forecast(snapshot)["days"]
    return {name: (label, meaning.format(days=days)) for name, (label, meaning) in FORECAST_WORDS.items()}
