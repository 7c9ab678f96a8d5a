"""The usual way: pandas, scikit-learn, and one nested MLflow run per trial, written as a good notebook writes it.

`python benchmarks/usual.py customers.parquet --trials 100` runs the tracked search in the current folder's
MLflow store; the functions are what `benchmarks/speed.py` puts beside the project's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

FEATURES = ["Recency", "Frequency", "Monetary", "AverageOrderValue", "Tenure"]


def noise(points: np.ndarray, settings: Iterable[tuple[float, int]]) -> list[np.ndarray]:
    """DBSCAN fitted anew for each (eps, min_samples); the customers it labels -1."""
    from sklearn.cluster import DBSCAN

    return [DBSCAN(eps=eps, min_samples=m, n_jobs=-1).fit(points).labels_ == -1 for eps, m in settings]


def clusters(points: np.ndarray, settings: Iterable[tuple[float, int]]) -> list[int]:
    """DBSCAN fitted anew for each (eps, min_samples); how many clusters it finds."""
    from sklearn.cluster import DBSCAN

    return [
        int(DBSCAN(eps=eps, min_samples=m, n_jobs=-1).fit(points).labels_.max()) + 1 for eps, m in settings
    ]


def k_means(points: np.ndarray, ks: Sequence[int]) -> list:
    """A fitted KMeans for each k."""
    from sklearn.cluster import KMeans

    return [KMeans(k, n_init=10, random_state=0).fit(points) for k in ks]


def silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    """The mean silhouette."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(points, labels))


def tracked(path: str, trials: int) -> None:
    """An Optuna study over k, eps and min_samples; everything refitted and logged in each trial."""
    import mlflow
    import optuna
    import pandas as pd
    from sklearn.cluster import DBSCAN, KMeans
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score
    from sklearn.preprocessing import StandardScaler

    points = StandardScaler().fit_transform(np.log1p(pd.read_parquet(path)[FEATURES]))
    mlflow.set_experiment("usual")

    def objective(trial: optuna.Trial) -> float:
        k = trial.suggest_int("k", 2, 12)
        eps = trial.suggest_float("eps", 0.4, 1.2)
        min_samples = trial.suggest_int("min_samples", 5, 25)
        with mlflow.start_run(nested=True):
            mlflow.log_params({"k": k, "eps": eps, "min_samples": min_samples})
            anomalies = DBSCAN(eps=eps, min_samples=min_samples).fit(points).labels_ == -1
            ordinary = points[~anomalies]
            model = KMeans(k, n_init=10, random_state=0).fit(ordinary)
            value = silhouette_score(ordinary, model.labels_)
            everyone = model.predict(points)
            mlflow.log_metric("silhouette", value)
            mlflow.log_metric("davies_bouldin", davies_bouldin_score(ordinary, model.labels_))
            mlflow.log_metric("calinski_harabasz", calinski_harabasz_score(ordinary, model.labels_))
            mlflow.log_metric("inertia", model.inertia_)
            mlflow.log_metric("anomaly_rate", anomalies.mean())
            mlflow.log_metric("smallest_share", np.bincount(everyone, minlength=k).min() / len(points))
        return value

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with mlflow.start_run():
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
        study.optimize(objective, n_trials=trials)
        mlflow.log_metric("best_silhouette", study.best_value)


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("customers")
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    tracked(options.customers, options.trials)
