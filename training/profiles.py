"""Who the segments are: a profile of each, and a name that follows from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

LOW, HIGH = 1 / 3, 2 / 3
VALUES = ("Low-value", "Medium-value", "High-value")

ACTIONS = {
    ("High-value", "active"): "Reward and keep: early access, a personal contact, no discounts needed.",
    ("High-value", "new"): "Win the second order: welcome them personally and propose what fits the first.",
    ("High-value", "cooling"): "Call before they go: ask what is missing and make a personal offer.",
    ("High-value", "lapsed"): "Win back first: they were worth most, so a generous offer pays.",
    ("Medium-value", "active"): "Grow the basket: bundles, free delivery above a sum, a loyalty scheme.",
    ("Medium-value", "new"): "Build the habit: a second-order voucher within the month.",
    ("Medium-value", "cooling"): "Remind: what is new since their last order, with a small incentive.",
    ("Medium-value", "lapsed"): "Win back with one strong offer; then leave them in peace.",
    ("Low-value", "active"): "Serve cheaply: automatic mails, cross-selling at the till.",
    ("Low-value", "new"): "Welcome series: show the range, find out which of them grow.",
    ("Low-value", "cooling"): "One automatic reminder; spend no more.",
    ("Low-value", "lapsed"): "Do not spend on them: a yearly mail at most.",
}


def profile(
    customers: pd.DataFrame, segment: ArrayLike, is_anomaly: ArrayLike, features: Sequence[str]
) -> pd.DataFrame:
    """Customers (one row each, with `features`) and their segments to one row a segment, lowest Monetary first.

    Columns: segment, name, customers, share, revenue, revenue_share, anomalies, mean_<feature>,
    median_<feature>, action. Shares are of all customers and of all money.
    """
    values = customers[list(features)]
    groups = values.groupby(np.asarray(segment))
    revenue = groups.Monetary.sum()
    table = pd.DataFrame(
        {
            "segment": revenue.index.astype("int64"),
            "customers": groups.size().to_numpy(),
            "share": (groups.size() / len(customers)).to_numpy(),
            "revenue": revenue.to_numpy(),
            "revenue_share": (revenue / values.Monetary.sum()).to_numpy(),
            "anomalies": pd.Series(np.asarray(is_anomaly)).groupby(np.asarray(segment)).sum().to_numpy(),
        }
    )
    for statistic in ("mean", "median"):
        for feature in features:
            table[f"{statistic}_{feature}"] = groups[feature].agg(statistic).to_numpy()
    kinds = list(zip(_values(table, values), _activities(table, values), strict=True))
    table.insert(1, "name", _unique([f"{value} {activity}" for value, activity in kinds], table))
    table["action"] = [ACTIONS[kind] for kind in kinds]
    return table


def by_value(customers: pd.DataFrame, segments: int) -> list[int]:
    """Scored customers (Monetary, segment, is_anomaly; one row each) to the numbers of their `segments`, highest
    mean Monetary of the ordinary customers first; those without any come last.

    A segment keeps its number from champion to champion, so the numbers themselves say nothing of value.
    """
    ordinary = customers[~customers["is_anomaly"]]
    worth = ordinary.groupby("segment")["Monetary"].mean().reindex(range(segments))
    return worth.sort_values(ascending=False, kind="stable").index.tolist()


def _values(table: pd.DataFrame, population: pd.DataFrame) -> list[str]:
    """The first segment is low, the last is high; one in between goes by where its median Monetary stands
    among all customers (thirds), and with three or more segments one is always medium."""
    rank = _rank_among(table.median_Monetary, population.Monetary)
    last = len(rank) - 1
    tiers = [int(r > LOW) + int(r > HIGH) for r in rank]
    tiers[0], tiers[last] = 0, 2
    between = tiers[1:last]
    if between and 1 not in between:
        tiers[1 + int(np.abs(rank[1:last] - 0.5).argmin())] = 1
    return [VALUES[tier] for tier in tiers]


def _activities(table: pd.DataFrame, population: pd.DataFrame) -> list[str]:
    """new: the median customer came among the newest fifth and orders no more often than most; otherwise
    by the median Recency among all customers: active in the most recent 40 %, lapsed in the least recent
    30 %, cooling between."""
    recency = _rank_among(table.median_Recency, population.Recency)
    newest = _rank_among(table.median_Tenure, population.Tenure) < 0.2
    new = newest & (table.median_Frequency.to_numpy() <= population.Frequency.median())
    return [
        "new" if is_new else "active" if rank < 0.4 else "lapsed" if rank > 0.7 else "cooling"
        for is_new, rank in zip(new, recency, strict=True)
    ]


def _rank_among(medians: pd.Series, population: pd.Series) -> np.ndarray:
    """Share of the population below each of `medians`, counting ties half."""
    ordered = np.sort(population.to_numpy())
    below = np.searchsorted(ordered, medians.to_numpy(), side="left")
    up_to = np.searchsorted(ordered, medians.to_numpy(), side="right")
    return (below + up_to) / 2 / len(ordered)


def _unique(names: list[str], table: pd.DataFrame) -> list[str]:
    """Tell segments of one name apart by what differs most between them: basket or frequency; else by number."""
    result = list(names)
    for name in {n for n in names if names.count(n) > 1}:
        rows = [i for i, n in enumerate(names) if n == name]
        spread = {
            words: np.ptp(np.log1p(table.loc[rows, f"median_{feature}"]))
            for feature, words in (
                ("Frequency", ("occasional", "frequent")),
                ("AverageOrderValue", ("small baskets", "large baskets")),
            )
        }
        words = max(spread, key=spread.__getitem__)
        feature = "Frequency" if words[1] == "frequent" else "AverageOrderValue"
        middle = table.loc[rows, f"median_{feature}"].mean()
        for row in rows:
            result[row] = f"{name}, {words[int(table.loc[row, f'median_{feature}'] > middle)]}"
    for name in {n for n in result if result.count(n) > 1}:
        for position, row in enumerate([i for i, n in enumerate(result) if n == name], start=1):
            result[row] = f"{name} ({position})"
    return result
