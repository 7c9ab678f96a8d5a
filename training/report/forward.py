"""The forward check: do segments made at a cut-off say who spends afterwards, and more than plain RFM says?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from contract.words import ALTERNATIVES, percent
from training.value.plain import QUINTILES, quantile_group, rfm_scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CutOff:
    """A shop's customers as they were known at a cut-off, in groups made from that alone, and their spend afterwards.

    customers: one row per customer; segment: (n,) by their numbers of then, most valuable last; same_as: (n,) today's
    segment that theirs is, or -1; state: (n,) of then; left_best: (n,) who had left the best segment in the days
    before, None where that is not known; spend: (n,) money in the `days` after the cut-off, 0 for who bought nothing.
    """

    as_of: datetime
    days: int
    customers: pd.DataFrame
    segment: Ints
    same_as: Ints
    state: NDArray[np.object_]
    spend: Floats
    left_best: NDArray[np.bool_] | None = None

    def groups(self) -> dict[str, Ints]:
        """(n,) the group of each customer: by segment, and by each of the ALTERNATIVES."""
        return {
            "segments": self.segment,
            "rfm": rfm_tiers(self.customers, int(self.segment.max()) + 1),
            "rfm_same_sizes": rfm_of_sizes(self.customers, np.bincount(self.segment)),
            "rfm_cells": rfm_cells(self.customers),
        }


@dataclass(frozen=True)
class Forward:
    """How much of later spend segments explain, over all cut-offs, and what plain RFM explains.

    eta_squared: for segments and each alternative, of spend and of log1p of spend (name with _log), the mean over the
    cut-offs; ahead: how much more the segments explain of the log than each alternative, with a standard error;
    top_share: the share of all later spend that the most valuable segment brings, and as many customers by RFM.
    by_cut_off: one row per cut-off (cut_off, customers, eta squared of each).
    """

    days: int
    eta_squared: dict[str, float]
    ahead: dict[str, tuple[float, float]]
    top_share: dict[str, float]
    by_cut_off: pd.DataFrame
    groups: pd.DataFrame
    sentences: list[str]

    @property
    def metrics(self) -> dict[str, float]:
        """forward_* metrics of a run."""
        values = {f"forward_eta_squared_{name}": value for name, value in self.eta_squared.items()}
        for name, (difference, error) in self.ahead.items():
            values |= {f"forward_ahead_of_{name}": difference, f"forward_ahead_of_{name}_se": error}
        values |= {f"forward_top_share_{name}": value for name, value in self.top_share.items()}
        return values | {"forward_cut_offs": float(len(self.by_cut_off))}

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "days": self.days,
            "eta_squared": self.eta_squared,
            "ahead": {name: {"difference": d, "standard_error": e} for name, (d, e) in self.ahead.items()},
            "top_share": self.top_share,
            "by_cut_off": self.by_cut_off.to_dict("records"),
            "groups": self.groups.to_dict("records"),
            "sentences": self.sentences,
        }


def forward_check(cut_offs: Sequence[CutOff], names: Sequence[str], sample_note: str = "") -> Forward:
    """The check over one cut-off or more, latest first.

    names: one per segment of today; sample_note: of whom the cut-offs are, as `Past.sample_note` says it.
    """
    grouped = [cut_off.groups() for cut_off in cut_offs]
    methods = ("segments", *ALTERNATIVES)
    rows = []
    for cut_off, groups in zip(cut_offs, grouped, strict=True):
        row: dict[str, Any] = {"cut_off": f"{cut_off.as_of:%Y-%m-%d}", "customers": len(cut_off.spend)}
        for name in methods:
            row[name] = eta_squared(cut_off.spend, groups[name])
            row[f"{name}_log"] = eta_squared(np.log1p(cut_off.spend), groups[name])
        rows.append(row)
    table = pd.DataFrame(rows)
    explained = {name: float(table[name].mean()) for name in table.columns.drop(["cut_off", "customers"])}
    ahead = {name: difference(cut_offs, grouped, "segments", name) for name in ALTERNATIVES}
    top = {name: _top_share(cut_offs, grouped, name) for name in ("segments", "rfm_same_sizes")}
    groups = pd.concat(
        [
            _by_group("segment", [c.same_as for c in cut_offs], cut_offs, dict(enumerate(names))),
            _by_group("rfm", [g["rfm"] for g in grouped], cut_offs, _tier_names(len(names))),
        ],
        ignore_index=True,
    )
    sentences = _sentences(cut_offs, sample_note, explained, ahead, top)
    return Forward(cut_offs[0].days, explained, ahead, top, table, groups, sentences)


def spend_between(before: pd.DataFrame, after: pd.DataFrame) -> Floats:
    """What each customer of `before` (customer_id, Monetary; n rows) spent until `after` was counted; (n,).

    Never negative: who bought nothing, or took back more than they bought, spent 0.
    """
    later = after.set_index("customer_id").Monetary.reindex(before.customer_id).fillna(0).to_numpy()
    return np.maximum(later - before.Monetary.to_numpy(), 0.0)


def eta_squared(values: ArrayLike, group: ArrayLike) -> float:
    """Share of the variance of `values` (n,) that lies between groups (n,): 0 to 1; nan when nothing varies.

    Source: Fisher's correlation ratio, as effect size in Cohen (1988), "Statistical power analysis for
    the behavioral sciences".
    """
    values = np.asarray(values, dtype=np.float64)
    means = _group_means(values, np.asarray(group))
    total = ((values - values.mean()) ** 2).sum()
    return float(((means - values.mean()) ** 2).sum() / total) if total > 0 else float("nan")


def difference(
    cut_offs: Sequence[CutOff], grouped: Sequence[dict[str, Ints]], one: str, other: str
) -> tuple[float, float]:
    """How much more of the log of spend `one` grouping explains than the `other`: mean over cut-offs, standard error.

    The error is that of drawing other customers of the same shop. It comes from each customer's influence on the
    difference, added up over the cut-offs at which the customer was there, because the same customer at two cut-offs
    is not two customers (Efron and Tibshirani 1993, "An introduction to the bootstrap", ch. 21, the infinitesimal
    jackknife).
    """
    differences, influences = [], []
    for cut_off, groups in zip(cut_offs, grouped, strict=True):
        values = np.log1p(cut_off.spend)
        differences.append(eta_squared(values, groups[one]) - eta_squared(values, groups[other]))
        influence = _influence(values, groups[one]) - _influence(values, groups[other])
        share = influence / (len(values) * len(cut_offs))
        influences.append(pd.Series(share, index=cut_off.customers.customer_id))
    per_customer = pd.concat(influences).groupby(level=0).sum()
    return float(np.mean(differences)), float(np.sqrt((per_customer**2).sum()))


def _influence(values: Floats, group: Ints) -> Floats:
    """(n,) the influence of each customer on eta squared: what more of such customers would add to it."""
    within = (values - _group_means(values, group)) ** 2
    total = (values - values.mean()) ** 2
    variance = total.mean()
    if variance == 0:
        return np.zeros(len(values))
    return -(within - within.mean()) / variance + within.mean() * (total - variance) / variance**2


def _group_means(values: Floats, group: Ints) -> Floats:
    """(n,) the mean of each customer's group."""
    _, index = np.unique(group, return_inverse=True)
    return (np.bincount(index, weights=values) / np.bincount(index))[index]


