"""The registered model: it takes the metrics of customers, and gives segment, anomaly flag and reason.

MLflow ships this file itself ("models from code") with two artifacts, `segmenter.skops` and the formula of the forecast
as text, and runs it wherever the model is served. It must therefore import nothing of this project.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from math import sqrt
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

STATES = ("one-time", "active", "due", "late")
FEATURES = ("Recency", "Frequency", "Monetary", "AverageOrderValue", "Tenure")
STATE_FEATURES = ("Recency", "Frequency", "Tenure")
PRIOR_ORDERS = 2.0  # gaps of the shop's median that each customer's own gaps are averaged with
SPAN = "Span"  # days from the first to the last order
QUOTIENT = "AverageOrderValue"  # Monetary / Frequency, and so it may be left out
QUOTIENT_TOLERANCE = 0.01  # share by which it may be off, and money, because shops round to cents
UNUSUAL_FROM_DEVIATIONS = 2.0  # standard deviations from the mean, in the log space
PROBLEMS_NAMED = 5
COLUMNS_NAMED = 5
SHOWN_CHARACTERS = 40
MIN_ROWS_PER_THREAD = 5_000  # with fewer rows, starting a thread takes longer than its work
MAX_ROWS_PER_THREAD = 131_072
SORTED_FROM_ROWS = 5_000  # with fewer rows, sorting them takes longer than it saves
FORECAST_COLUMNS = ("expected_orders", "expected_spend", "spend_low", "spend_high", "likely_to_buy")
LEAF_SAMPLES = 24  # core samples in a leaf of the tree: the fastest of 6 to 32 for customers of another day

Texts: TypeAlias = NDArray[np.object_] | ExtensionArray
Columns: TypeAlias = dict[str, NDArray[np.float64] | NDArray[np.int64] | NDArray[np.bool_] | Texts]

Row: TypeAlias = dict[str, float | str | None]


class Placement(NamedTuple):
    """Where customers lie, (n,) each: segment, distance to its centre, and the nearest core sample."""

    segment: NDArray[np.int64]
    distance: NDArray[np.float64]
    core_distance: NDArray[np.float64]
    core_sample: NDArray[np.intp]


class SpacesOfOne(NamedTuple):
    """The spaces of k-means and DBSCAN as Python's numbers, for one customer.

    columns: indices of the features; scales, one per column: mean, scale and weight of k-means' space, mean and scale
    of DBSCAN's; centres: of k-means.
    """

    columns: list[int]
    scales: list[tuple[float, ...]]
    centres: list[list[float]]


class Formula(Protocol):
    """What the artifact `forecast_formula` calls a Scorer."""

    def score(self, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """(n, 5) metrics to (n,) each of FORECAST_COLUMNS."""

    def score_one(self, values: NDArray[np.float64]) -> dict[str, float]:
        """(1, 5) metrics to FORECAST_COLUMNS."""


class UncheckedInputs(Model):
    """An MLmodel in memory that lets every type of input pass: `predict` checks the values itself, in words.

    MLflow's own check of double columns refuses whole numbers before the model sees them. The signature stays as it
    is in the file and in `metadata.signature`; only MLflow's question before each call gets another answer.
    """

    def get_input_schema(self) -> None:
        """No schema, so nothing that MLflow would check."""
        return


class SegmentModel(PythonModel):
    """Scaler, KMeans and DBSCAN in one.

    `segmenter.skops` holds: features (the input columns); columns (indices of those used for distances); scaler
    (StandardScaler on their log1p) and weights (what each counts in k-means' distances); kmeans (KMeans, centres in
    segment order and in the weighted space); span and density_scaler (DBSCAN's space: the difference of the two
    features of `span` in the place of the first, and its own StandardScaler); dbscan (eps, min_samples,
    core_samples); names (one per segment); typical (median of each feature); gap (the shop's median days between two
    orders, nan where nobody came back); forecast (the numbers of the formula, None where the shop cannot carry one).
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Read the artifact. It holds no code, so skops needs to trust no type of it."""
        import skops.io

        _skip_type_check()
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
        self.gap: float = fitted["gap"]
        self.formula = _formula(context.artifacts, fitted.get("forecast"))
        self.centres: NDArray[np.float64] = fitted["kmeans"].cluster_centers_
        self.eps: float = fitted["dbscan"]["eps"]
        self.core_samples: NDArray[np.float64] = fitted["dbscan"]["core_samples"]
        self.core_tree = cKDTree(self.core_samples, leafsize=LEAF_SAMPLES)
        self.names: list[str] = list(fitted["names"])
        # Most calls have no anomaly: their texts are the names, and the empty reason.
        self.texts: dict[Callable[[list[str]], Texts], Texts] = {
            text_array: text_array([*self.names, ""]) for text_array in (_object_array, _string_array)
        }
        self.states: dict[Callable[[list[str]], Texts], Texts] = {
            text_array: text_array(list(STATES)) for text_array in (_object_array, _string_array)
        }
        self.texts_of_one: dict[Callable[[list[str]], Texts], dict[str, Texts]] = {
            text_array: {text: text_array([text]) for text in (*self.names, *STATES, "")}
            for text_array in (_object_array, _string_array)
        }
        self.typical: NDArray[np.float64] = self._density_values(np.asarray(fitted["typical"])[None])[0]
        self.spaces_of_one = self._spaces_of_one()
        names = [self.features[column] for column in self.columns]
        spanned = self.features[self.span[0]] if self.span else ""
        self.density_names = [SPAN if name == spanned else name for name in names]

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """(n, 5) metrics to n rows: segment, segment_name, state, is_anomaly, anomaly_score, anomaly_reason, distance,
        expected_orders, expected_spend, spend_low, spend_high, likely_to_buy.

        model_input: a frame, a list of customers as mappings, or a mapping of columns or of one customer; any
        kind of number. AverageOrderValue may be left out. The answer has the index of a frame.

        anomaly_score is the distance to the nearest core sample in units of eps: a customer above 1 is an
        anomaly. distance is the Euclidean distance to the segment's centre in the weighted space.
        state says where the customer stands between two orders: one-time, active, due or late.
        The last five say what to expect in the days of the forecast; where the shop cannot carry one they are None,
        and the model's metadata say why.

        Raises MlflowException (HTTP 400) that names row and column when a value cannot be a customer's.
        """
        frame = self._frame(model_input)
        columns = self._columns(self._values(frame), _string_array)
        return pd.DataFrame(columns, index=frame.index, copy=False)

    def answers(self, values: NDArray[np.float64]) -> Columns:
        """The columns of `predict` for `values` (n, 5) in the order of `features`, computed without pandas.

        Raises MlflowException as `predict` does.
        """
        return self._columns(values, _object_array)

    def _columns(self, values: NDArray[np.float64], text_array: Callable[[list[str]], Texts]) -> Columns:
        if len(values) == 1 and (row := self.row(values)):
            one = self.texts_of_one[text_array]
            return {
                name: one[cell].copy() if isinstance(cell, str) else np.array([cell])
                for name, cell in row.items()
            }
        self._check(values)
        placement = self._placement(values)
        is_anomaly = placement.core_distance > self.eps
        texts = self.texts[text_array]  # the names, then the empty reason, then the reasons
        reason = np.full(len(values), len(self.names))
        if is_anomaly.any():
            anomalies = values[is_anomaly]
            seen = self._density_values(anomalies)
            points = (np.log1p(seen) - self.density_mean) / self.density_scale
            core_samples = self.core_samples[placement.core_sample[is_anomaly]]
            reasons = self._reasons(seen, points, points - core_samples)
            texts = text_array([*self.names, "", *reasons])
            reason[is_anomaly] += np.arange(1, len(reasons) + 1)
        return {
            "segment": placement.segment,
            "segment_name": texts.take(placement.segment),
            "state": self.states[text_array].take(self._state(values)),
            "is_anomaly": is_anomaly,
            "anomaly_score": placement.core_distance / self.eps,
            "anomaly_reason": texts.take(reason),
            "distance": placement.distance,
            **self._forecast(values),
        }

    def row(self, values: NDArray[np.float64]) -> Row | None:
        """The answer for one ordinary customer (1, 5), the same to the last bit; None for an anomaly and a bad row.

        It calculates with Python's numbers: in a server that has done other things since the last request, each
        different function of numpy takes longer to be fetched into the processor's cache than all of this.
        """
        numbers = values[0].tolist()
        customer = dict(zip(self.features, numbers, strict=True))
        if not _is_possible(customer):
            return None
        point, density_point = self._points_of_one(numbers)
        core_distance, _ = self.core_tree.query(density_point)
        if core_distance > self.eps:
            return None
        distances = [_distance(centre, point) for centre in self.spaces_of_one.centres]
        distance = min(distances)
        segment = distances.index(distance)
        return {
            "segment": segment,
            "segment_name": self.names[segment],
            "state": STATES[self._state_of_one(customer)],
            "is_anomaly": False,
            "anomaly_score": core_distance / self.eps,
            "anomaly_reason": "",
            "distance": distance,
            **(self.formula.score_one(values) if self.formula else dict.fromkeys(FORECAST_COLUMNS)),
        }

    def _spaces_of_one(self) -> SpacesOfOne:
        """The two spaces as Python's numbers."""
        spaces = (self.mean, self.scale, self.weights, self.density_mean, self.density_scale)
        return SpacesOfOne(
            self.columns.tolist(),
            list(zip(*(space.tolist() for space in spaces), strict=True)),
            self.centres.tolist(),
        )

    def _points_of_one(self, numbers: Sequence[float]) -> tuple[list[float], list[float]]:
        """A customer's five numbers to the point in k-means' space, and in DBSCAN's."""
        columns, scales, _ = self.spaces_of_one
        later, earlier = self.span or (0, 0)
        logs = np.log1p(
            [*(numbers[column] for column in columns), numbers[later] - numbers[earlier]]
        ).tolist()
        span = logs.pop()
        point, density_point = [], []
        for column, log, (mean, scale, weight, density_mean, density_scale) in zip(
            columns, logs, scales, strict=True
        ):
            point.append((log - mean) / scale * weight)
            seen = span if self.span and column == later else log
            density_point.append((seen - density_mean) / density_scale)
        return point, density_point

    def _state_of_one(self, customer: Mapping[str, float]) -> int:
        """`_state` of one customer."""
        recency, frequency, tenure = (customer[name] for name in STATE_FEATURES)
        if frequency < 2 or tenure <= recency:
            return 0
        known = self.gap == self.gap  # it is nan where nobody came back
        prior = PRIOR_ORDERS if known else 0.0
        gap = (tenure - recency + (prior * self.gap if known else 0.0)) / max(frequency - 1 + prior, 1.0)
        return 1 + (recency > gap) + (recency > 2 * gap)

    def _forecast(self, values: NDArray[np.float64]) -> Columns:
        """(n, 5) metrics to (n,) each of FORECAST_COLUMNS, all None without a forecast: JSON has no nan."""
        if self.formula is None:
            return {name: np.full(len(values), None, dtype=object) for name in FORECAST_COLUMNS}
        return {**self.formula.score(values)}

    def _state(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """(n, 5) metrics to (n,) indices of STATES, by the customer's own gap between two orders.

        The own gap is the mean of the days between the customer's orders and of PRIOR_ORDERS gaps of the shop's.
        """
        recency, frequency, tenure = (values[:, self.features.index(name)] for name in STATE_FEATURES)
        known = not np.isnan(self.gap)
        prior = PRIOR_ORDERS if known else 0.0
        days = tenure - recency + (prior * self.gap if known else 0.0)
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
        logs = np.log1p(values.take(self.columns, axis=1))
        points = (logs - self.mean) / self.scale * self.weights
        distances = cdist(self.centres, points)  # (k, n): numpy finds the least faster along the first axis
        segment = distances.argmin(axis=0).astype(np.int64, copy=False)
        if self.span:
            later, earlier = self.span
            logs[:, self.columns.tolist().index(later)] = np.log1p(values[:, later] - values[:, earlier])
        points = (logs - self.density_mean) / self.density_scale
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
        """One reason per anomaly, from what DBSCAN sees, its point, and how it differs from the nearest core sample.


        The reason is its most extreme feature, if that is extreme enough, else the feature that differs most.
        """
        rows = np.arange(len(points))
        extreme_column = np.abs(points).argmax(axis=1)
        differing_column = np.abs(differences).argmax(axis=1)
        columns = (
            extreme_column,
            points[rows, extreme_column],
            values[rows, extreme_column],
            differing_column,
            differences[rows, differing_column],
        )
        typical = [_number_text(value) for value in self.typical]
        names = self.density_names
        return [
            f"{names[extreme]} unusually {'high' if deviations > 0 else 'low'}: {_number_text(value)} "
            f"(typical {typical[extreme]})"
            if abs(deviations) >= UNUSUAL_FROM_DEVIATIONS
            else f"unusual combination: {names[differing]} {'high' if difference > 0 else 'low'} "
            "for otherwise similar customers"
            for extreme, deviations, value, differing, difference in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]

    def _frame(self, rows: object) -> pd.DataFrame:
        """Rows in any form as a frame, whose cells are still unchecked."""
        if isinstance(rows, pd.DataFrame):
            return rows
        try:
            if isinstance(rows, Mapping):
                return pd.DataFrame({name: _column(cells) for name, cells in rows.items()})
            if isinstance(rows, Sequence) and rows and all(isinstance(row, Mapping) for row in rows):
                return pd.DataFrame([self._completed(row) for row in rows], dtype=object)
        except ValueError as error:
            raise _refusal(f"The columns do not make a table: {error}.") from None
        if isinstance(rows, Sequence) and not rows:
            raise _refusal("No rows were given. Expected at least one customer.")
        raise _refusal(
            f"Given {type(rows).__name__}, which names no columns. Expected a frame, or customers as mappings. "
            f"Name the columns of an array: pandas.DataFrame(array, columns={self.features})."
        )

    def _completed(self, row: Mapping[str, object]) -> Mapping[str, object]:
        """A customer with AverageOrderValue, where it was left out and can be worked out."""
        money, orders = _number(row.get("Monetary")), _number(row.get("Frequency"))
        if QUOTIENT in row or money is None or orders is None:
            return row
        return {**row, QUOTIENT: float(_quotient(np.array([money]), np.array([orders]))[0])}

    def _values(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """(n, 5) the features of a frame, in their order; other columns are left out."""
        if list(frame.columns) != self.features:
            return self._values_of_columns(frame)
        cells = frame.to_numpy()
        return cells.astype(np.float64, copy=False) if cells.dtype.kind in "fiu" else self._numbers(frame)

    def _values_of_columns(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """(n, 5) the features of a frame with other columns, too, or without AverageOrderValue."""
        if not len(frame):
            raise _refusal("No rows were given. Expected at least one customer.")
        counts = [list(frame.columns).count(name) for name in self.features]
        named = dict(zip(self.features, counts, strict=True))
        missing = [name for name, count in named.items() if not count and name != QUOTIENT]
        if missing:
            columns = ", ".join(_shown(name) for name in frame.columns[:COLUMNS_NAMED])
            raise _refusal(f"Missing column {', '.join(missing)}. Found: {columns}.")
        if repeated := [name for name, count in named.items() if count > 1]:
            raise _refusal(f"Column {', '.join(repeated)} was given more than once. Expected it once.")
        if named[QUOTIENT]:
            return self._values(frame[self.features])
        rest = [name for name in self.features if name != QUOTIENT]
        values = self._numbers(frame[rest])
        money, orders = values[:, rest.index("Monetary")], values[:, rest.index("Frequency")]
        return np.insert(values, self.features.index(QUOTIENT), _quotient(money, orders), axis=1)

    def _numbers(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """(n, d) the numbers in a frame of any types. Raises MlflowException where a cell is none."""
        problems: list[tuple[int, str]] = []
        values = np.empty(frame.shape)
        for index, (name, cells) in enumerate(frame.items()):
            values[:, index], wrong = _numbers_of(cells)
            problems += [
                (row, f"Row {row}, column {name}: given {_shown(cells.iloc[row])}, expected a number.")
                for row in wrong
            ]
        if problems:
            raise _listed(problems, len(problems))
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
            and not _off(column).any()
        ):
            return
        rules = [(name, ~np.isfinite(column[name]), "a finite number") for name in self.features]
        if not any(broken.any() for _, broken, _ in rules):
            rules = [(name, column[name] < 0, "at least 0") for name in self.features]
            rules.append(
                ("Frequency", (column["Frequency"] >= 0) & (column["Frequency"] < 1), "at least 1 order")
            )
            rules.append(("Recency", column["Recency"] > column["Tenure"], "at most Tenure"))
            sensible = (column["Monetary"] >= 0) & (column["Frequency"] >= 1) & (column[QUOTIENT] >= 0)
            rules.append((QUOTIENT, sensible & _off(column), "Monetary / Frequency"))
        problems = [
            (row, f"Row {row}, column {name}: given {column[name][row]:g}, expected {expected}.")
            for name, broken, expected in rules
            for row in np.flatnonzero(broken)[:PROBLEMS_NAMED]
        ]
        count = sum(int(broken.sum()) for _, broken, _ in rules)
        raise _listed(problems, count)


def _skip_type_check() -> None:
    """Let MLflow, which is loading this model just now, hand over inputs of any type.

    MLflow has no public way to do so with a signature: its `load_model` is found among the callers. Where that
    fails, all works as the signature says, and whole numbers are refused as in any other model.
    """
    caller = sys._getframe().f_back
    while caller:
        metadata = caller.f_locals.get("model_meta")
        if caller.f_code.co_name == "load_model" and type(metadata) is Model:
            metadata.__class__ = UncheckedInputs
            return
        caller = caller.f_back


def _column(cells: object) -> pd.Series:
    """A column of a mapping: one cell or many, each with its own type."""
    if isinstance(cells, pd.Series):
        return cells
    if isinstance(cells, np.ndarray) and cells.ndim:
        return pd.Series(list(cells), dtype=object if cells.ndim > 1 else cells.dtype)
    return pd.Series(list(cells) if isinstance(cells, list | tuple) else [cells], dtype=object)


def _numbers_of(cells: pd.Series) -> tuple[NDArray[np.float64], list[int]]:
    """(n,) a column's numbers, nan where a cell is missing, and the rows whose cell is something else."""
    if cells.dtype.kind in "fiu":
        return cells.to_numpy(dtype=np.float64, na_value=np.nan), []
    numbers = [_number(cell) for cell in cells.astype(object)]
    wrong = [row for row, number in enumerate(numbers) if number is None]
    return np.array(numbers, dtype=np.float64), wrong


def _number(cell: object) -> float | None:
    """A cell as a double: nan when it is missing, None when it is no number."""
    if type(cell) is float:
        return cell
    if isinstance(cell, np.ndarray) and cell.ndim == 0:
        cell = cell[()]
    if cell is None or cell is pd.NA:
        return np.nan
    if isinstance(cell, bool) or not isinstance(cell, Real | Decimal):  # numpy's bool is not Real
        return None
    try:
        return float(cell)
    except OverflowError:  # a whole number that no double can hold
        return np.inf


def _quotient(money: NDArray[np.float64], orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) money of an order; 0 where money or orders are impossible, which the check tells by their own names."""
    possible = (money >= 0) & (money < np.inf) & (orders >= 1)
    return np.where(possible, money, 0.0) / np.where(possible, orders, 1.0)


def _off(column: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """(n,) whether AverageOrderValue is not Monetary / Frequency, in which a cent may be missing to rounding."""
    exact = _quotient(column["Monetary"], column["Frequency"])
    return np.abs(column[QUOTIENT] - exact) > QUOTIENT_TOLERANCE * (exact + 1.0)


def _is_possible(customer: Mapping[str, float]) -> bool:
    """Whether one customer's numbers keep all rules of `_check`; nan keeps none."""
    recency, orders, money, average, tenure = (customer[name] for name in FEATURES)
    if not (
        0 <= recency <= tenure < np.inf and 1 <= orders < np.inf and 0 <= money < np.inf and average >= 0
    ):
        return False
    exact = money / orders
    return abs(average - exact) <= QUOTIENT_TOLERANCE * (exact + 1.0)


def _distance(centre: Sequence[float], point: Sequence[float]) -> float:
    """The Euclidean distance, added up in the order of SciPy's cdist; `math.dist` gives other last bits."""
    total = 0.0
    for one, other in zip(centre, point, strict=True):
        difference = one - other
        total += difference * difference
    return sqrt(total)


def _object_array(texts: list[str]) -> NDArray[np.object_]:
    return np.array(texts, dtype=object)


def _string_array(texts: list[str]) -> ExtensionArray:
    """Texts in the type that a frame gives them, so that pandas need not look at every row for their type."""
    return pd.Series(texts).array


def _number_text(value: float) -> str:
    if value >= 1e12:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def _formula(artifacts: Mapping[str, str], numbers: Mapping[str, object] | None) -> Formula | None:
    """The formula with the numbers of this model; None without numbers.

    Its text is compiled here: an import would leave compiled code in the model's folder, and a name in sys.modules
    that two models of different releases would share.
    """
    if numbers is None:
        return None
    path = Path(artifacts["forecast_formula"])
    module = ModuleType(path.stem)
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
    formula: Formula = module.Scorer(numbers)
    return formula


def _shown(value: object) -> str:
    """A value as JSON, short enough for a message."""
    try:
        text = json.dumps(value, default=str)
    except (TypeError, ValueError):  # of keys or digits that cannot be written down
        return f"a {type(value).__name__}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def _listed(problems: Sequence[tuple[int, str]], count: int) -> MlflowException:
    """The refusal that names the first of `count` problems, which are (row, text)."""
    more = f" And {count - PROBLEMS_NAMED} more." if count > PROBLEMS_NAMED else ""
    return _refusal(" ".join(text for _, text in sorted(problems)[:PROBLEMS_NAMED]) + more)


def _refusal(problem: str) -> MlflowException:
    return MlflowException(
        f"{problem} Send every row with Recency, Frequency, Monetary and Tenure as numbers; AverageOrderValue may be "
        "left out. Rows are counted from 0. No row was scored.",
        error_code=INVALID_PARAMETER_VALUE,
    )


set_model(SegmentModel())
