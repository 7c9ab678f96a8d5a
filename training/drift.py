"""How far customers have moved from the customers of a model's training: effect sizes, compared with chance.

There are two measures of the shares of customers in each bin. Both are 0 for equal shares. Neither grows with the
number of customers, as a test statistic would.

Numbers are judged by the population stability index, PSI = sum of (now - training) * ln(now / training). Source:
Lewis (1994), "An Introduction to Credit Scoring", and Siddiqi (2017), "Intelligent Credit Scoring", also for
the customary limits: below 0.1 little has changed, from 0.25 on the population is a different one.

Segments are judged by the total variation distance, half the sum of |now - training|: the least share of
customers that would have to change segment. Over a few bins PSI sees little: with 10 % of the customers in another
segment it can be 0.06.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.band import Band

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Terms = Callable[[Ints, Ints], Floats]  # what each bin adds to the measure of two counts (..., bins)

VERDICTS = ("ok", "watch", "drift")
PSI, TOTAL_VARIATION = "PSI", "total variation"
BINS_PER_FEATURE = 10
CHANCE_QUANTILE = 0.95
CHANCE_SAMPLES = 1000


@dataclass(frozen=True)
class Thresholds:
    """The values from which a line is to be watched, and from which it has drifted.

    watch, drift: of the PSI of a feature; watch_mix, drift_mix: of the total variation of the segments' shares.
    """

    watch: float = 0.1
    drift: float = 0.25
    watch_mix: float = 0.05
    drift_mix: float = 0.1

    def of(self, measure: str) -> tuple[float, float]:
        """(watch, drift) of one measure."""
        return (self.watch, self.drift) if measure == PSI else (self.watch_mix, self.drift_mix)


@dataclass(frozen=True)
class Bin:
    """The share of customers in one bin, in training and now, and what it adds to the line's value."""

    label: str
    training: float
    now: float
    adds: float


@dataclass(frozen=True)
class Line:
    """One column of the scored customers, compared.

    training, now: its medians; for is_anomaly the share flagged, for segment None. measure, value: how far
    the two are apart, in PSI, or for segment in total variation. by_chance: by chance alone, the value is below
    this one 95 times of 100. is_anomaly has no measure, value, by_chance or bins: it is judged by the model's band.
    """

    name: str
    training: float | None
    now: float | None
    measure: str | None
    value: float | None
    by_chance: float | None
    verdict: str
    bins: list[Bin]


def compare_customers(
    training: pd.DataFrame,
    now: pd.DataFrame,
    features: Sequence[str],
    band: Band,
    thresholds: Thresholds,
    days: int | None = 0,
) -> list[Line]:
    """Customers of the training and of now -> one line for each feature, and for distance, segment and is_anomaly.

    Both tables are scored by one model. features: those of its distances. days: by how many days the as-of date
    has moved, None when that is not known. A moved date moves every Tenure, so the verdict on Tenure is then at
    most "watch".
    """
    lines = []
    for name in (*features, "distance"):
        before, after = (table[name].to_numpy(np.float64) for table in (training, now))
        medians = float(np.median(before)), float(np.median(after))
        line = _line(name, medians, *in_deciles(before, after), PSI, thresholds)
        if name == "Tenure" and days and line.verdict == "drift":
            line = replace(line, verdict="watch")
        lines.append(line)
    names = training.groupby("segment").segment_name.first()
    mix = [table.segment.value_counts().reindex(names.index, fill_value=0) for table in (training, now)]
    before, after = (counts.to_numpy() for counts in mix)
    lines.append(_line("segment", (None, None), names.tolist(), before, after, TOTAL_VARIATION, thresholds))
    rates = float(training.is_anomaly.mean()), float(now.is_anomaly.mean())
    fits = band.holds(int(now.is_anomaly.sum()), len(now))
    lines.append(Line("is_anomaly", *rates, None, None, None, "ok" if fits else "drift", []))
    return lines


