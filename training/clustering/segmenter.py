"""The segmentation itself, as a scikit-learn estimator: k-means segments and DBSCAN anomalies."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from training.clustering.density import eps_for_rate, neighbours
from training.clustering.kmeans import fit_from, k_means
from training.clustering.labels import by_label


class Segmenter(ClusterMixin, BaseEstimator):
    """k-means on log1p-standardised, weighted features, fitted without the customers that DBSCAN calls noise.

    Anomalies do not shape the segments, yet every customer is in one. DBSCAN works in the standardised space, k-means
    in the same space times `weights`. Segments are numbered by their ordinary customers' median of one column,
    lowest first. With `span`, DBSCAN sees the days between first and last order in the place of the days since the
    first: a burst of orders on one day is near to nobody then, and looks like a good customer otherwise.

    Parameters
    ----------
    n_clusters : number of segments, at least 1.
    anomaly_rate : share of customers to call anomalies; eps is derived from it. In (0, 1).
    eps : DBSCAN's radius in the standardised space; None derives it from `anomaly_rate`. An eps
        belongs to the size of its data: it does not carry over to a larger shop, the rate does.
    min_samples : DBSCAN's neighbourhood size, the point itself counted, at least 1.
    columns : indices of the features used for distances; None uses all.
    weights : (d,) one positive number for each of the features used: what it counts in k-means' distances;
        None counts all alike.
    span : (later, earlier), the indices of two of the features used (Tenure and Recency): in DBSCAN's distances their
        difference takes the place of the first. None leaves it as it is.
    order_by : index of the feature that numbers the segments.
    n_init : k-means restarts; the best inertia wins.
    init : (n_clusters, d) centres in the weighted space to start k-means from, instead of restarts.
    random_state : seed of k-means, a whole number or None.

    Attributes
    ----------
    labels_ : (n,) segment of each customer, 0 .. n_clusters - 1, anomalies included.
    anomalies_ : (n,) bool, the customers DBSCAN labels -1.
    eps_ : the radius used.
    weights_ : (d,) the weights used.
    scaler_, kmeans_ : fitted StandardScaler (on log1p of the features) and KMeans, whose centres are
        in segment order and in the weighted space.
    density_scaler_ : fitted StandardScaler of DBSCAN's space.
    core_samples_ : (c, d) DBSCAN's core samples in its space.
    n_features_in_ : features seen in fit.

    Examples
    --------
    Five who spent about 10, five who spent about 1,000, and one who spent nothing like the others:

    >>> import numpy as np
    >>> spent = np.array([[9], [10], [10], [11], [12], [900], [950], [1000], [1000], [1100], [10**9]])
    >>> segmenter = Segmenter(2, anomaly_rate=0.09, min_samples=3, random_state=0).fit(spent)
    >>> segmenter.labels_[:10].tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    >>> np.flatnonzero(segmenter.anomalies_).tolist()
    [10]
    >>> segmenter.predict([[8], [1200]]).tolist()
    [0, 1]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "anomaly_rate": [Interval(Real, 0, 1, closed="neither")],
        "eps": [Interval(Real, 0, None, closed="neither"), None],
        "min_samples": [Interval(Integral, 1, None, closed="left")],
        "columns": [list, None],
        "weights": ["array-like", None],
        "span": [tuple, None],
        "order_by": [Integral],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init": ["array-like", None],
        "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both"), None],
    }

    def __init__(
        self,
        n_clusters: int = 3,
        *,
        anomaly_rate: float = 0.015,
        eps: float | None = None,
        min_samples: int = 20,
        columns: list[int] | None = None,
        weights: ArrayLike | None = None,
        span: tuple[int, int] | None = None,
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
        self.weights = weights
        self.span = span
        self.order_by = order_by
        self.n_init = n_init
        self.init = init
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: None = None) -> Self:  # noqa: ARG002
        """Fit on X (n customers, d features).

        Raises ValueError when a parameter or X cannot be used, or too few ordinary customers are left.
        """
        self._validate_params()
        values: NDArray[np.float64] = validate_data(
            self, X, dtype=np.float64, ensure_min_samples=max(2, self.n_clusters)
        )
        self.scaler_, Z = standardise(self._used(values))
        self.weights_ = self._checked_weights(Z.shape[1])
        self.density_scaler_, D = standardise(self._density_features(values))
        near = neighbours(D, min(self.min_samples, len(D)))
        threshold = near.noise_threshold(min(self.min_samples, len(D)))
        self.eps_ = eps_for_rate(threshold, self.anomaly_rate) if self.eps is None else self.eps
        self.anomalies_ = threshold > self.eps_
        V = Z * self.weights_
        ordinary = V[~self.anomalies_]
        if len(ordinary) < self.n_clusters:
            raise ValueError(
                f"{len(ordinary)} of {len(Z)} customers are ordinary at eps={self.eps_:.4g}, "
                f"min_samples={self.min_samples}; expected at least n_clusters={self.n_clusters}. "
                "Raise eps or lower min_samples."
            )
        self.core_samples_ = D[near.core_distance(min(self.min_samples, len(D))) <= self.eps_]
        init = self.init
        if init is None:
            init = k_means(ordinary, self.n_clusters, self.n_init, self.random_state).centres
        kmeans = fit_from(ordinary, np.asarray(init, dtype=np.float64))
        self.kmeans_ = numbered_by_median(kmeans, values[~self.anomalies_, self.order_by])
        self.labels_ = self.kmeans_.predict(V).astype(np.int64)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """(n,) segment of each row of X (n, d)."""
        logs = symmetric_log1p(self._used(self._checked(X)))
        return self.kmeans_.predict(self.scaler_.transform(logs) * self.weights_).astype(np.int64)

    def anomaly_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """(n,) distance to the nearest core sample in units of eps; above 1 is an anomaly."""
        logs = symmetric_log1p(self._density_features(self._checked(X)))
        distance, _ = cKDTree(self.core_samples_).query(self.density_scaler_.transform(logs))
        return distance / self.eps_

    def _used(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return X if self.columns is None else X[:, self.columns]

    def _density_features(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = list(range(X.shape[1])) if self.columns is None else self.columns
        return density_features(X, columns, self.span)

    def _checked_weights(self, features: int) -> NDArray[np.float64]:
        """(d,) the weights. Raises ValueError unless there is a positive one for each feature used."""
        if self.weights is None:
            return np.ones(features)
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (features,) or not (np.isfinite(weights) & (weights > 0)).all():
            raise ValueError(
                f"weights={self.weights!r} cannot be used; expected {features} numbers above 0, one for each feature "
                "that is used. To leave a feature out, leave it out of columns."
            )
        return weights

    def _checked(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self)
        values: NDArray[np.float64] = validate_data(self, X, dtype=np.float64, reset=False)
        return values


def density_features(
    X: NDArray[np.float64], columns: Sequence[int], span: tuple[int, int] | None
) -> NDArray[np.float64]:
    """(n, d) the `columns` of X that DBSCAN measures distances by, the first of `span` less the second in its place."""
    features = X[:, columns]
    if span is not None and set(span) <= set(columns):
        later, earlier = span
        features[:, list(columns).index(later)] = X[:, later] - X[:, earlier]
    return features


def standardise(X: NDArray[np.float64]) -> tuple[StandardScaler, NDArray[np.float64]]:
    """X (n, d) to its log1p with mean 0 and standard deviation 1 in every column, and the fitted scaler."""
    logs = symmetric_log1p(X)
    scaler = StandardScaler().fit(logs)
    return scaler, scaler.transform(logs)


def symmetric_log1p(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """log1p for the features, which are never negative; mirrored below zero, so any real data will do."""
    return np.copysign(np.log1p(np.abs(X)), X)


def numbered_by_median(kmeans: KMeans, values: NDArray[np.float64]) -> KMeans:
    """The same fitted clusters, numbered by the median of `values` (n, one per fitted row), lowest first."""
    medians = cluster_medians(kmeans.labels_, values, kmeans.n_clusters)
    return renumbered_kmeans(kmeans, np.argsort(np.argsort(medians, kind="stable"), kind="stable"))


def cluster_medians(
    labels: NDArray[np.int64], values: NDArray[np.float64], clusters: int
) -> NDArray[np.float64]:
    """(clusters,) the median of `values` (n,) in each cluster of `labels` (n,); infinite for an empty one."""
    order = by_label(labels)
    parts = np.split(values[order], np.cumsum(np.bincount(labels, minlength=clusters))[:-1])
    return np.array([np.median(part) if len(part) else np.inf for part in parts])


def renumbered_kmeans(kmeans: KMeans, number: NDArray[np.int64]) -> KMeans:
    """The same fitted KMeans whose cluster i has the number `number[i]` (k,), in labels and order of centres."""
    result = copy(kmeans)
    result.cluster_centers_ = kmeans.cluster_centers_[np.argsort(number)]
    result.labels_ = number.astype(kmeans.labels_.dtype)[kmeans.labels_]
    return result