def rfm_tiers(customers: pd.DataFrame, tiers: int) -> Ints:
    """(n,) tier of each customer by the sum of their RFM scores, 0 (worst) to `tiers` - 1, of about equal size.

    Equal sums share a tier.
    """
    return (quantile_group(_rfm_scores(customers).sum(axis=1), tiers) - 1).astype(np.int64)


def rfm_of_sizes(customers: pd.DataFrame, sizes: Ints) -> Ints:
    """(n,) customers in the order of their RFM sums, cut into groups of these sizes, the worst first.

    Of equal sums, who spent more comes later.
    """
    score = _rfm_scores(customers).sum(axis=1)
    order = np.lexsort((customers.Monetary.to_numpy(), score))
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.repeat(np.arange(len(sizes)), sizes)
    return group


def rfm_cells(customers: pd.DataFrame) -> Ints:
    """(n,) one of 25 cells: the score of Recency, and that of Frequency and Monetary together."""
    recency, frequency, monetary = _rfm_scores(customers).T
    worth = quantile_group(frequency + monetary, QUINTILES)
    return (QUINTILES * (recency - 1) + worth - 1).astype(np.int64)


def _rfm_scores(customers: pd.DataFrame) -> Floats:
    columns = (customers[name].to_numpy(dtype=np.float64) for name in ("Recency", "Frequency", "Monetary"))
    return rfm_scores(*columns)


