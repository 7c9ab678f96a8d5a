"""How far customers have moved from those a model was trained on: effect sizes, beside what chance would show.

Two measures, of the shares of customers in each bin. Both are 0 for equal shares and do not grow with the
number of customers, as a test statistic would.

Numbers are judged by the population stability index, PSI = sum of (now - training) * ln(now / training). Source:
Lewis (1994), "An Introduction to Credit Scoring", and Siddiqi (2017), "Intelligent Credit Scoring", also for
the customary limits: below 0.1 little has changed, from 0.25 the population is another one.

Segments are judged by the total variation distance, half the sum of |now - training|: the least share of
customers that would have to change segment. Over a few bins PSI is blunt: 10 % in another segment can be 0.06.
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

VERDICTS = ("ok", "watch", "drift")
PSI, TOTAL_VARIATION = "PSI", "total variation"
BINS = 10
CHANCE = 0.95
SAMPLES = 1000


@dataclass(frozen=True)
class Thresholds:
    """From where a line is to be watched, and from where it has drifted: PSI, and for the segments' mix the
    total variation."""

    watch: float = 0.1
    drift: float = 0.25
    watch_mix: float = 0.05
    drift_mix: float = 0.1

    def of(self, measure: str) -> tuple[float, float]:
        """The two of one measure."""
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

    training, now: its median; the share flagged for is_anomaly, nothing for segment. measure, value: how
    far they are apart, in PSI, for segment in total variation. by_chance: the value that chance alone stays
    below, 95 times of 100. is_anomaly has none of these, nor bins: it is judged by the model's band.
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
    used: Sequence[str],
    band: Band,
    thresholds: Thresholds,
    days: int | None = 0,
) -> list[Line]:
    """Customers of the training and of now, both scored by one model, to one line for each of the features
    `used`, for distance, segment and is_anomaly.

    days: by how much the as-of date has moved, None when not known. A moved date moves every Tenure, so
    this line is then to be watched at most.
    """
    lines = []
    for name in (*used, "distance"):
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
    """Both counted in the deciles of `training`, with a bin of its own on either side of its range: labels
    and two counts (bins,).

    A bin holds what is above the one before, up to its edge included. Edges are values that occur, and
    equal ones are merged: a third of all customers ordered once, so Frequency 1 is one bin of a third
    and not three deciles cut through equals.
    """
    quantiles = np.arange(1, BINS + 1) / BINS
    edges = np.unique(np.quantile(training, quantiles, method="inverted_cdf"))
    least = training.min()

    def count(values: Floats) -> Ints:
        places = np.where(values < least, 0, 1 + np.searchsorted(edges, values))
        return np.bincount(places, minlength=len(edges) + 2)

    first = f"{least:g} to {edges[0]:g}" if least < edges[0] else f"{least:g}"
    labels = [f"below {least:g}", first]
    labels += [f"above {low:g} to {high:g}" for low, high in pairwise(edges)]
    labels.append(f"above {edges[-1]:g}")
    return labels, count(training), count(now)


def psi_terms(training: NDArray, now: NDArray) -> Floats:
    """What each bin adds to the population stability index of two counts (..., bins) of customers; (..., bins).

    An empty bin counts as half a customer, so that the logarithm exists: the usual correction of an
    empty cell (Haldane 1956, Anscombe 1956). With a fixed tiny share instead, the index of a small file
    would say more about that number than about the customers.
    """
    before, after = (
        np.maximum(counts, 0.5) / counts.sum(axis=-1, keepdims=True) for counts in (training, now)
    )
    return (after - before) * np.log(after / before)


def total_variation_terms(training: NDArray, now: NDArray) -> Floats:
    """What each bin adds to the total variation distance of two counts (..., bins) of customers; (..., bins)."""
    before, after = (counts / counts.sum(axis=-1, keepdims=True) for counts in (training, now))
    return np.abs(after - before) / 2


TERMS: dict[str, Callable[[NDArray, NDArray], Floats]] = {
    PSI: psi_terms,
    TOTAL_VARIATION: total_variation_terms,
}


def by_chance(training: Ints, customers: int, measure: str = PSI) -> float:
    """The value that 95 of 100 samples of so many `customers` stay below when nothing has changed, found by
    drawing 1,000 pairs of samples from the counts of `training` (bins,); the same ones each time.

    In large samples the PSI's is (1 / n + 1 / m) times a chi-square of bins - 1 degrees of freedom (Yurdakul and
    Naranjo 2020, "Statistical properties of the population stability index"); where bins run empty, as
    with a hundred customers, that is a quarter too low.
    """
    random = np.random.default_rng(0)
    expected = np.maximum(training, 0.5)
    expected /= expected.sum()
    pairs = [random.multinomial(n, expected, size=SAMPLES) for n in (int(training.sum()), customers)]
    return float(np.quantile(TERMS[measure](*pairs).sum(axis=-1), CHANCE))


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
    (watch, drift), found, verdict = thresholds.of(measure), float(terms.sum()), "ok"
    if found >= max(watch, chance):
        verdict = "watch" if found < drift else "drift"
    columns = (before / before.sum(), after / after.sum(), terms)
    bins = [Bin(*row) for row in zip(labels, *(column.tolist() for column in columns), strict=True)]
    return Line(name, *medians, measure, found, chance, verdict, bins)
