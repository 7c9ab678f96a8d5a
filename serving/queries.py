"""Questions to a snapshot, as pure functions: the JSON answers and the page are made from the same ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from contract.forecast_words import SEASON
from contract.lists.lines import csv_lines
from contract.names import FEATURES, STATES
from contract.spreadsheets import harmless
from contract.words import STATE_MEANINGS
from serving.recounts import taken_out_sentence
from serving.snapshot import ROW, Snapshot

MAP_POINTS = 4_000
MAP_ORDINARY = 1_000  # ordinary customers that stay on the map however many anomalies there are
CSV_CHUNK_ROWS = 1_000
FALLEN = (
    "customer_id",
    "from_name",
    "to_segment",
    "to_name",
    "Monetary_before",
    "Monetary_after",
    "Recency",
)


def overview(snapshot: Snapshot) -> dict[str, Any]:
    """The whole shop: customers, revenue, anomalies, and how many customers each segment has."""
    anomalies = len(snapshot.unusual)
    return _stamped(
        snapshot,
        data=snapshot.data,
        customers=len(snapshot),
        revenue=sum(profile["revenue"] for profile in snapshot.profiles),
        anomalies=anomalies,
        anomaly_rate=anomalies / len(snapshot),
        segments=[
            {name: profile[name] for name in ("segment", "name", "customers", "share", "revenue_share")}
            for profile in snapshot.profiles
        ],
        outcome=snapshot.summary.get("outcome", []),
        setting=snapshot.summary.get("setting", {}),
        metrics=snapshot.summary.get("metrics", {}),
        warnings=snapshot.summary.get("warnings", []),
        rejected=snapshot.summary.get("rejected") or None,
        promoted_by_hand=snapshot.by_hand,
        **({"taken_out": taken_out_sentence(snapshot.taken_out)} if snapshot.taken_out else {}),
    )


def segments(snapshot: Snapshot) -> dict[str, Any]:
    """Each segment's profile, in the order of their numbers."""
    return _stamped(snapshot, segments=list(snapshot.profiles))


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """Mean Recency, Frequency and Monetary of each segment."""
    return _stamped(
        snapshot,
        segments=[
            {name: profile[name] for name in ("segment", "name", "customers")}
            | {name: profile[f"mean_{name}"] for name in ("Recency", "Frequency", "Monetary")}
            for profile in snapshot.profiles
        ],
    )


def customer_map(snapshot: Snapshot) -> dict[str, Any]:
    """Where customers lie on the plane of the two principal components: all anomalies, others by sample."""
    unusual = snapshot.unusual[: MAP_POINTS - MAP_ORDINARY]
    ordinary = np.setdiff1d(np.arange(len(snapshot)), snapshot.unusual)
    room = MAP_POINTS - len(unusual)
    if len(ordinary) > room:
        ordinary = np.sort(np.random.default_rng(0).choice(ordinary, room, replace=False))
    segment = np.asarray(snapshot.customers["segment"])
    return _stamped(
        snapshot,
        customers=len(snapshot),
        shown=len(ordinary) + len(unusual),
        explained_variance=list(snapshot.summary.get("explained_variance", [])),
        segments=[
            {"segment": profile["segment"], "name": profile["name"]}
            | _points(snapshot, ordinary[segment[ordinary] == profile["segment"]])
            for profile in snapshot.profiles
        ],
        anomalies=_points(snapshot, unusual) | {"segment": segment[unusual].tolist()},
    )


def worth(snapshot: Snapshot) -> dict[int, float]:
    """Median Monetary of each segment's ordinary customers, by its number; -inf where there are none."""
    spent = np.asarray(snapshot.customers["Monetary"], dtype=float)
    ordinary = np.isfinite(spent)
    ordinary[snapshot.unusual] = False
    return {
        segment: float(np.median(own)) if len(own := spent[indices[ordinary[indices]]]) else -np.inf
        for segment, indices in snapshot.by_spending.items()
    }


