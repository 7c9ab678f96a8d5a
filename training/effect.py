"""What those who were written to spent more than those held out, and how sure that is: numbers, no files.

The mean difference is taken within each segment and weighted by how many of the segment were written to. What was known
of each customer before (money so far, expected spend) is taken off by least squares within segments and groups: it
has nothing to do with who was held out, so it moves no expectation, and large customers, who are by chance in one group
or the other, no longer decide. The interval is Student's, with the degrees of freedom of Welch and Satterthwaite.
`checks/lift.py` shows that it holds what it says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LEAST_CUSTOMERS = 5  # of a segment in each group; smaller ones are taken together
CONFIDENCE = 0.95
POOLED = "others"

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Effect:
    """What the treated spent more, per customer, in money: the difference and its 95 % interval.

    treated, control: customers; spent, expected: what a treated customer spent, and would have without being
    written to, going by those held out; segments: one row per segment (see `effect_of`).
    """

    treated: int
    control: int
    spent: float
    difference: float
    low: float
    high: float
    segments: pd.DataFrame

    @property
    def expected(self) -> float:
        return self.spent - self.difference

    @property
    def is_told_apart(self) -> bool:
        """Whether chance alone would rarely bring such a difference."""
        return not self.low <= 0 <= self.high

    def total(self, per_customer: float) -> float:
        """An amount per treated customer for all of them together."""
        return per_customer * self.treated


def effect_of(spend: Floats, treated: Mask, segment: NDArray[np.object_], before: Floats) -> Effect:
    """(n,) money spent since, who was written to, and segments; (n, d) what was known before -> the effect.

    Each group needs two customers at least. `segments` of the answer has segment, treated, control (customers), spent,
    spent_control (money per customer) and difference, what was known before taken off.
    """
    names, strata = _strata(segment, treated)
    adjusted = spend - _foretold(spend, treated, strata, before)
    rows = [_row(name, spend, adjusted, treated, strata == code) for code, name in enumerate(names)]
    table = pd.DataFrame(rows)
    weight = (table.treated / table.treated.sum()).to_numpy()
    parts = np.concatenate([weight**2 * table.error_treated**2, weight**2 * table.error_control**2])
    freedom = np.concatenate([table.treated - 1, table.control - 1])
    difference = float((weight * table.difference).sum())
    margin = _margin(parts, freedom)
    segments = table.drop(columns=["error_treated", "error_control"])
    spent = float(spend[treated].mean())
    return Effect(
        int(treated.sum()),
        int((~treated).sum()),
        spent,
        difference,
        difference - margin,
        difference + margin,
        segments,
    )


def _strata(segment: NDArray[np.object_], treated: Mask) -> tuple[list[str], NDArray[np.int64]]:
    """Names of segments, and each customer's place among them; small ones are taken together.

    So each has customers enough in both groups. Where even those together are too few, all are one.
    """
    codes, unique = pd.factorize(segment, sort=True)
    least = _least(codes, treated, len(unique))
    small = least < LEAST_CUSTOMERS
    if not small.any():
        return [str(name) for name in unique], codes
    places = np.where(small, (~small).sum(), np.cumsum(~small) - 1)
    together = places[codes]
    if small.all() or _least(together, treated, places.max() + 1).min() < LEAST_CUSTOMERS:
        return [POOLED], np.zeros(len(codes), dtype=np.int64)
    return [str(name) for name in unique[~small]] + [POOLED], together


def _least(codes: NDArray[np.int64], treated: Mask, count: int) -> NDArray[np.int64]:
    """(count,) customers of each segment in the smaller of its two groups."""
    groups = [np.bincount(codes[own], minlength=count) for own in (treated, ~treated)]
    return np.minimum(*groups)


def _foretold(spend: Floats, treated: Mask, strata: NDArray[np.int64], before: Floats) -> Floats:
    """(n,) what is foretold of each customer's spend by what was known before, up to a number for all of them.

    The slopes are learnt within segment and group, so that an effect cannot hide in them.
    """
    if not before.size:
        return np.zeros(len(spend))
    cells = 2 * strata + treated
    columns = [_within(cells, column) for column in (spend, *before.T)]
    slopes = np.linalg.lstsq(np.column_stack(columns[1:]), columns[0], rcond=None)[0]
    foretold: Floats = (before - before.mean(axis=0)) @ slopes
    return foretold


def _within(cells: NDArray[np.int64], values: Floats) -> Floats:
    """(n,) each value less the mean of its cell."""
    means = np.bincount(cells, values) / np.maximum(np.bincount(cells), 1)
    less: Floats = values - means[cells]
    return less


def _row(name: str, spend: Floats, adjusted: Floats, treated: Mask, own: Mask) -> dict[str, object]:
    """A segment's customers, money and difference, and the standard error of each group's mean."""
    one, other = adjusted[own & treated], adjusted[own & ~treated]
    return {
        "segment": name,
        "treated": len(one),
        "control": len(other),
        "spent": float(spend[own & treated].mean()),
        "spent_control": float(spend[own & ~treated].mean()),
        "difference": float(one.mean() - other.mean()),
        "error_treated": float(one.std(ddof=1) / np.sqrt(len(one))),
        "error_control": float(other.std(ddof=1) / np.sqrt(len(other))),
    }


def _margin(parts: Floats, freedom: Floats) -> float:
    """Half the width of the interval, from the variances of independent parts and the degrees of freedom of each."""
    from scipy.stats import t

    variance = float(parts.sum())
    if variance == 0:
        return 0.0
    degrees = variance**2 / float((parts**2 / freedom).sum())
    return float(t.ppf((1 + CONFIDENCE) / 2, degrees)) * float(np.sqrt(variance))
