"""The forward check: do segments made at a cut-off say who spends afterwards, and better than plain RFM tiers?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from contract.words import amount, percent

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Forward:
    """What the customers of a cut-off spent in the `days` after it, by segment and by RFM tier.

    groups: one row a segment and one a tier (kind: segment or rfm; group: its number; name; customers;
    mean_spend; bought_again: the share who spent anything); eta_squared: the share of the variance of
    spend that segments and tiers explain, each also for log1p of spend.
    """

    cut_off: datetime
    days: int
    customers: int
    groups: pd.DataFrame
    eta_squared: dict[str, float]
    sentences: list[str]

    @property
    def metrics(self) -> dict[str, float]:
        """forward_* metrics of a run."""
        return {f"forward_eta_squared_{name}": value for name, value in self.eta_squared.items()}

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "cut_off": self.cut_off.isoformat(),
            "days": self.days,
            "customers": self.customers,
            "eta_squared": self.eta_squared,
            "groups": self.groups.to_dict("records"),
            "sentences": self.sentences,
        }


def forward_check(
    customers: pd.DataFrame,
    segment: ArrayLike,
    names: Mapping[int, str],
    spend: ArrayLike,
    cut_off: datetime,
    days: int,
) -> Forward:
    """The customers of a cut-off (n, one row each), their segments (n,) and later spend (n,) to the check.

    names: one a segment, by its number; spend: money in the `days` after the cut-off, 0 for who bought nothing.
    Compared with `rfm_tiers` of the same customers, as many as there are segments.
    """
    money = np.asarray(spend, dtype=np.float64)
    tier = rfm_tiers(customers, len(names))
    tiers = {place: f"RFM tier {place + 1} of {len(names)}" for place in range(len(names))}
    groups = pd.concat(
        [_by_group("segment", np.asarray(segment), names, money), _by_group("rfm", tier, tiers, money)],
        ignore_index=True,
    )
    explained = {
        "segments": eta_squared(money, segment),
        "segments_log": eta_squared(np.log1p(money), segment),
        "rfm": eta_squared(money, tier),
        "rfm_log": eta_squared(np.log1p(money), tier),
    }
    said = _sentences(groups, explained, len(money), f"{cut_off:%Y-%m-%d}", days)
    return Forward(cut_off, days, len(money), groups, explained, said)


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
    _, place = np.unique(np.asarray(group), return_inverse=True)
    sizes = np.bincount(place)
    means = np.bincount(place, weights=values) / sizes
    total = ((values - values.mean()) ** 2).sum()
    return float((sizes * (means - values.mean()) ** 2).sum() / total) if total > 0 else float("nan")


def rfm_tiers(customers: pd.DataFrame, tiers: int) -> NDArray[np.int64]:
    """(n,) tier of each customer by the sum of their RFM scores, 0 (worst) to `tiers` - 1.

    Recency, Frequency and Monetary are each scored 1 to 5 by quintile, the latest order best; the
    sums are cut into tiers of about equal size. Equal values share a score, and equal sums a tier.
    Source: Hughes (1994), "Strategic database marketing".
    """
    score = sum(
        np.ceil(5 * values.rank(pct=True))
        for values in (-customers.Recency, customers.Frequency, customers.Monetary)
    )
    return (np.ceil(tiers * pd.Series(score).rank(pct=True)) - 1).to_numpy(dtype=np.int64)


def _by_group(kind: str, group: NDArray[Any], names: Mapping[int, str], money: Floats) -> pd.DataFrame:
    spent = pd.DataFrame({"group": group, "money": money}).groupby("group").money
    table = spent.agg(customers="size", mean_spend="mean", bought_again=lambda own: (own > 0).mean())
    table = table.reset_index()
    table.insert(0, "kind", kind)
    table.insert(2, "name", [names[number] for number in table.group])
    return table


def _sentences(
    groups: pd.DataFrame, explained: dict[str, float], customers: int, cut_off: str, days: int
) -> list[str]:
    segments = groups[groups.kind == "segment"]
    top, low = segments.loc[segments.mean_spend.idxmax()], segments.loc[segments.mean_spend.idxmin()]
    by = {name: percent(value) for name, value in explained.items()}
    winner = "segments" if explained["segments_log"] >= explained["rfm_log"] else "RFM tiers"
    return [
        f"Segments were made from the data up to {cut_off} alone. In the next {days} days their {customers:,} "
        f"customers spent, on average: {top['name']} {amount(top.mean_spend)} ({percent(top.bought_again)} bought "
        f"again), {low['name']} {amount(low.mean_spend)} ({percent(low.bought_again)}).",
        f"The segments explain {by['segments']} of the variance of that spend and {by['segments_log']} of that of "
        f"its logarithm (eta squared); as many tiers of summed RFM scores, the plain alternative, {by['rfm']} and "
        f"{by['rfm_log']}. On the logarithm, which a few big spenders do not decide, the {winner} say more.",
    ]
