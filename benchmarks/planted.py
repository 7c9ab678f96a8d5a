"""Does the list of the unusual hold customers who really are? Odd customers are planted in a shop, and looked for.

    python benchmarks/planted.py FILE [FILE...]

Each kind of odd customer is planted by itself, EACH of them among the shop's own customers, and each way of finding the
unusual flags the same share of all customers. What is printed is the share of the planted that are flagged (recall),
the mean over SEEDS draws of the planted. The product's DBSCAN sees the days between first and last order in the place
of Tenure; the others, and "DBSCAN, plain", see the five features as the usual way has them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from contract.names import FEATURES
from training.clustering.density import eps_for_rate, neighbours
from training.clustering.segmenter import density_features, standardise
from training.clustering.sweep import FIRST_MIN_SAMPLES
from training.shop import Reading, count_customers
from training.train import SPAN_COLUMNS

RATES = (0.005, 0.01, 0.015, 0.02)
EACH = 5
ROBOTS = 12
SEEDS = 5


def one_huge_order(shop: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """One order, a hundred times the mean order of the shop."""
    recency = random.integers(5, 200, EACH)
    return _customers(
        recency, 1, 100 * shop.AverageOrderValue.mean() * random.lognormal(0, 0.2, EACH), recency
    )


def hundreds_of_tiny_orders(shop: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """300 orders, each a hundredth of the median order."""
    frequency = random.integers(250, 350, EACH)
    money = frequency * shop.AverageOrderValue.median() / 100 * random.lognormal(0, 0.2, EACH)
    return _customers(random.integers(1, 5, EACH), frequency, money, random.integers(300, 360, EACH))


def one_day_burst(shop: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """40 usual orders on one day."""
    return _burst(shop, random, 40)


def moderate_burst(shop: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """8 usual orders on one day: no number is extreme by itself."""
    return _burst(shop, random, 8)


def robots(shop: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """A dozen who are nearly one another: 60 orders of the same small basket in 20 days."""
    frequency = random.integers(58, 63, ROBOTS)
    money = frequency * shop.AverageOrderValue.median() / 10 * random.lognormal(0, 0.03, ROBOTS)
    return _customers(random.integers(2, 4, ROBOTS), frequency, money, random.integers(20, 23, ROBOTS))


def everything_returned(shop: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Three orders of which next to nothing was kept."""
    money = shop.Monetary.median() / 1000 * random.lognormal(0, 0.3, EACH)
    return _customers(random.integers(50, 200, EACH), 3, money, random.integers(250, 350, EACH))


def enormous_order_long_ago(shop: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """One order of fifty mean ones, in the shop's first days."""
    first = int(shop.Tenure.max()) - random.integers(0, 5, EACH)
    return _customers(first, 1, 50 * shop.AverageOrderValue.mean() * random.lognormal(0, 0.2, EACH), first)


KINDS = (
    one_huge_order,
    hundreds_of_tiny_orders,
    one_day_burst,
    moderate_burst,
    robots,
    everything_returned,
    enormous_order_long_ago,
)


def _burst(shop: pd.DataFrame, random: np.random.Generator, orders: int) -> pd.DataFrame:
    recency = random.integers(30, 200, EACH)
    money = orders * shop.AverageOrderValue.median() * random.lognormal(0, 0.2, EACH)
    return _customers(recency, orders, money, recency)


def _customers(recency: object, frequency: object, money: object, tenure: object) -> pd.DataFrame:
    rows = pd.DataFrame({"Recency": recency, "Frequency": frequency, "Monetary": money, "Tenure": tenure})
    return rows.assign(AverageOrderValue=rows.Monetary / rows.Frequency)[list(FEATURES)].astype(float)


def dbscan(points: np.ndarray, rate: float) -> np.ndarray:
    """The product's own flags at its usual min_samples."""
    threshold = neighbours(points, FIRST_MIN_SAMPLES).noise_threshold(FIRST_MIN_SAMPLES)
    return threshold > eps_for_rate(threshold, rate)


def plain_dbscan(points: np.ndarray, rate: float) -> np.ndarray:
    """The same on the five features as they are."""
    return dbscan(points, rate)


def isolation_forest(points: np.ndarray, rate: float) -> np.ndarray:
    """scikit-learn's isolation forest."""
    return _highest(-IsolationForest(random_state=0).fit(points).score_samples(points), rate)


def local_outlier_factor(points: np.ndarray, rate: float) -> np.ndarray:
    """scikit-learn's LOF with as many neighbours as min_samples."""
    model = LocalOutlierFactor(n_neighbors=FIRST_MIN_SAMPLES).fit(points)
    return _highest(-model.negative_outlier_factor_, rate)


def _highest(scores: np.ndarray, rate: float) -> np.ndarray:
    return scores > np.quantile(scores, 1 - rate)


WAYS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "DBSCAN": dbscan,
    "DBSCAN, plain": plain_dbscan,
    "isolation forest": isolation_forest,
    "LOF": local_outlier_factor,
}


def recalls(shop: pd.DataFrame) -> pd.DataFrame:
    """Kind and way to recall at each rate."""
    rows = []
    for kind in KINDS:
        for name, way in WAYS.items():
            means = {
                f"{rate:.1%}": np.mean([_recall(shop, kind, way, rate, seed) for seed in range(SEEDS)])
                for rate in RATES
            }
            rows.append({"planted": kind.__name__.replace("_", " "), "way": name, **means})
    return pd.DataFrame(rows)


def _recall(shop: pd.DataFrame, kind: Callable, way: Callable, rate: float, seed: int) -> float:
    planted = kind(shop, np.random.default_rng(seed))
    customers = np.concatenate([shop.to_numpy(), planted.to_numpy()])
    if way is dbscan:
        customers = density_features(customers, range(len(FEATURES)), SPAN_COLUMNS)
    _, points = standardise(customers)
    return float(way(points, rate)[len(shop) :].mean())


def main() -> None:
    for file in sys.argv[1:]:
        shop = count_customers([file], Reading()).customers[list(FEATURES)]
        print(f"{file}: {len(shop):,} customers; recall at the share flagged")
        table = recalls(shop)
        means = table.groupby("way", sort=False).mean(numeric_only=True).reset_index()
        print(pd.concat([table, means.assign(planted="all kinds")]).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