def worst(lines: Sequence[Line]) -> str:
    """The verdict of the line that has moved most."""
    return max((line.verdict for line in lines), key=VERDICTS.index)


def in_deciles(training: Floats, now: Floats) -> tuple[list[str], Ints, Ints]:
    """Both, counted in the deciles of `training` and in a bin on either side of its range: labels, two counts (bins,).

    A bin holds the values above the edge of the bin before, up to its own edge. Edges are values that occur,
    and equal edges are one. Where a third of all customers ordered once, Frequency 1 is therefore one bin with a
    third of the customers, and not three deciles that share equal customers out.
    """
    quantiles = np.arange(1, BINS_PER_FEATURE + 1) / BINS_PER_FEATURE
    edges = np.unique(np.quantile(training, quantiles, method="inverted_cdf"))
    least = training.min()

    def count(values: Floats) -> Ints:
        bins = np.where(values < least, 0, 1 + np.searchsorted(edges, values))
        return np.bincount(bins, minlength=len(edges) + 2)

    first = f"{least:g} to {edges[0]:g}" if least < edges[0] else f"{least:g}"
    labels = [f"below {least:g}", first]
    labels += [f"above {low:g} to {high:g}" for low, high in pairwise(edges)]
    labels.append(f"above {edges[-1]:g}")
    return labels, count(training), count(now)


def psi_terms(training: Ints, now: Ints) -> Floats:
    """What each bin adds to the population stability index of two counts (..., bins) of customers; (..., bins).

    An empty bin counts as half a customer, so that the logarithm exists: the usual correction of an
    empty cell (Haldane 1956, Anscombe 1956). With a fixed tiny share instead, the index of a small file
    would depend more on that number than on the customers.
    """
    before, after = (
        np.maximum(counts, 0.5) / counts.sum(axis=-1, keepdims=True) for counts in (training, now)
    )
    terms: Floats = (after - before) * np.log(after / before)
    return terms


def total_variation_terms(training: Ints, now: Ints) -> Floats:
    """What each bin adds to the total variation distance of two counts (..., bins) of customers; (..., bins)."""
    before, after = (counts / counts.sum(axis=-1, keepdims=True) for counts in (training, now))
    terms: Floats = np.abs(after - before) / 2
    return terms


TERMS: dict[str, Terms] = {
    PSI: psi_terms,
    TOTAL_VARIATION: total_variation_terms,
}


def by_chance(training: Ints, customers: int, measure: str = PSI) -> float:
    """The value below which 95 of 100 samples of `customers` customers lie when nothing has changed.

    It comes from 1,000 pairs of samples of the counts of `training` (bins,), which are the same at each call.
    For large samples there is a formula: the PSI is (1 / n + 1 / m) times a chi-square of bins - 1 degrees of
    freedom (Yurdakul and Naranjo 2020, "Statistical properties of the population stability index"). With a hundred
    customers, many bins are empty, and the formula's value is a quarter too low.
    """
    random = np.random.default_rng(0)
    expected = np.maximum(training, 0.5)
    expected /= expected.sum()
    pairs = [random.multinomial(n, expected, size=CHANCE_SAMPLES) for n in (int(training.sum()), customers)]
    return float(np.quantile(TERMS[measure](*pairs).sum(axis=-1), CHANCE_QUANTILE))


def _line(
    name: str,
    medians: tuple[float | None, float | None],
    labels: Sequence[str],
    before: Ints,
    after: Ints,
    measure: str,
    thresholds: Thresholds,
) -> Line:
    terms, chance = TERMS[measure](before, after), by_chance(before, int(after.sum()), measure)
    (watch, drift), value, verdict = thresholds.of(measure), float(terms.sum()), "ok"
    if value >= max(watch, chance):
        verdict = "watch" if value < drift else "drift"
    columns = (before / before.sum(), after / after.sum(), terms)
    bins = [Bin(*row) for row in zip(labels, *(column.tolist() for column in columns), strict=True)]
    return Line(name, *medians, measure, value, chance, verdict, bins)
