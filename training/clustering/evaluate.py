"""How good a segmentation is: silhouette, its usual companions, and stability under resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from training.clustering import compiled
from training.clustering.labels import by_label

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXACT_UP_TO = 20_000
ERROR = 5e-4  # standard error that a sampled silhouette may have
STABILITY_ON = 20_000
REPRODUCIBILITY_ON = 100_000
SUBSAMPLE = 0.8  # share of the customers that a draw of `flag_reproducibility` takes
PILOT = 2_000  # customers asked first, to see how many that takes
ROWS_AT_ONCE = 512
OTHER_FROM = 0.02  # share of the points in another segment from which two references are not the same
MOST_CELLS = 2**62


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
    return SampledSilhouette(points, [labels], seed).of(labels)


class SampledSilhouette:
    """Silhouettes of `points` (n, d) from a random sample of them, under labels that are near to one of `references`.

    The sample is the same for all. The distances from it to all points are worked out once for all references; of
    other labels only those to the points that are in another segment than under the nearest reference. So a trial that
    moves one customer in fifty costs a twentieth, and the answer does not depend on what was asked before.
    """

    def __init__(self, points: Floats, references: Sequence[Ints], seed: int) -> None:
        self.points = points
        self._random_order = np.random.default_rng(seed).permutation(len(points))
        self._references: list[Ints] = []
        for labels in references:
            near = self._nearest_reference(labels)
            if near is None or near.changed.mean() > OTHER_FROM:
                self._references.append(labels)
        self._cells, self._bounds = _cells(self._references), _bounds(self._references)
        self._sums = np.empty((0, self._bounds[-1]))

    def of(self, labels: Ints) -> Silhouette:
        """The mean silhouette under `labels` (n,), each segment of which has a customer; see `silhouette`."""
        n = len(self.points)
        known_of_all = _control(self.points, labels)
        near = self._nearest_reference(labels)
        asked, spread = 0, np.inf
        wanted = min(n, PILOT)
        while asked < wanted:
            asked = wanted
            values = self._samples(labels, near, asked)
            known = known_of_all[self._random_order[:asked]]
            slope = np.cov(values, known)[0, 1] / max(known.var(ddof=1), np.finfo(float).tiny)
            rest = values - slope * known
            spread = rest.std(ddof=2)
            if asked <= PILOT:
                wanted = min(n, int(np.ceil(1 / (ERROR**2 / max(spread**2, np.finfo(float).tiny) + 1 / n))))
        error = spread * np.sqrt((1 - asked / n) / asked)
        precision = "float32" if compiled.pays(self.points) else "float64"
        return Silhouette(float(rest.mean() + slope * known_of_all.mean()), float(error), asked, precision)

    def _samples(self, labels: Ints, near: _Near | None, asked: int) -> Floats:
        """(asked,) silhouettes of the first of the sample."""
        rows = self._random_order[:asked]
        if near is None or near.changed.mean() > 1 / 3:
            return silhouette_samples(self.points, labels, rows)
        k = _width(labels)
        first = self._bounds[near.place]
        sums = self._known_sums(asked)[:, first : first + k]
        changed = np.flatnonzero(near.changed)
        if len(changed):
            moves = near.labels[changed] * k + self._references[near.place][changed]
            to, away = _grouped_sums(self.points[rows], self.points[changed], moves, k)
            sums = np.maximum(sums + to - away, 0)
        return _of_sums(sums, near.labels[rows], np.bincount(near.labels))

    def _nearest_reference(self, labels: Ints) -> _Near | None:
        """The reference of as many segments under which the fewest points are in another one."""
        alike = [place for place, known in enumerate(self._references) if _width(known) == _width(labels)]
        near = [_Near.of(place, self._references[place], labels) for place in alike]
        return min(near, key=lambda one: one.changed.sum(), default=None)

    def _known_sums(self, asked: int) -> Floats:
        """(asked, all references' segments) summed distances from the first of the sample."""
        more = self._random_order[len(self._sums) : asked]
        if len(more):
            new = _sums_to_cells(self.points[more], self.points, self._cells, self._references)
            self._sums = np.concatenate([self._sums, new])
        return self._sums[:asked]


@dataclass(frozen=True)
class _Near:
    """A reference's place, `labels` (n,) numbered as its segments are, and which points are `changed` (n,)."""

    place: int
    labels: Ints
    changed: NDArray[np.bool_]

    @classmethod
    def of(cls, place: int, reference: Ints, labels: Ints) -> _Near:
        """Each segment gets the number of the reference's segment with which it shares points, so that most agree."""
        from scipy.optimize import linear_sum_assignment

        k = _width(labels)
        shared = np.bincount(labels * k + reference, minlength=k * k).reshape(k, k)
        alike = linear_sum_assignment(shared, maximize=True)[1][labels]
        return cls(place, alike, alike != reference)


def _control(points: Floats, labels: Ints) -> Floats:
    """(n,) the silhouettes' control variate; see `silhouette`."""
    if compiled.pays(points):
        from training.clustering.compiled.silhouette import control

        return control(points, labels)
    return _formula(_root_mean_squares(points, labels), labels)


def _grouped_sums(queries: Floats, points: Floats, cells: Ints, k: int) -> tuple[Floats, Floats]:
    """Two (q, k) sums of the distances from `queries` (q, d) to `points` (n, d), by cells // k and by cells % k."""
    present, numbers = np.unique(cells, return_inverse=True)
    sums = _sums_of_groups(queries, points, numbers, np.array([present // k, k + present % k]), 2 * k)
    return sums[:, :k], sums[:, k:]


def _sums_to_cells(queries: Floats, points: Floats, cells: Ints, segmentations: Sequence[Ints]) -> Floats:
    """(q, all segments) sums of the distances from `queries` (q, d) to the segments, which are made of `cells` (n,)."""
    some = np.zeros(int(cells.max()) + 1, dtype=np.int64)
    some[cells] = np.arange(len(cells))  # a customer of each cell
    *firsts, width = _bounds(segmentations)
    groups = np.array([labels[some] + first for labels, first in zip(segmentations, firsts, strict=True)])
    return _sums_of_groups(queries, points, cells, groups, width)


def _sums_of_groups(queries: Floats, points: Floats, cells: Ints, groups: Ints, width: int) -> Floats:
    """(q, width) sums of the distances from `queries` (q, d) to the groups, of which `groups` (m, c) names for each of
    m ways that of each cell; see `grouped_distance_sums`."""
    order = by_label(cells)
    starts = np.concatenate([[0], np.cumsum(np.bincount(cells))])
    if compiled.pays(queries):
        from training.clustering.compiled.silhouette import grouped_distance_sums

        sums = grouped_distance_sums(queries, points[order], starts, groups, np.float32)
        return np.pad(sums, ((0, 0), (0, width - sums.shape[1])))
    sums = _distance_sums(queries, points[order], starts)
    return sum((sums @ np.eye(width)[way] for way in groups), np.zeros((len(queries), width)))


def silhouettes(points: Floats, segmentations: Sequence[Ints]) -> list[Silhouette]:
    """The exact mean silhouette of `points` (n, d) under each of several `segmentations` (n,).

    Where there are many points each distance is worked out once for all segmentations, in float32: customers that no
    segmentation parts make a cell, and the distances to a segment are those to its cells.
    """
    if len(points) <= EXACT_UP_TO or not compiled.pays(points):
        return [silhouette(points, labels, exact_up_to=len(points)) for labels in segmentations]
    cells, bounds = _cells(segmentations), _bounds(segmentations)
    order = by_label(cells)
    sums = np.empty((len(points), bounds[-1]))
    sums[order] = _sums_to_cells(
        points[order], points[order], cells[order], [labels[order] for labels in segmentations]
    )
    parts = np.split(sums, bounds[1:-1], axis=1)
    values = [
        _of_sums(part, labels, np.bincount(labels)) for part, labels in zip(parts, segmentations, strict=True)
    ]
    return [Silhouette(float(value.mean()), 0.0, len(points), "float32") for value in values]


def _cells(segmentations: Sequence[Ints]) -> Ints:
    """(n,) the cell of each customer: two are in one when they are in one segment of every segmentation."""
    cells, many = np.zeros(len(segmentations[0]), dtype=np.int64), 1
    for labels in segmentations:
        k = _width(labels)
        if many > MOST_CELLS // k:
            cells = np.unique(cells, return_inverse=True)[1]
            many = int(cells.max()) + 1
        cells, many = cells * k + labels, many * k
    return np.unique(cells, return_inverse=True)[1]


def _bounds(segmentations: Sequence[Ints]) -> list[int]:
    """The number of each segmentation's first segment when those of all are numbered on, and how many there are."""
    return [0, *accumulate(_width(labels) for labels in segmentations)]


def _width(labels: Ints) -> int:
    """How many segments `labels` (n,) number, from 0 on."""
    return int(labels.max()) + 1


def silhouette_samples(points: Floats, labels: Ints, rows: Ints | None = None) -> Floats:
    """Silhouette of each of `rows` (all by default) against all `points`; (len(rows),), 0 in a segment of one."""
    everyone = rows is None
    rows = np.arange(len(points)) if rows is None else rows
    if not len(points) or labels.max() == 0:
        return np.zeros(len(rows))
    sizes = np.bincount(labels)
    order = by_label(labels)
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
    n, k = len(points), _width(labels)
    sizes, centres, squares, spread = _about_centres(points, labels)
    within = float(squares.sum())
    between = float((sizes * ((centres - sizes @ centres / n) ** 2).sum(axis=1)).sum())
    apart = np.sqrt(((centres[:, None] - centres) ** 2).sum(axis=2))
    alike = np.divide(spread[:, None] + spread, apart, out=np.zeros((k, k)), where=apart > 0)
    return {
        "davies_bouldin": float(alike.max(axis=1).mean()),
        "calinski_harabasz": between * (n - k) / (within * (k - 1)) if within else 1.0,
    }


def _about_centres(points: Floats, labels: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Of each segment its size, its centre (k, d), the summed squares of the distances to it, and their mean."""
    if compiled.pays(points):
        from training.clustering.compiled.silhouette import about_centres

        return about_centres(points, labels)
    sizes = np.bincount(labels).astype(np.float64)
    centres = np.column_stack([np.bincount(labels, column) for column in points.T]) / sizes[:, None]
    squares = ((points - centres[labels]) ** 2).sum(axis=1)
    summed, distances = (np.bincount(labels, values) for values in (squares, np.sqrt(squares)))
    return sizes, centres, np.asarray(summed, dtype=np.float64), distances / sizes


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
