"""Who the segments are: a profile of each, and a name that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from contract.group_sums import customers_for_half
from contract.names import STATES
from training.states import LATE_FROM_GAPS, second_order_gap, shop_gap, states

LEVELS = {
    1: ("One-value",),
    2: ("Low-value", "High-value"),
    3: ("Low-value", "Medium-value", "High-value"),
    4: ("Low-value", "Lower-medium-value", "Upper-medium-value", "High-value"),
    5: ("Low-value", "Lower-medium-value", "Medium-value", "Upper-medium-value", "High-value"),
}
MAJORITY = (
    0.5  # the share of a segment's customers that must be in a class before the segment is named after it
)
NAME_HOLDS = 0.4  # ... and down to which a name that the segment already has stays
NEW_UP_TO = 0.25  # of the span of the data: customers who first bought later than that are new
ACTIVITIES = ("new", "active", "lapsed")  # the first that a majority is in, names the segment


def profile(
    customers: pd.DataFrame, segment: ArrayLike, is_anomaly: ArrayLike, features: Sequence[str]
) -> pd.DataFrame:
    """Customers (one row each, with `features`) and their segments to one row per segment, lowest number first.

    Columns: segment, name, value, customers, share, revenue, revenue_share, anomalies, half_by (the fewest customers
    who bring half of the segment's money), mean_<feature>, median_<feature>, the number of customers in each state,
    state_<state>, and the share of the segment's customers in each activity, share_<activity>. Other shares are of
    all customers and of all money. name and value: see `named` and `value_words`.
    """
    values, number = customers[list(features)], np.asarray(segment)
    groups = values.groupby(number)
    revenue = groups.Monetary.sum()
    table = pd.DataFrame(
        {
            "segment": revenue.index.astype("int64"),
            "customers": groups.size().to_numpy(),
            "share": (groups.size() / len(customers)).to_numpy(),
            "revenue": revenue.to_numpy(),
            "revenue_share": (revenue / values.Monetary.sum()).to_numpy(),
            "anomalies": pd.Series(np.asarray(is_anomaly)).groupby(number).sum().to_numpy(),
            "half_by": groups.Monetary.agg(customers_for_half).to_numpy(),
        }
    )
    for statistic in ("mean", "median"):
        for feature in features:
            table[f"{statistic}_{feature}"] = groups[feature].agg(statistic).to_numpy()
    state = pd.Series(states(customers, shop_gap(customers)))
    for name in STATES:
        table[f"state_{name}"] = (state == name).groupby(number).sum().to_numpy()
    shares = activity_shares(customers, number)
    table = table.assign(**{f"share_{activity}": shares[activity].to_numpy() for activity in ACTIVITIES})
    table.insert(1, "name", [named(row) for row in table.assign(value=value_words(table)).to_dict("records")])
    table.insert(2, "value", value_words(table))
    return table


def by_value(customers: pd.DataFrame, segments: int) -> list[int]:
    """Scored customers (Monetary, segment, is_anomaly; one row each) to the numbers of their `segments`, highest
    median Monetary of the ordinary customers first; those without any come last.

    A segment keeps its number from champion to champion, so the numbers themselves say nothing of value.
    """
    ordinary = customers[~customers["is_anomaly"]]
    worth = ordinary.groupby("segment")["Monetary"].median().reindex(range(segments))
    return worth.sort_values(ascending=False, kind="stable").index.tolist()


def named(row: Mapping[str, Any]) -> str:
    """The name of a segment from its row of the profile: its value word, and an activity word where one is true.

    The activity word is the class that at least half of the segment's customers are in; without such a class there
    is none.
    """
    activity = next((word for word in ACTIVITIES if row[f"share_{word}"] >= MAJORITY), "")
    return f"{row['value']} {activity}".strip()


def still_true(name: str, row: Mapping[str, Any]) -> bool:
    """Whether a name that a segment already has is true of its row of today's profile.

    Its value word must be today's, and its activity word must hold for NAME_HOLDS of the customers at least, so that
    a few customers do not rename a segment.
    """
    activity = next((word for word in ACTIVITIES if name.endswith(f" {word}")), "")
    if name.removesuffix(f" {activity}" if activity else "") != row["value"]:
        return False
    return not activity or row[f"share_{activity}"] >= NAME_HOLDS


def value_words(table: pd.DataFrame) -> list[str]:
    """A different word for each row of the profile, by the rank of the segment's median Monetary.

    That is the number which tables print. Where medians are equal, the mean decides.
    """
    order = np.lexsort((table.mean_Monetary.to_numpy(), table.median_Monetary.to_numpy()))
    count = len(order)
    words = LEVELS.get(count) or (
        "Low-value",
        *(f"Value level {level} of {count}" for level in range(2, count)),
        "High-value",
    )
    return [words[rank] for rank in np.argsort(order)]


def activity_shares(customers: pd.DataFrame, segment: NDArray[np.int64]) -> pd.DataFrame:
    """One row per segment, one column per activity: the share of its customers who are in that class.

    new: first bought in the last quarter of the time that the data span. active and lapsed: by the customer's own gap
    (states active and late); who bought once is lapsed after twice the shop's gap between first and second order, and
    active within one. Where Recency does not vary, nobody is in a class: it says nothing then.
    """
    state = states(customers, shop_gap(customers))
    gap = second_order_gap(customers)
    once = state == "one-time"
    recency, tenure = customers.Recency.to_numpy(), customers.Tenure.to_numpy()
    known = np.full(len(customers), np.ptp(recency) > 0)
    classes = pd.DataFrame(
        {
            "new": known & (tenure <= NEW_UP_TO * tenure.max()),
            "active": known & ((state == "active") | (once & (recency <= gap))),
            "lapsed": known & ((state == "late") | (once & (recency > LATE_FROM_GAPS * gap))),
        }
    )
    return classes.groupby(segment).mean()
