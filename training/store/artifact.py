"""What `model.py` is served with: a fitted segmenter with the numbers of its forecast, and the formula of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.names import FORECAST_OUTPUTS
from training.clustering.segmenter import Segmenter
from training.identity import Segments

FORMULA = Path(__file__).parents[1] / "value" / "scoring.py"
REQUIREMENTS = ("mlflow", "numpy", "pandas", "scipy", "scikit-learn", "skops", "uvloop")


def write(
    path: Path,
    segmenter: Segmenter,
    features: Sequence[str],
    names: Sequence[str],
    typical: NDArray[np.float64],
    gap: float,
    forecast: Mapping[str, object] | None = None,
) -> Path:
    """Write a fitted segmenter to `path` as skops: plain scikit-learn objects, numbers and texts, no code.

    features: the d input columns, in fit order; names: one per segment; typical: (d,) medians;
    gap: the shop's median days between two orders of a customer, nan where nobody came back;
    forecast: the numbers of `training.value.scoring.Scorer`, which wants the features in the order of FEATURES; None
    where the shop cannot carry a forecast.
    """
    import skops.io

    columns = range(len(features)) if segmenter.columns is None else segmenter.columns
    skops.io.dump(
        {
            "features": list(features),
            "columns": [int(column) for column in columns],
            "scaler": segmenter.scaler_,
            "weights": np.asarray(segmenter.weights_, dtype=np.float64),
            "kmeans": segmenter.kmeans_,
            "span": None if segmenter.span is None else list(segmenter.span),
            "density_scaler": segmenter.density_scaler_,
            "dbscan": {
                "eps": float(segmenter.eps_),
                "min_samples": int(segmenter.min_samples),
                "core_samples": segmenter.core_samples_,
            },
            "names": list(names),
            "typical": np.asarray(typical, dtype=np.float64),
            "gap": float(gap),
            "forecast": None if forecast is None else dict(forecast),
        },
        path,
    )
    return path


def artifacts(path: Path) -> dict[str, str]:
    """The files that the model is logged with, by their names; `path` is the one that `write` wrote."""
    return {"segmenter": str(path), "forecast_formula": str(FORMULA)}


def read_segments(path: Path) -> Segments:
    """The segments of a file that `write` wrote."""
    import skops.io

    fitted = skops.io.load(path)
    features = tuple(fitted["features"][column] for column in fitted["columns"])
    scaler, kmeans = fitted["scaler"], fitted["kmeans"]
    weights = fitted.get("weights")  # None: of a model from before there were weights
    return Segments(
        features,
        scaler.mean_,
        scaler.scale_,
        kmeans.cluster_centers_,
        tuple(fitted["names"]),
        np.ones(len(features)) if weights is None else weights,
        weights is not None,
    )


def answers(path: Path, customers: pd.DataFrame) -> pd.DataFrame:
    """What the shipped model answers for `customers` (n, 5) with the file at `path`, without being logged."""
    from mlflow.pyfunc import PythonModelContext

    from training.store.model import SegmentModel

    model, context = SegmentModel(), PythonModelContext(artifacts(path), None)
    model.load_context(context)
    return model.predict(context, customers)


def with_numbers(answers: pd.DataFrame) -> pd.DataFrame:
    """A model's answers with the forecast's columns as float64: None, where there is no forecast, is nan."""
    return answers.astype({name: "float64" for name in FORECAST_OUTPUTS if name in answers})


def requirements() -> list[str]:
    """The packages the model needs, at the versions it was trained with."""
    return [f"{name}=={version(name)}" for name in REQUIREMENTS]
