"""How good a segmentation is: silhouette, its usual companions, and stability under resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.clustering import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXACT_UP_TO = 20_000
ERROR = 5e-4  # standard error that a sampled silhouette may have
STABILITY_ON = 20_000
REPRODUCIBILITY_ON = 100_000
SUBSAMPLE = 0.8  # share of the customers that a draw of `flag_reproducibility` takes
PILOT = 2_000  # customers asked first, to see how many that takes
ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Silhouette:
    """The mean silhouette; `standard_error` is 0 when every customer was asked, `asked` says how many were, and
    `distances` in which precision distances were worked out. They are summed in float64."""

    value: float
    standard_error: float
    asked: int
    distances: str = "float64"


def silhouette(points: Floats, labels: Ints, seed: int = 0, exact_up_to: int = EXACT_UP_TO) -> Silhouette:
    """Mean silhouette (Rousseeuw 1987, Euclidean) of `points` (n, d) under `labels` (n,).

    Exact up to `exact_up_to` points. Above, the mean of a random sample, each of it against all the others,
    corrected by a control variate (Cochran 1977, "Sampling Techniques", ch. 7, the regression estimator): the
    same formula with the root mean square distance to a segment in place of the mean distance, which is known
    for every point. As many are asked as bring the standard error to ERROR.
    """
    if len(points) <= exact_up_to:
        return Silhouette(float(silhouette_samples(points, labels).mean()), 0.0, len(points))
    return SampledSilhouette(points, labels, seed).of(labels)


class SampledSilhouette:
    """Silhouettes of `points` (n, d) from a random sample of them, under `labels` (n,) and others that differ in a few.

    The sample is the same for all; what it knows of `labels` is kept, and of others only the distances to those
    points are worked out that are in another segment. So a trial that moves one customer in fifty costs a
    twentieth, and the answer does not depend on what was asked before.
    """

    def __init__(self, points: Floats, labels: Ints, seed: int) -> None:
        self.points, self.labels = points, labels
        self._order = np.random.default_rng(seed).permutation(len(points))
        self._sorted = np.argsort(labels, kind="stable")
        self._sizes = np.bincount(labels)
        self._sums = np.empty((0, len(self._sizes)))

    def of(self, labels: Ints) -> Silhouette:
        """The mean silhouette under `labels` (n,), each segment of which has a customer; see `silhouette`."""
        n = len(self.points)
        known_of_all = _control(self.points, labels)
        asked, spread = 0, np.inf
        wanted = min(n, PILOT)
        while asked < wanted:
            asked = wanted
            values = self._samples(labels, asked)
            known = known_of_all[self._order[:asked]]
            slope = np.cov(values, known)[0, 1] / max(known.var(ddof=1), np.finfo(float).tiny)
            rest = values - slope * known
            spread = rest.std(ddof=2)
            if asked <= PILOT:
                wanted = min(n, int(np.ceil(1 / (ERROR**2 / max(spread**2, np.finfo(float).tiny) + 1 / n))))
        error = spread * np.sqrt((1 - asked / n) / asked)
        precision = "float32" if compiled.pays(self.points) else "float64"
        return Silhouette(float(rest.mean() + slope * known_of_all.mean()), float(error), asked, precision)

    def _samples(self, labels: Ints, asked: int) -> Floats:
        """(asked,) silhouettes of the first of the sample."""
        rows = self._order[:asked]
        sizes = np.bincount(labels)
        changed = np.flatnonzero(labels != self.labels)
        if len(sizes) != len(self._sizes) or len(changed) > len(labels) / 3:
            return silhouette_samples(self.points, labels, rows)
        sums = self._known_sums(asked)
        if len(changed):
            k = len(sizes)
            moved = _grouped_sums(
                self.points[rows], self.points[changed], labels[changed] * k + self.labels[changed], k
            )
            sums = np.maximum(sums + moved[0] - moved[1], 0)
        return _of_sums(sums, labels[rows], sizes)

    def _known_sums(self, asked: int) -> Floats:
        """(asked, k) summed distances from the first of the sample to the segments of the labels that are kept."""
        more = self._order[len(self._sums) : asked]
        if len(more):
            starts = np.concatenate([[0], np.cumsum(self._sizes)])
            new = _distance_sums(self.points[more], self.points[self._sorted], starts)
            self._sums = np.concatenate([self._sums, new])
        return self._sums[:asked]


def _control(points: Floats, labels: Ints) -> Floats:
    """(n,) the silhouettes' control variate; see `silhouette`."""
    if compiled.pays(points):
        from training.clustering.compiled.silhouette import control

        sizes = np.bincount(labels)
        centres, squares = (
            np.column_stack([np.bincount(labels, column) for column in columns.T]) / sizes[:, None]
            for columns in (points, points**2)
        )
        return control(points, labels, centres, np.maximum(squares - centres**2, 0).sum(axis=1))
    return _formula(_root_mean_squares(points, labels), labels)


