"""One model version and the tables its training left, as they are held in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np

from contract.lists.customers import CustomerTable, customer_table
from contract.names import FEATURES, FORECAST_OUTPUTS, STATES
from serving.histories import Months, PastSegments
from serving.recounts import TrainingFiles, recounted

Result = TypeVar("Result")

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("Recency", "Frequency", "Tenure")  # days and orders
ROW = (
    "customer_id",
    *FEATURES,
    "Returned",
    "returns_note",
    "country",
    "segment",
    "segment_name",
    "state",
    "is_anomaly",
    "anomaly_score",
    "anomaly_reason",
    "distance",
    *FORECAST_OUTPUTS,
)


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def as_json(answer: object) -> bytes:
    """An answer as JSON. Raises ValueError rather than write NaN, which is not JSON."""
    return _encode(answer).encode() + b"\n"


class Scorer(Protocol):
    """What scores customers of any origin."""

    def __call__(self, values: np.ndarray) -> Mapping[str, list[Any]]:
        """(n, 5) values in the order of FEATURES to columns of n answers. Raises ValueError in words."""


class Distances(Protocol):
    """How far customers are from the centre of each segment."""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(n, 5) values in the order of FEATURES to (n, number of segments)."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A champion, ready to answer. It never changes: a new champion is a new snapshot.

    customers: one sequence per column, all of one length; rows: customer_id to its index in them;
    by_spending: indices of each segment's customers, biggest spenders first; by_state: the same of each segment and
    state; unusual: indices of the anomalies, most unusual first. gap: the shop's usual days between two orders.
    movement, evidence, forward, forecast: what the training's files of these names say, None where there is none. A
    version from before there were states has no by_state, gap, evidence and forward. registered: when the version came
    into the registry, in seconds since 1970. by_hand: what to say when nobody but a person, past the gate, made it
    champion. all_customers: the same as customers, ready for lists; months, past_segments: what each did before, None
    where the training did not keep it; distances: None of a model that does not say where its centres are. taken_out:
    how many customers were taken out of the tables since; what the files say is then counted anew, see `recounts`.
    """

    version: int
    as_of: str
    data: str
    summary: Mapping[str, Any]
    profiles: Sequence[Mapping[str, Any]]
    customers: Mapping[str, Sequence[Any]]
    rows: Mapping[str, int]
    by_spending: Mapping[int, np.ndarray]
    unusual: np.ndarray
    all_customers: CustomerTable
    scorer: Scorer
    distances: Distances | None = None
    months: Months | None = None
    past_segments: PastSegments | None = None
    movement: Mapping[str, Any] | None = None
    evidence: Mapping[str, Any] | None = None
    forward: Mapping[str, Any] | None = None
    forecast: Mapping[str, Any] | None = None
    by_state: Mapping[tuple[int, str], np.ndarray] = field(default_factory=dict)
    gap: float | None = None
    registered: float = 0.0
    by_hand: str | None = None
    taken_out: int = 0
    _answers: dict[str, bytes] = field(default_factory=dict, repr=False)
    _results: dict[Callable[[Snapshot], Any], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        version: int,
        customers: pd.DataFrame,
        profiles: Sequence[Mapping[str, Any]],
        summary: Mapping[str, Any],
        scorer: Scorer,
        movement: Mapping[str, Any] | None = None,
        evidence: Mapping[str, Any] | None = None,
        forward: Mapping[str, Any] | None = None,
        gap: float | None = None,
        registered: float = 0.0,
        by_hand: str | None = None,
        forecast: Mapping[str, Any] | None = None,
        moves: pd.DataFrame | None = None,
        distances: Distances | None = None,
        months: Months | None = None,
        past_segments: PastSegments | None = None,
    ) -> Snapshot:
        """The snapshot of a version from its scored customers (one row each) and what its training's files say."""
        files = recounted(TrainingFiles(profiles, summary, movement, evidence, forecast), customers, moves)
        segment = customers["segment"].to_numpy()
        spent = customers["Monetary"].to_numpy()
        score = customers["anomaly_score"].to_numpy()
        biggest = np.argsort(-spent, kind="stable")
        anomalies = np.flatnonzero(customers["is_anomaly"].to_numpy())
        columns = {
            name: _column(name, customers[name]) for name in (*ROW, "pca_1", "pca_2") if name in customers
        }
        by_spending = {
            int(profile["segment"]): biggest[segment[biggest] == profile["segment"]] for profile in profiles
        }
        return cls(
            version=version,
            as_of=str(summary["as_of"]),
            data=str(summary["data"]),
            summary=_finite(files.summary),
            profiles=_finite(files.profiles),
            customers=columns,
            rows={customer: index for index, customer in enumerate(columns["customer_id"])},
            by_spending=by_spending,
            by_state=_by_state(by_spending, customers["state"].to_numpy()) if "state" in customers else {},
            unusual=anomalies[np.argsort(-score[anomalies], kind="stable")],
            all_customers=customer_table(version, customers, profiles, files.summary, forecast, moves),
            scorer=scorer,
            distances=distances,
            months=months,
            past_segments=past_segments,
            movement=_finite(files.movement),
            evidence=_finite(files.evidence),
            forward=_finite(forward),
            forecast=_finite(files.forecast),
            gap=_finite(gap),
            registered=registered,
            by_hand=by_hand,
            taken_out=files.taken_out,
        )

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, index: int) -> dict[str, Any]:
        """One customer's row, as plain Python values."""
        row = {}
        for name in ROW:
            if (column := self.customers.get(name)) is not None:
                value = column[index]
                row[name] = value.item() if isinstance(value, np.generic) else value
        return row

    def table(self, indices: np.ndarray) -> list[dict[str, Any]]:
        """Many customers' rows; the same as `row` of each, column by column and so much faster."""
        names = [name for name in ROW if name in self.customers]
        columns = []
        for name in names:
            column = self.customers[name]
            columns.append(
                column[indices].tolist()
                if isinstance(column, np.ndarray)
                else [column[index] for index in indices.tolist()]
            )
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def once(self, query: Callable[[Snapshot], Result]) -> Result:
        """What a query that asks nothing but the snapshot gives; worked out once."""
        if query not in self._results:
            self._results[query] = query(self)
        return cast("Result", self._results[query])

    def answer(self, query: Callable[[Snapshot], object]) -> bytes:
        """The JSON of a query that asks nothing but the snapshot; worked out once."""
        text = self._answers.get(query.__name__)
        if text is None:
            text = self._answers[query.__name__] = as_json(query(self))
        return text


def _by_state(by_spending: Mapping[int, np.ndarray], state: np.ndarray) -> dict[tuple[int, str], np.ndarray]:
    """Indices of the customers of each segment and state, in the order of `by_spending`."""
    return {
        (segment, name): own[state[own] == name] for segment, own in by_spending.items() for name in STATES
    }


def _column(name: str, values: pd.Series) -> Sequence[Any]:
    """A column without anything JSON cannot say; equal texts are one object."""
    if values.dtype.kind not in "biuf":
        shared: dict[object, object] = {}
        missing = values.isna().to_numpy()
        texts = values.to_numpy(dtype=object)
        return [
            None if gone else shared.setdefault(text, text) for text, gone in zip(texts, missing, strict=True)
        ]
    numbers = values.to_numpy()
    if numbers.dtype.kind == "f":
        finite = np.isfinite(numbers)
        if not finite.all():
            return [value if math.isfinite(value) else None for value in numbers.tolist()]
        if name in WHOLE and (numbers == np.rint(numbers)).all():
            return numbers.astype(np.int64)
    return numbers


def _finite(value: Any) -> Any:
    """The same lists and mappings with None for what is not a finite number."""
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