def typical(snapshot: Snapshot) -> dict[str, Any]:
    """The median customer of the whole shop, and how each feature goes with each axis of the map (-1 to 1)."""
    columns = {name: np.asarray(snapshot.customers[name], dtype=float) for name in FEATURES}
    medians = {name: float(np.nanmedian(column)) for name, column in columns.items()}
    axes = []
    for axis in ("pca_1", "pca_2"):
        position = np.asarray(snapshot.customers[axis], dtype=float)
        axes.append({name: _correlation(np.log1p(column), position) for name, column in columns.items()})
    return {"median": medians, "axes": axes}


def no_states(snapshot: Snapshot) -> str | None:
    """Why the states of this version's customers are not known, or None when they are."""
    if snapshot.evidence is not None:
        return None
    return f"Version {snapshot.version} was trained before states were kept. Train anew: `segments train --promote`."


def states(snapshot: Snapshot) -> dict[str, Any]:
    """Each segment and state: customers, money, what such customers did next, what to do. `no_states` must be None.

    The most valuable segment comes first; a cell has evidence only where enough customers were in it before.
    """
    evidence = snapshot.evidence or {}
    value, order = worth(snapshot), list(STATES)
    names = {profile["segment"]: profile["name"] for profile in snapshot.profiles}
    cells = sorted(evidence["grid"], key=lambda cell: (-value[cell["segment"]], order.index(cell["state"])))
    return _stamped(
        snapshot,
        usual_gap=snapshot.gap,
        meanings=STATE_MEANINGS,
        days=evidence["days"],
        cut_offs=evidence["cut_offs"],
        shop=evidence["shop"],
        left_best=evidence["left_best"],
        cells=[{"segment": cell["segment"], "name": names[cell["segment"]]} | cell for cell in cells],
    )


def no_forward(snapshot: Snapshot) -> str | None:
    """Why it is not known how well the segments tell later spend, or None when it is."""
    if snapshot.forward is not None:
        return None
    return snapshot.summary.get("missing", {}).get("forward") or (
        f"Version {snapshot.version} was trained before the check at several dates was kept. Train anew: "
        "`segments train --promote`."
    )


def forward(snapshot: Snapshot) -> dict[str, Any]:
    """How much of later spend the segments tell, beside plain RFM. `no_forward` must be None."""
    return _stamped(snapshot, **(snapshot.forward or {}))


def no_forecast(snapshot: Snapshot) -> str | None:
    """Why nothing is said of what customers will bring, or None when something is."""
    if snapshot.forecast is None:
        return (
            f"Version {snapshot.version} was trained before there was a forecast. Train anew: "
            "`segments train --promote`."
        )
    return None if snapshot.forecast["holds"] else " ".join(snapshot.forecast["reasons"])


def forecast(snapshot: Snapshot) -> dict[str, Any]:
    """What all customers together are expected to bring, and how such a forecast held on the past. `no_forecast` must
    be None."""
    known = snapshot.forecast or {}
    said = {name: known[name] for name in ("shop", "sentences", "ranks", "coverage")}
    return _stamped(snapshot, days=known["horizon_days"], season=SEASON, **said)


def fixed(snapshot: Snapshot) -> list[Callable[[Snapshot], dict[str, Any]]]:
    """The queries that ask nothing but the snapshot, and that this one can answer."""
    queries: list[Callable[[Snapshot], dict[str, Any]]] = [overview, segments, summary, customer_map]
    if snapshot.evidence is not None:
        queries.append(states)
    if snapshot.forward is not None:
        queries.append(forward)
    if no_forecast(snapshot) is None:
        queries.append(forecast)
    return queries


def find(snapshot: Snapshot, typed: str) -> int | None:
    """The index of the customer whose id a person typed: blanks around it and a spreadsheet's .0 do not matter."""
    if (index := snapshot.rows.get(typed)) is not None:
        return index
    stripped = typed.strip()
    if (index := snapshot.rows.get(stripped)) is not None:
        return index
    return snapshot.rows.get(re.sub(r"\A([0-9]+)\.0+\Z", r"\1", stripped))


def customer(snapshot: Snapshot, typed: str) -> dict[str, Any] | None:
    """All that is known of one customer, or None."""
    index = find(snapshot, typed)
    return None if index is None else _stamped(snapshot, **snapshot.row(index))


def anomalies(snapshot: Snapshot, page: int, limit: int) -> dict[str, Any]:
    """A page of the unusual customers, most unusual first."""
    return _stamped(snapshot, **_page(snapshot, snapshot.unusual, page, limit))


