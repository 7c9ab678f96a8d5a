"""The registered model: customer metrics in; segment, anomaly flag and reason out.

MLflow ships this file itself ("models from code") with one artifact, `segmenter.skops`, and runs it
wherever the model is served. It must therefore import nothing of this project.
"""

from __future__ import annotations

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

UNUSUAL = 2.0  # standard deviations from the mean, in the log space, that make one feature remarkable
PROBLEMS_NAMED = 5
MANY = 10_000  # rows from which a second thread pays


class SegmentModel(PythonModel):
    """Scaler, KMeans and DBSCAN in one.

    `segmenter.skops` holds: features (the input columns), columns (indices of those used for
    distances), scaler (StandardScaler on log1p), kmeans (KMeans, centres in segment order), dbscan
    (eps, min_samples, core_samples), names (one a segment) and typical (median of each feature).
    """

    def load_context(self, context: Any) -> None:
        """Read the artifact; it holds no code, so no type needs to be trusted."""
        import skops.io

        fitted = skops.io.load(context.artifacts["segmenter"])
        self.features: list[str] = fitted["features"]
        self.columns: NDArray[np.intp] = np.asarray(fitted["columns"])
        self.mean: NDArray[np.float64] = fitted["scaler"].mean_
        self.scale: NDArray[np.float64] = fitted["scaler"].scale_
        self.centres: NDArray[np.float64] = fitted["kmeans"].cluster_centers_
        self.eps: float = fitted["dbscan"]["eps"]
        self.core_samples: NDArray[np.float64] = fitted["dbscan"]["core_samples"]
        self.core_tree = cKDTree(self.core_samples)
        self.names = np.array(fitted["names"], dtype=object)
        self.typical: NDArray[np.float64] = np.asarray(fitted["typical"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """(n, 5) metrics to n rows: segment, segment_name, is_anomaly, anomaly_score, anomaly_reason, distance.

        anomaly_score is the distance to the nearest core sample in units of eps: above 1 is an
        anomaly. distance is the Euclidean distance to the segment's centre in the standardised space.

        Raises MlflowException (HTTP 400) that names row and column when a value cannot be a customer's.
        """
        return pd.DataFrame(self.answers(self._numbers(model_input)))

    def answers(self, values: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """The columns of `predict` for `values` (n, 5) in the order of `features`, without pandas on the way.

        Raises MlflowException as `predict` does.
        """
        self._check(values)
        points = (np.log1p(values[:, self.columns]) - self.mean) / self.scale
        to_centres = cdist(points, self.centres)
        segment = to_centres.argmin(axis=1)
        gap, nearest = self.core_tree.query(points, workers=-1 if len(points) >= MANY else 1)
        is_anomaly = gap > self.eps
        reason = np.full(len(values), "", dtype=object)
        if is_anomaly.any():
            unlike = points[is_anomaly] - self.core_samples[nearest[is_anomaly]]
            reason[is_anomaly] = self._reasons(values[is_anomaly], points[is_anomaly], unlike)
        return {
            "segment": segment.astype(np.int64),
            "segment_name": self.names[segment],
            "is_anomaly": is_anomaly,
            "anomaly_score": gap / self.eps,
            "anomaly_reason": reason,
            "distance": to_centres[np.arange(len(values)), segment],
        }

    def _reasons(
        self, values: NDArray[np.float64], points: NDArray[np.float64], unlike: NDArray[np.float64]
    ) -> list[str]:
        """One reason a row, from its metrics, its standardised point, and its difference to the nearest core sample."""
        here = np.arange(len(points))
        most = np.abs(points).argmax(axis=1)
        extreme = points[here, most]
        difference = np.abs(unlike).argmax(axis=1)
        stands_out = unlike[here, difference]
        typical = [_plain(value) for value in self.typical]
        names = [self.features[column] for column in self.columns]
        given = values[here, self.columns[most]]
        return [
            f"{names[first]} unusually {'high' if far > 0 else 'low'}: {_plain(value)} "
            f"(typical {typical[self.columns[first]]})"
            if abs(far) >= UNUSUAL
            else f"unusual combination: {names[second]} {'high' if other > 0 else 'low'} "
            "for otherwise similar customers"
            for first, far, value, second, other in zip(
                *(column.tolist() for column in (most, extreme, given, difference, stands_out)), strict=True
            )
        ]

    def _numbers(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        missing = [name for name in self.features if name not in frame.columns]
        if missing:
            raise _bad(f"Missing column {', '.join(missing)}. Found: {', '.join(map(str, frame.columns))}.")
        try:
            return frame[self.features].to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise _bad(f"Not a number: {error}.") from None

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
