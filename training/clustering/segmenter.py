"""The segmentation itself, as a scikit-learn estimator: k-means segments and DBSCAN anomalies."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from training.clustering.density import eps_for_rate, neighbours
from training.clustering.kmeans import fitted, k_means


class Segmenter(ClusterMixin, BaseEstimator):
    """k-means on log1p-standardised features, fitted without the customers that DBSCAN calls noise.

    Anomalies do not shape the segments, yet every customer is in one. Segments are numbered by
    their ordinary customers' mean of one column, lowest first.

    Parameters
    ----------
    n_clusters : number of segments.
    anomaly_rate : share of customers to call anomalies; eps is derived from it. In (0, 1).
    eps : DBSCAN's radius in the standardised space; None derives it from `anomaly_rate`. An eps
        belongs to the size of its data: it does not carry over to a larger shop, the rate does.
    min_samples : DBSCAN's neighbourhood size, the point itself counted.
    columns : indices of the features used for distances; None uses all.
    order_by : index of the feature that numbers the segments.
    n_init : k-means restarts; the best inertia wins.
    init : (n_clusters, d) centres in the standardised space to start k-means from, instead of restarts.
    random_state : seed of k-means.

    Attributes
    ----------
    labels_ : (n,) segment of each customer, 0 .. n_clusters - 1, anomalies included.
    anomalies_ : (n,) bool, the customers DBSCAN labels -1.
    eps_ : the radius used.
    scaler_, kmeans_ : fitted StandardScaler (on log1p of the features) and KMeans, whose centres are
        in segment order.
    core_samples_ : (c, d) DBSCAN's core samples in the standardised space.
    n_features_in_ : features seen in fit.
    """

    def __init__(
        self,
        n_clusters: int = 3,
        *,
        anomaly_rate: float = 0.02,
        eps: float | None = None,
        min_samples: int = 10,
        columns: list[int] | None = None,
        order_by: int = -1,
        n_init: int = 10,
        init: NDArray[np.float64] | None = None,
        random_state: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.anomaly_rate = anomaly_rate
        self.eps = eps
        self.min_samples = min_samples
        self.columns = columns
        self.order_by = order_by
        self.n_init = n_init
        self.init = init
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: None = None) -> Self:  # noqa: ARG002
        """Fit on X (n customers, d features).

        Raises ValueError when X is not finite, or leaves too few ordinary customers.
        """
        values: NDArray[np.float64] = validate_data(
            self, X, dtype=np.float64, ensure_min_samples=max(2, self.n_clusters)
        )
        self.scaler_, Z = standardise(self._used(values))
        near = neighbours(Z, min(self.min_samples, len(Z)))
        threshold = near.noise_threshold(min(self.min_samples, len(Z)))
        self.eps_ = eps_for_rate(threshold, self.anomaly_rate) if self.eps is None else self.eps
        self.anomalies_ = threshold > self.eps_
        ordinary = Z[~self.anomalies_]
        if len(ordinary) < self.n_clusters:
            raise ValueError(
                f"{len(ordinary)} of {len(Z)} customers are ordinary at eps={self.eps_:.4g}, "
                f"min_samples={self.min_samples}; expected at least n_clusters={self.n_clusters}. "
                "Raise eps or lower min_samples."
            )
        self.core_samples_ = Z[near.core_distance(min(self.min_samples, len(Z))) <= self.eps_]
        init = self.init
        if init is None:
            init = k_means(ordinary, self.n_clusters, self.n_init, self.random_state).centres
        self.kmeans_ = fitted(ordinary, init)
        number_by_mean(self.kmeans_, values[~self.anomalies_, self.order_by])
        self.labels_ = self.kmeans_.predict(Z).astype(np.int64)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """(n,) segment of each row of X (n, d)."""
        Z = self._standardised(X)
        return self.kmeans_.predict(Z).astype(np.int64)

    def anomaly_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """(n,) distance to the nearest core sample in units of eps; above 1 is an anomaly."""
        Z = self._standardised(X)
        distance, _ = cKDTree(self.core_samples_).query(Z)
        return distance / self.eps_

    def _used(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return X if self.columns is None else X[:, self.columns]

    def _standardised(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        values: NDArray[np.float64] = validate_data(self, X, dtype=np.float64, reset=False)
        return self.scaler_.transform(symmetric_log1p(self._used(values)))


def standardise(X: NDArray[np.float64]) -> tuple[StandardScaler, NDArray[np.float64]]:
    """X (n, d) to its log1p with mean 0 and standard deviation 1 in every column, and the fitted scaler."""
    logs = symmetric_log1p(X)
    scaler = StandardScaler().fit(logs)
    return scaler, scaler.transform(logs)


def symmetric_log1p(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """log1p for the features, which are never negative; mirrored below zero, so any real data will do."""
    return np.copysign(np.log1p(np.abs(X)), X)


def number_by_mean(kmeans: KMeans, values: NDArray[np.float64]) -> None:
    """Renumber the clusters of a fitted `kmeans` in place: lowest mean of `values` (n, one a fitted row) first."""
    sums = np.bincount(kmeans.labels_, weights=values, minlength=kmeans.n_clusters)
    counts = np.bincount(kmeans.labels_, minlength=kmeans.n_clusters)
    order = np.argsort(sums / np.maximum(counts, 1), kind="stable")
    rank = np.argsort(order).astype(kmeans.labels_.dtype)
    kmeans.cluster_centers_ = kmeans.cluster_centers_[order]
    kmeans.labels_ = rank[kmeans.labels_]
