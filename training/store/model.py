"""The registered model: customer metrics in; segment, anomaly flag and reason out.

MLflow ships this file itself ("models from code") with one artifact, `segmenter.skops`, and runs it
wherever the model is served. It must therefore import nothing of this project.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

STATES = ("one-time", "active", "due", "late")
SPAN = "Span"  # days from the first to the last order
STATE_FEATURES = ("Recency", "Frequency", "Tenure")
PRIOR_ORDERS = 2.0  # gaps of the shop's median that each customer's own gaps are averaged with
UNUSUAL = 2.0  # standard deviations from the mean, in the log space, that make one feature remarkable
PROBLEMS_NAMED = 5
MANY = 5_000  # rows from which a thread of their own, and an order, pay
PART = 131_072  # rows that a thread places at a time
LEAF = 24  # core samples in a leaf of the tree: the fastest of 6 to 32 where customers are new

Texts = Callable[[list[str]], Any]  # an array of texts, with `take`


class SegmentModel(PythonModel):
    """Scaler, KMeans and DBSCAN in one.

    `segmenter.skops` holds: features (the input columns); columns (indices of those used for distances); scaler
    (StandardScaler on their log1p) and weights (what each counts in k-means' distances); kmeans (KMeans, centres in
    segment order and in the weighted space); span and density_scaler (DBSCAN's space: the difference of the two
    features of `span` in the place of the first, and its own StandardScaler); dbscan (eps, min_samples,
    core_samples); names (one per segment); typical (median of each feature); gap (the shop's median days between two
    orders, nan where nobody came back).
    """

    def load_context(self, context: Any) -> None:
        """Read the artifact; it holds no code, so no type needs to be trusted."""
        import skops.io

        fitted = skops.io.load(context.artifacts["segmenter"])
        self.features: list[str] = fitted["features"]
        self.columns: NDArray[np.intp] = np.asarray(fitted["columns"])
        self.mean: NDArray[np.float64] = fitted["scaler"].mean_
        self.scale: NDArray[np.float64] = fitted["scaler"].scale_
        self.weights: NDArray[np.float64] = fitted["weights"]
        self.density_mean: NDArray[np.float64] = fitted["density_scaler"].mean_
        self.density_scale: NDArray[np.float64] = fitted["density_scaler"].scale_
        span = fitted["span"]
        self.span: list[int] | None = span if span and set(span) <= set(self.columns.tolist()) else None
        self.centres: NDArray[np.float64] = fitted["kmeans"].cluster_centers_
        self.gap: float = fitted["gap"]
        self.eps: float = fitted["dbscan"]["eps"]
        self.core_samples: NDArray[np.float64] = fitted["dbscan"]["core_samples"]
        self.core_tree = cKDTree(self.core_samples, leafsize=LEAF)
        self.names: list[str] = list(fitted["names"])
        self.texts: dict[Texts, Any] = {kind: kind([*self.names, ""]) for kind in (_objects, _strings)}
        self.states: dict[Texts, Any] = {kind: kind(list(STATES)) for kind in (_objects, _strings)}
        typical = np.asarray(fitted["typical"])
        self.typical: NDArray[np.float64] = self._density_values(typical[None])[0]
        names = [self.features[column] for column in self.columns]
        self.density_names = [
            SPAN if self.span and name == self.features[self.span[0]] else name for name in names
        ]

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """(n, 5) metrics to n rows: segment, segment_name, state, is_anomaly, anomaly_score, anomaly_reason, distance.

        anomaly_score is the distance to the nearest core sample in units of eps: above 1 is an
        anomaly. distance is the Euclidean distance to the segment's centre in the weighted space.
        state says where the customer stands between two orders: one-time, active, due or late.

        Raises MlflowException (HTTP 400) that names row and column when a value cannot be a customer's.
        """
        return pd.DataFrame(self._answers(self._numbers(model_input), _strings), copy=False)

    def answers(self, values: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """The columns of `predict` for `values` (n, 5) in the order of `features`, without pandas on the way.

        Raises MlflowException as `predict` does.
        """
        return self._answers(values, _objects)

    def _answers(self, values: NDArray[np.float64], kind: Texts) -> dict[str, Any]:
        self._check(values)
        segment, distance, gap, nearest = self._placed(values)
        is_anomaly = gap > self.eps
        texts = self.texts[kind]  # the names, then no reason, then the reasons
        said = np.full(len(values), len(self.names))
        if is_anomaly.any():
            unusual = values[is_anomaly]
            points = (np.log1p(self._density_values(unusual)) - self.density_mean) / self.density_scale
            reasons = self._reasons(
                self._density_values(unusual), points, points - self.core_samples[nearest[is_anomaly]]
            )
            texts = kind([*self.names, "", *reasons])
            said[is_anomaly] += np.arange(1, len(reasons) + 1)
        return {
            "segment": segment,
            "segment_name": texts.take(segment),
            "state": self.states[kind].take(self._state(values)),
            "is_anomaly": is_anomaly,
            "anomaly_score": gap / self.eps,
            "anomaly_reason": texts.take(said),
            "distance": distance,
        }

    def _state(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """(n, 5) metrics to (n,) indices of STATES, by the customer's own gap between two orders.

        The own gap is the mean of the days between the customer's orders and of PRIOR_ORDERS gaps of the shop's.
        """
        recency, frequency, tenure = (values[:, self.features.index(name)] for name in STATE_FEATURES)
        prior = 0.0 if self.gap != self.gap else PRIOR_ORDERS  # nan: nobody in the shop came back
        days = tenure - recency + (prior and prior * self.gap)
        gap = days / np.maximum(frequency - 1 + prior, 1.0)
        since = 1 + (recency > gap).astype(np.intp) + (recency > 2 * gap)
        return np.where((frequency >= 2) & (tenure > recency), since, 0)

    def _density_values(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 5) metrics to (n, d) what DBSCAN's space is made of."""
        used = values.take(self.columns, axis=1)
        if self.span:
            later, earlier = self.span
            used[:, self.columns.tolist().index(later)] = values[:, later] - values[:, earlier]
        return used

    def _placed(self, values: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
        """(n, 5) to (n,) each: segment, distance to its centre, distance to the nearest core sample, its index."""
        if len(values) < 2 * MANY:
            return self._place(values)
        cores = os.cpu_count() or 1
        parts = max(min(cores, len(values) // MANY), len(values) // PART)
        with ThreadPoolExecutor(cores) as threads:
            found = threads.map(self._place, np.array_split(values, parts))
            return tuple(np.concatenate(column) for column in zip(*found, strict=True))

    def _place(self, values: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
        logs = np.log1p(values.take(self.columns, axis=1))
        points = (logs - self.mean) / self.scale * self.weights
        to_centres = cdist(self.centres, points)  # so that the least is found along the longer axis
        segment = to_centres.argmin(axis=0)
        if self.span:
            later, earlier = self.span
            logs[:, self.columns.tolist().index(later)] = np.log1p(values[:, later] - values[:, earlier])
        points = (logs - self.density_mean) / self.density_scale
        return segment.astype(np.int64, copy=False), to_centres.min(axis=0), *self._nearest_core(points)

    def _nearest_core(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """(n,) distances and indices; many points are asked for by place, so that the tree's branch is in the cache."""
        if len(points) < MANY:
            return self.core_tree.query(points)
        order = self._cell(points).argsort(kind="stable")
        gap, nearest = np.empty(len(points)), np.empty(len(points), dtype=np.intp)
        gap[order], nearest[order] = self.core_tree.query(points.take(order, axis=0))
        return gap, nearest

    def _cell(self, points: NDArray[np.float64]) -> NDArray[np.uint16]:
        """(n,) the cell of a grid over the core samples: 2**15 or 2**16 cells, small enough for a radix sort."""
        least, most = self.core_tree.mins, self.core_tree.maxes
        side = 2 ** (16 // points.shape[1])
        cell = np.zeros(len(points), dtype=np.uint16)
        for column, low, high in zip(points.T, least, most, strict=True):
            along = (column - low) * (side / max(high - low, 1e-9))
            cell = cell * np.uint16(side) + along.clip(0, side - 1).astype(np.uint16)
        return cell

    def _reasons(
        self, values: NDArray[np.float64], points: NDArray[np.float64], unlike: NDArray[np.float64]
    ) -> list[str]:
        """One reason per row: from what DBSCAN sees of it, its point there, and its difference to the nearest core."""
        here = np.arange(len(points))
        most = np.abs(points).argmax(axis=1)
        extreme = points[here, most]
        difference = np.abs(unlike).argmax(axis=1)
        stands_out = unlike[here, difference]
        typical = [_plain(value) for value in self.typical]
        names = self.density_names
        given = values[here, most]
        return [
            f"{names[first]} unusually {'high' if far > 0 else 'low'}: {_plain(value)} "
            f"(typical {typical[first]})"
            if abs(far) >= UNUSUAL
            else f"unusual combination: {names[second]} {'high' if other > 0 else 'low'} "
            "for otherwise similar customers"
            for first, far, value, second, other in zip(
                *(column.tolist() for column in (most, extreme, given, difference, stands_out)), strict=True
            )
        ]

    def _numbers(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        if list(frame.columns) != self.features:
            frame = self._chosen(frame)
        try:
            return frame.to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise _bad(f"Not a number: {error}.") from None

    def _chosen(self, frame: pd.DataFrame) -> pd.DataFrame:
        missing = [name for name in self.features if name not in frame.columns]
        if missing:
            raise _bad(f"Missing column {', '.join(missing)}. Found: {', '.join(map(str, frame.columns))}.")
        return frame[self.features]

    def _check(self, values: NDArray[np.float64]) -> None:
        if not len(values):
            raise _bad("No rows were given. Expected at least one customer.")
        column = dict(zip(self.features, values.T, strict=True))
        possible = (values >= 0) & (values < np.inf)  # nan is neither
        if (
            possible.all()
            and (column["Frequency"] >= 1).all()
            and (column["Recency"] <= column["Tenure"]).all()
        ):
            return
        rules = [(name, ~np.isfinite(column[name]), "a finite number") for name in self.features]
        if not any(broken.any() for _, broken, _ in rules):
            rules = [(name, column[name] < 0, "at least 0") for name in self.features]
            rules.append(
                ("Frequency", (column["Frequency"] >= 0) & (column["Frequency"] < 1), "at least 1 order")
            )
            rules.append(("Recency", column["Recency"] > column["Tenure"], "at most Tenure"))
        problems = [
            (row, f"Row {row}, column {name}: given {column[name][row]:g}, expected {expected}.")
            for name, broken, expected in rules
            for row in np.flatnonzero(broken)[:PROBLEMS_NAMED]
        ]
        found = sum(int(broken.sum()) for _, broken, _ in rules)
        more = f" And {found - PROBLEMS_NAMED} more." if found > PROBLEMS_NAMED else ""
        raise _bad(" ".join(text for _, text in sorted(problems)[:PROBLEMS_NAMED]) + more)


def _objects(texts: list[str]) -> NDArray[Any]:
    return np.array(texts, dtype=object)


def _strings(texts: list[str]) -> Any:
    """The type that a frame gives text. To take from it is far cheaper than to find the type for every row."""
    return pd.Series(texts).array


def _plain(value: float) -> str:
    if value >= 1e12:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def _bad(what: str) -> MlflowException:
    return MlflowException(
        f"{what} Send every row with Recency, Frequency, Monetary, AverageOrderValue and Tenure as "
        "numbers; rows are counted from 0. No row was scored.",
        error_code=INVALID_PARAMETER_VALUE,
    )


set_model(SegmentModel())
