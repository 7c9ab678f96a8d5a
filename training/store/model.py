"""The registered model: it takes the metrics of customers, and gives segment, anomaly flag and reason.

MLflow ships this file itself ("models from code") with one artifact, `segmenter.skops`, and runs it
wherever the model is served. It must therefore import nothing of this project.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

UNUSUAL_FROM_DEVIATIONS = 2.0  # standard deviations from the mean, in the log space
PROBLEMS_NAMED = 5
MIN_ROWS_PER_THREAD = 5_000  # with fewer rows, starting a thread takes longer than its work
MAX_ROWS_PER_THREAD = 131_072
SORTED_FROM_ROWS = 5_000  # with fewer rows, sorting them takes longer than it saves
LEAF_SAMPLES = 24  # core samples in a leaf of the tree: the fastest of 6 to 32 for customers of another day

Texts: TypeAlias = NDArray[np.object_] | ExtensionArray
Columns: TypeAlias = dict[str, NDArray[np.float64] | NDArray[np.int64] | NDArray[np.bool_] | Texts]


class Placement(NamedTuple):
    """Where customers lie, (n,) each: segment, distance to its centre, and the nearest core sample."""

    segment: NDArray[np.int64]
    distance: NDArray[np.float64]
    core_distance: NDArray[np.float64]
    core_sample: NDArray[np.intp]


class SegmentModel(PythonModel):
    """Scaler, KMeans and DBSCAN in one.

    `segmenter.skops` holds: features (the input columns), columns (indices of those used for
    distances), scaler (StandardScaler on log1p), kmeans (KMeans, centres in segment order), dbscan
    (eps, min_samples, core_samples), names (one per segment) and typical (median of each feature).
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the artifact. It holds no code, so skops needs to trust no type of it."""
        import skops.io

        fitted = skops.io.load(context.artifacts["segmenter"])
        self.features: list[str] = fitted["features"]
        self.columns: NDArray[np.intp] = np.asarray(fitted["columns"])
        self.mean: NDArray[np.float64] = fitted["scaler"].mean_
        self.scale: NDArray[np.float64] = fitted["scaler"].scale_
        self.centres: NDArray[np.float64] = fitted["kmeans"].cluster_centers_
        self.eps: float = fitted["dbscan"]["eps"]
        self.core_samples: NDArray[np.float64] = fitted["dbscan"]["core_samples"]
        self.core_tree = cKDTree(self.core_samples, leafsize=LEAF_SAMPLES)
        self.names: list[str] = list(fitted["names"])
        # Most calls have no anomaly: their texts are the names, and the empty reason.
        self.texts: dict[Callable[[list[str]], Texts], Texts] = {
            text_array: text_array([*self.names, ""]) for text_array in (_object_array, _string_array)
        }
        self.typical: NDArray[np.float64] = np.asarray(fitted["typical"])

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """(n, 5) metrics to n rows: segment, segment_name, is_anomaly, anomaly_score, anomaly_reason, distance.

        anomaly_score is the distance to the nearest core sample in units of eps: a customer above 1 is an
        anomaly. distance is the Euclidean distance to the segment's centre in the standardised space.

        Raises MlflowException (HTTP 400) that names row and column when a value cannot be a customer's.
        """
        return pd.DataFrame(self._columns(self._values(model_input), _string_array), copy=False)

    def answers(self, values: NDArray[np.float64]) -> Columns:
        """The columns of `predict` for `values` (n, 5) in the order of `features`, computed without pandas.

        Raises MlflowException as `predict` does.
        """
        return self._columns(values, _object_array)

    def _columns(self, values: NDArray[np.float64], text_array: Callable[[list[str]], Texts]) -> Columns:
        self._check(values)
        placement = self._placement(values)
        is_anomaly = placement.core_distance > self.eps
        texts = self.texts[text_array]  # the names, then the empty reason, then the reasons
        reason = np.full(len(values), len(self.names))
        if is_anomaly.any():
            anomalies = values[is_anomaly]
            points = self._points(anomalies)
            core_samples = self.core_samples[placement.core_sample[is_anomaly]]
            reasons = self._reasons(anomalies, points, points - core_samples)
            texts = text_array([*self.names, "", *reasons])
            reason[is_anomaly] += np.arange(1, len(reasons) + 1)
        return {
            "segment": placement.segment,
            "segment_name": texts.take(placement.segment),
            "is_anomaly": is_anomaly,
            "anomaly_score": placement.core_distance / self.eps,
            "anomaly_reason": texts.take(reason),
            "distance": placement.distance,
        }

    def _points(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 5) metrics to (n, d) points of the standardised space."""
        return (np.log1p(values.take(self.columns, axis=1)) - self.mean) / self.scale

    def _placement(self, values: NDArray[np.float64]) -> Placement:
        """(n, 5) metrics to where they lie; many rows are shared out among threads."""
        if len(values) < 2 * MIN_ROWS_PER_THREAD:
            return self._placement_of_part(values)
        cores = os.cpu_count() or 1
        parts = max(min(cores, len(values) // MIN_ROWS_PER_THREAD), len(values) // MAX_ROWS_PER_THREAD)
        with ThreadPoolExecutor(cores) as threads:
            placements = threads.map(self._placement_of_part, np.array_split(values, parts))
            return Placement(*(np.concatenate(column) for column in zip(*placements, strict=True)))

    def _placement_of_part(self, values: NDArray[np.float64]) -> Placement:
        points = self._points(values)
        distances = cdist(self.centres, points)  # (k, n): numpy finds the least faster along the first axis
        segment = distances.argmin(axis=0).astype(np.int64, copy=False)
        return Placement(segment, distances.min(axis=0), *self._nearest_core_samples(points))

    def _nearest_core_samples(
        self, points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """(n,) distance to the nearest core sample, and its index.

        Many points are sorted by their cell first: neighbours then use the same branch of the tree, which is
        still in the processor's cache.
        """
        if len(points) < SORTED_FROM_ROWS:
            distance, index = self.core_tree.query(points)
            return distance, index
        order = self._cells(points).argsort(kind="stable")
        distance, index = np.empty(len(points)), np.empty(len(points), dtype=np.intp)
        distance[order], index[order] = self.core_tree.query(points.take(order, axis=0))
        return distance, index

    def _cells(self, points: NDArray[np.float64]) -> NDArray[np.uint16]:
        """(n,) the cell of a grid over the core samples: 2**15 or 2**16 cells, small enough for a radix sort."""
        side = 2 ** (16 // points.shape[1])
        cells = np.zeros(len(points), dtype=np.uint16)
        for column, low, high in zip(points.T, self.core_tree.mins, self.core_tree.maxes, strict=True):
            coordinate = (column - low) * (side / max(high - low, 1e-9))
            cells = cells * np.uint16(side) + coordinate.clip(0, side - 1).astype(np.uint16)
        return cells

    def _reasons(
        self, values: NDArray[np.float64], points: NDArray[np.float64], differences: NDArray[np.float64]
    ) -> list[str]:
        """One reason per anomaly, from its metrics, its point, and its difference to the nearest core sample.

        The reason is its most extreme feature, if that is extreme enough, else the feature that differs most.
        """
        rows = np.arange(len(points))
        extreme_column = np.abs(points).argmax(axis=1)
        differing_column = np.abs(differences).argmax(axis=1)
        columns = (
            extreme_column,
            points[rows, extreme_column],
            values[rows, self.columns[extreme_column]],
            differing_column,
            differences[rows, differing_column],
        )
        typical = [_number_text(value) for value in self.typical]
        names = [self.features[column] for column in self.columns]
        return [
            f"{names[extreme]} unusually {'high' if deviations > 0 else 'low'}: {_number_text(value)} "
            f"(typical {typical[self.columns[extreme]]})"
            if abs(deviations) >= UNUSUAL_FROM_DEVIATIONS
            else f"unusual combination: {names[differing]} {'high' if difference > 0 else 'low'} "
            "for otherwise similar customers"
            for extreme, deviations, value, differing, difference in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]

    def _values(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """(n, 5) the features of a frame, in their order; other columns are left out."""
        if list(frame.columns) != self.features:
            missing = [name for name in self.features if name not in frame.columns]
            if missing:
                columns = ", ".join(map(str, frame.columns))
                raise _refusal(f"Missing column {', '.join(missing)}. Found: {columns}.")
            frame = frame[self.features]
        try:
            values: NDArray[np.float64] = frame.to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise _refusal(f"Not a number: {error}.") from None
        return values

    def _check(self, values: NDArray[np.float64]) -> None:
        if not len(values):
            raise _refusal("No rows were given. Expected at least one customer.")
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
        count = sum(int(broken.sum()) for _, broken, _ in rules)
        more = f" And {count - PROBLEMS_NAMED} more." if count > PROBLEMS_NAMED else ""
        raise _refusal(" ".join(text for _, text in sorted(problems)[:PROBLEMS_NAMED]) + more)


def _object_array(texts: list[str]) -> NDArray[np.object_]:
    return np.array(texts, dtype=object)


def _string_array(texts: list[str]) -> ExtensionArray:
    """Texts in the type that a frame gives them, so that pandas need not look at every row for their type."""
    return pd.Series(texts).array


def _number_text(value: float) -> str:
    if value >= 1e12:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def _refusal(problem: str) -> MlflowException:
    return MlflowException(
        f"{problem} Send every row with Recency, Frequency, Monetary, AverageOrderValue and Tenure as "
        "numbers; rows are counted from 0. No row was scored.",
        error_code=INVALID_PARAMETER_VALUE,
    )


set_model(SegmentModel())