def _grouped_sums(queries: Floats, points: Floats, cells: Ints, k: int) -> tuple[Floats, Floats]:
    """Two (q, k) sums of the distances from `queries` (q, d) to `points` (n, d), by cells // k and by cells % k."""
    order = np.argsort(cells, kind="stable")
    present, starts = np.unique(cells[order], return_index=True)
    starts = np.append(starts, len(points))
    if compiled.pays(queries):
        from training.clustering.compiled.silhouette import grouped_distance_sums

        ways = np.array([present // k, k + present % k])
        sums = grouped_distance_sums(queries, points[order], starts, ways, np.float32)
        sums = np.pad(sums, ((0, 0), (0, 2 * k - sums.shape[1])))
        return sums[:, :k], sums[:, k:]
    sums = _distance_sums(queries, points[order], starts)
    sides = np.eye(k)
    return sums @ sides[present // k], sums @ sides[present % k]


def silhouettes(points: Floats, segmentations: Sequence[Ints]) -> list[Silhouette]:
    """The exact mean silhouette of `points` (n, d) under each of several `segmentations` (n,).

    Where there are many points each distance is worked out once for all segmentations, in float32: customers that no
    segmentation parts make a cell, and the distances to a segment are those to its cells.
    """
    if len(points) <= EXACT_UP_TO or not compiled.pays(points):
        return [silhouette(points, labels, exact_up_to=len(points)) for labels in segmentations]
    from training.clustering.compiled.silhouette import grouped_distance_sums

    widths = np.array([int(labels.max()) + 1 for labels in segmentations])
    firsts = np.cumsum(widths) - widths  # the groups of each segmentation have numbers of their own
    cells = _cells(segmentations)
    order = np.argsort(cells, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(cells))])
    some = order[starts[:-1]]  # a customer of each cell
    groups = np.array([labels[some] + first for labels, first in zip(segmentations, firsts, strict=True)])
    sums = np.empty((len(points), widths.sum()))
    sums[order] = grouped_distance_sums(points[order], points[order], starts, groups, np.float32)
    parts = [sums[:, first : first + width] for first, width in zip(firsts, widths, strict=True)]
    values = [
        _of_sums(part, labels, np.bincount(labels)) for part, labels in zip(parts, segmentations, strict=True)
    ]
    return [Silhouette(float(value.mean()), 0.0, len(points), "float32") for value in values]


def _cells(segmentations: Sequence[Ints]) -> Ints:
    """(n,) the cell of each customer: two are in one when they are in one segment of every segmentation."""
    cells = np.zeros(len(segmentations[0]), dtype=np.int64)
    for labels in segmentations:
        cells = np.unique(cells * (labels.max() + 1) + labels, return_inverse=True)[1]
    return cells


def silhouette_samples(points: Floats, labels: Ints, rows: Ints | None = None) -> Floats:
    """Silhouette of each of `rows` (all by default) against all `points`; (len(rows),), 0 in a segment of one."""
    everyone = rows is None
    rows = np.arange(len(points)) if rows is None else rows
    if not len(points) or labels.max() == 0:
        return np.zeros(len(rows))
    sizes = np.bincount(labels)
    order = np.argsort(labels, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    if everyone and compiled.pays(points):
        from training.clustering.compiled.silhouette import all_distance_sums

        sums = np.empty((len(points), len(sizes)))
        sums[order] = all_distance_sums(points[order], starts)
    else:
        sums = _distance_sums(points[rows], points[order], starts)
    return _of_sums(sums, labels[rows], sizes)


def _of_sums(sums: Floats, own: Ints, sizes: Ints) -> Floats:
    """(q,) silhouettes from summed distances to each segment (q, k), the own segments (q,) and all `sizes` (k,)."""
    if len(sizes) == 1:
        return np.zeros(len(own))
    here, means = np.arange(len(own)), sums / sizes
    means[here, own] = sums[here, own] / np.maximum(sizes[own] - 1, 1)
    return np.where(sizes[own] > 1, _formula(means, own), 0.0)


def _formula(means: Floats, own: Ints) -> Floats:
    """(n,) silhouettes from mean distances to each segment (n, k) and the own segments (n,)."""
    here = np.arange(len(means))
    within = means[here, own]
    others = means.copy()
    others[here, own] = np.inf
    nearest = others.min(axis=1)
    larger = np.maximum(within, nearest)
    return np.divide(nearest - within, larger, out=np.zeros(len(means)), where=larger > 0)


def _distance_sums(queries: Floats, points: Floats, starts: Ints) -> Floats:
    """(q, k) sums of distances from `queries` (q, d) to each segment, points[starts[s] : starts[s + 1]]."""
    if compiled.pays(points):
        from training.clustering.compiled.silhouette import distance_sums

        return distance_sums(queries, points, starts, np.float32 if len(points) > EXACT_UP_TO else np.float64)
    from scipy.spatial.distance import cdist

    blocks = [queries[first : first + ROWS_AT_ONCE] for first in range(0, len(queries), ROWS_AT_ONCE)]
    return np.concatenate([np.add.reduceat(cdist(block, points), starts[:-1], axis=1) for block in blocks])


def _root_mean_squares(points: Floats, labels: Ints) -> Floats:
    """(n, k) root mean square distances of all points to each segment: what its centre and spread say."""
    columns = []
    for segment in range(labels.max() + 1):
        members = points[labels == segment]
        centre = members.mean(axis=0)
        columns.append(np.sqrt(((points - centre) ** 2).sum(axis=1) + members.var(axis=0).sum()))
    return np.column_stack(columns)


def companions(points: Floats, labels: Ints) -> dict[str, float]:
    """Davies-Bouldin (1979; lower is better) and Calinski-Harabasz (1974; higher is better) of `points` (n, d) under
    `labels` (n,), as scikit-learn defines them; both 0 for one segment."""
    if labels.max() == 0:
        return {"davies_bouldin": 0.0, "calinski_harabasz": 0.0}
    sizes = np.bincount(labels)
    n, k = len(points), len(sizes)
    centres = np.column_stack([np.bincount(labels, column) for column in points.T]) / sizes[:, None]
    squares = ((points - centres[labels]) ** 2).sum(axis=1)
    within = float(squares.sum())
    between = float((sizes * ((centres - points.mean(axis=0)) ** 2).sum(axis=1)).sum())
    spread = np.bincount(labels, np.sqrt(squares)) / sizes  # mean distance to the own centre
    apart = np.sqrt(((centres[:, None] - centres) ** 2).sum(axis=2))
    alike = np.divide(spread[:, None] + spread, apart, out=np.zeros((k, k)), where=apart > 0)
    return {
        "davies_bouldin": float(alike.max(axis=1).mean()),
        "calinski_harabasz": between * (n - k) / (within * (k - 1)) if within else 1.0,
    }


def stability(points: Floats, k: int, *, refits: int = 20, n_init: int = 10, seed: int = 0) -> float:
    """Mean adjusted Rand index between k-means on `points` (n, d) and k-means on bootstrap samples of them.

    Each refit sees n points drawn with replacement and then labels all n. 1 means that resampling
    the customers changes nothing. Of more than STABILITY_ON points a random sample stands for all, which
    can only make them look less stable. Source: Hennig (2007), "Cluster-wise assessment of cluster
    stability", with the adjusted Rand index (Hubert and Arabie 1985) as the measure of agreement.
    """
    from sklearn.metrics import adjusted_rand_score

    from training.clustering.kmeans import k_means, nearest

    random = np.random.default_rng(seed)
    if len(points) > STABILITY_ON:
        points = points[random.choice(len(points), STABILITY_ON, replace=False)]
    base = k_means(points, k, n_init, seed).labels
    agreements = []
    for refit in range(refits):
        sample = points[random.integers(len(points), size=len(points))]
        centres = k_means(sample, k, n_init, seed + refit).centres
        agreements.append(adjusted_rand_score(base, nearest(points, centres)[0]))
    return float(np.mean(agreements))


def flag_reproducibility(
    points: Floats, min_samples: int, rate: float, *, draws: int = 10, seed: int = 0
) -> float:
    """How far the same customers are flagged when a fifth of all customers is not there: mean Jaccard index, 0 to 1.

    Each draw takes 80 % of `points` (n, d) without replacement, flags the share `rate` of them anew, and compares the
    flags with those made on all points. 1 when nobody is flagged in either. Of more than REPRODUCIBILITY_ON points
    only two draws are made, because each needs its own neighbours.
    """
    flags = _flags(points, min_samples, rate)
    random = np.random.default_rng(seed)
    agreements = []
    for _ in range(draws if len(points) <= REPRODUCIBILITY_ON else 2):
        rows = np.sort(random.choice(len(points), max(2, round(SUBSAMPLE * len(points))), replace=False))
        again, before = _flags(points[rows], min_samples, rate), flags[rows]
        either = (again | before).sum()
        agreements.append(float((again & before).sum() / either) if either else 1.0)
    return float(np.mean(agreements))


def _flags(points: Floats, min_samples: int, rate: float) -> NDArray[np.bool_]:
    from training.clustering.density import eps_for_rate, neighbours

    size = min(min_samples, len(points))
    threshold = neighbours(points, size).noise_threshold(size)
    return threshold > eps_for_rate(threshold, rate)


def without_anomaly_removal(
    points: Floats, anomalies: NDArray[np.bool_], k: int, seed: int = 0
) -> dict[str, float]:
    """What the ordinary customers' segments would be worth, had k-means been fitted on everyone.

    silhouette_on_all: of the ordinary customers, under centres fitted on all `points` (n, d);
    stability_on_all: of k-means on all points.
    """
    from training.clustering.kmeans import k_means

    labels = k_means(points, k, 10, seed).labels
    _, ordinary = np.unique(labels[~anomalies], return_inverse=True)  # a segment may hold anomalies only
    return {
        "silhouette_on_all": silhouette(points[~anomalies], ordinary, seed).value,
        "stability_on_all": stability(points, k, seed=seed),
    }


@dataclass(frozen=True)
class Map:
    """Customers on their two principal components: `coordinates` (n, 2), `loadings` (2, d), and the shares of
    variance that the two explain, `explained` (2,)."""

    coordinates: Floats
    loadings: Floats
    explained: Floats


def principal_map(points: Floats) -> Map:
    """PCA of `points` (n, d, centred) to the plane; each axis points to where its largest loading grows.

    With one feature the second axis is flat.
    """
    _, singular, axes = np.linalg.svd(points, full_matrices=False)
    axes = np.pad(axes, ((0, 1), (0, 0)))[:2]
    axes = axes * np.where(axes[[0, 1], np.abs(axes).argmax(axis=1)] < 0, -1, 1)[:, None]
    explained = np.pad(singular**2 / (singular**2).sum(), (0, 1))[:2]
    return Map(points @ axes.T, axes, explained)
