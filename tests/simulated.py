"""Made-up shops for the forecast: orders one by one, and the feature table of any day."""

import numpy as np
import pandas as pd

from contract.names import FEATURES


def features_at(orders, day):
    """Orders of (customer_id, day, value) to the feature table of the end of `day`; a purchase of that day is 1 old."""
    seen = orders[orders.day <= day].groupby("customer_id")
    table = seen.agg(
        first=("day", "min"), last=("day", "max"), Frequency=("day", "size"), Monetary=("value", "sum")
    )
    table = table.assign(
        Recency=np.floor(day - table["last"]) + 1,
        AverageOrderValue=table.Monetary / table.Frequency,
        Tenure=np.floor(day - table["first"]) + 1,
    )
    return table.reset_index()[["customer_id", *FEATURES]].astype(dict.fromkeys(FEATURES, float))


def values_at(orders, day):
    """The same as an array (n, 5)."""
    return features_at(orders, day)[list(FEATURES)].to_numpy()


def mbg_nbd_shop(customers, days, seed=0, *, r=0.8, alpha=30.0, a=0.8, b=4.0, p=4.0, q=4.0, v=60.0):
    """Orders of `days` days by the story of MBG/NBD and Gamma-Gamma, told order by order; rates are per day."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        day, rate, leaves = rng.uniform(0, days), rng.gamma(r) / alpha, rng.beta(a, b)
        nu = rng.gamma(q) / v
        while day < days:
            rows.append((str(customer), day, rng.gamma(p) / nu))
            if rng.random() < leaves:
                break
            day += rng.exponential(1 / max(rate, 1e-12))
    return shop_of(rows)


def shop_of(rows):
    """(customer, day, value) each."""
    return pd.DataFrame(rows, columns=["customer_id", "day", "value"]).sort_values("day", ignore_index=True)


def subscription(customers=300, days=540, every=30):
    """All pay the same every 30 days; every tenth stops at some time."""
    rows = []
    for customer in range(customers):
        ends = days if customer % 10 else 100 + customer
        rows += [(str(customer), float(day), 9.99) for day in range(customer % every, ends, every)]
    return shop_of(rows)