def _top_share(cut_offs: Sequence[CutOff], grouped: Sequence[dict[str, Ints]], name: str) -> float:
    """The share of all later spend that the customers of the highest group brought: the mean over the cut-offs."""
    shares = []
    for cut_off, groups in zip(cut_offs, grouped, strict=True):
        top = groups[name] == groups[name].max()
        shares.append(cut_off.spend[top].sum() / cut_off.spend.sum())
    return float(np.mean(shares))


def _tier_names(tiers: int) -> dict[int, str]:
    return {tier: f"RFM tier {tier + 1} of {tiers}" for tier in range(tiers)}


def _by_group(
    kind: str, groups: Sequence[Ints], cut_offs: Sequence[CutOff], names: dict[int, str]
) -> pd.DataFrame:
    """One row per group: customers, their mean spend and the share who bought again, as means over the cut-offs."""
    tables = []
    for group, cut_off in zip(groups, cut_offs, strict=True):
        spent = (
            pd.DataFrame({"group": group, "money": cut_off.spend}).query("group >= 0").groupby("group").money
        )
        tables.append(
            spent.agg(customers="size", mean_spend="mean", bought_again=lambda own: (own > 0).mean())
        )
    table = pd.concat(tables).groupby(level=0).mean().reset_index()
    table.insert(0, "kind", kind)
    table.insert(2, "name", [names[number] for number in table.group])
    return table


def _sentences(
    cut_offs: Sequence[CutOff],
    sample_note: str,
    explained: dict[str, float],
    ahead: dict[str, tuple[float, float]],
    top: dict[str, float],
) -> list[str]:
    days = cut_offs[0].days
    dates = [f"{cut_off.as_of:%Y-%m-%d}" for cut_off in cut_offs]
    when = f"at {dates[0]}" if len(dates) == 1 else f"at {len(dates)} cut-offs, {dates[-1]} to {dates[0]}"
    pause = "," if len(dates) > 1 or sample_note else ""
    return [
        f"Segments were made {when}{sample_note}{pause} from what was known then alone, and held against the money "
        f"that the same customers spent in the {days} days after.",
        f"They explain {percent(explained['segments_log'])} of the variance of the log of that spend (eta squared); "
        f"the log, because a few big spenders decide the plain one ({percent(explained['segments'])}).",
        *(_compared(name, explained[f"{name}_log"], *ahead[name]) for name in ALTERNATIVES),
        f"The most valuable segment brought {percent(top['segments'])} of that spend; as many customers with the "
        f"highest RFM sums brought {percent(top['rfm_same_sizes'])}.",
    ]


def _compared(name: str, value: float, difference: float, error: float) -> str:
    what = ALTERNATIVES[name]
    if abs(difference) <= 2 * error:
        verdict = "not told apart from the segments"
    else:
        verdict = "less than the segments" if difference > 0 else "more than the segments"
    return (
        f"{what[0].upper()}{what[1:]} explain {percent(value)}: {verdict} (difference {difference:+.3f}, standard "
        f"error {error:.3f})."
    )