def of_segment(snapshot: Snapshot, segment: int, state: str | None) -> np.ndarray:
    """Indices of a segment's customers, only those in the `state` where one is given, biggest spenders first."""
    return snapshot.by_spending[segment] if state is None else snapshot.by_state[segment, state]


def segment_customers(
    snapshot: Snapshot, segment: int, state: str | None, page: int, limit: int
) -> dict[str, Any]:
    """A page of a segment's customers, of those in a `state` or of all, biggest spenders first.

    `segment` must be one of the snapshot's.
    """
    name = next(profile["name"] for profile in snapshot.profiles if profile["segment"] == segment)
    asked = {"segment": segment, "name": name} | ({} if state is None else {"state": state})
    return _stamped(snapshot, **asked, **_page(snapshot, of_segment(snapshot, segment, state), page, limit))


def no_movement(snapshot: Snapshot) -> str | None:
    """Why it is not known who moved, or None when it is."""
    if snapshot.movement is not None:
        return None
    return snapshot.summary.get("missing", {}).get("movement") or (
        f"Version {snapshot.version} was trained before movement was kept. Train anew: `segments train --promote`."
    )


def movement(snapshot: Snapshot, page: int, limit: int) -> dict[str, Any]:
    """Who moved from which segment to which, and a page of who left the best one, biggest spenders first.

    `no_movement` must be None.
    """
    answer = {"gone": [], **(snapshot.movement or {})}  # before 0.2.0 nobody listed who is gone
    fallen = answer.pop("fallen")
    advice = snapshot.summary.get("advice_on_fallen") or None
    return _stamped(snapshot, **answer, advice=advice, **_paged(fallen, page, limit))


def fallen_csv(snapshot: Snapshot) -> Iterator[str]:
    """Who left the best segment as CSV, in pieces, as safe and as stamped as `audience_csv`."""
    rows = (snapshot.movement or {})["fallen"]
    yield csv_lines([[*FALLEN, "model_version", "as_of"]])
    for first in range(0, len(rows), CSV_CHUNK_ROWS):
        yield csv_lines(
            [*(harmless(row[name]) for name in FALLEN), snapshot.version, snapshot.as_of]
            for row in rows[first : first + CSV_CHUNK_ROWS]
        )


def audience_csv(snapshot: Snapshot, indices: np.ndarray) -> Iterator[str]:
    """Customers as CSV, in pieces: one row each, stamped with model version and as-of date.

    Texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    columns = [name for name in ROW if name in snapshot.customers]
    yield csv_lines([[*columns, "model_version", "as_of"]])
    for first in range(0, len(indices), CSV_CHUNK_ROWS):
        yield csv_lines(
            [*map(harmless, row.values()), snapshot.version, snapshot.as_of]
            for row in snapshot.table(indices[first : first + CSV_CHUNK_ROWS])
        )


def _stamped(snapshot: Snapshot, **answer: Any) -> dict[str, Any]:
    return {"model_version": snapshot.version, "as_of": snapshot.as_of, **answer}


def _page(snapshot: Snapshot, indices: np.ndarray, page: int, limit: int) -> dict[str, Any]:
    paged = _paged(indices, page, limit)
    return paged | {"customers": snapshot.table(paged["customers"])}


def _paged(rows: Sequence[object] | np.ndarray, page: int, limit: int) -> dict[str, Any]:
    first = (page - 1) * limit
    return {
        "total": len(rows),
        "page": page,
        "limit": limit,
        "pages": -(-len(rows) // limit),
        "customers": rows[first : first + limit],
    }


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's, over the pairs that are numbers; 0 where one of them never varies."""
    known = np.isfinite(one) & np.isfinite(other)
    one, other = one[known], other[known]
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _points(snapshot: Snapshot, indices: np.ndarray) -> dict[str, list[Any]]:
    columns = snapshot.customers
    return {
        "customer_id": [columns["customer_id"][index] for index in indices],
        "x": np.asarray(columns["pca_1"])[indices].round(4).tolist(),
        "y": np.asarray(columns["pca_2"])[indices].round(4).tolist(),
        "anomaly_score": np.asarray(columns["anomaly_score"])[indices].round(4).tolist(),
    }
