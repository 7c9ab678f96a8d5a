"""What customers were expected to bring beside what they brought, at four cut-offs of one shop.

    python benchmarks/forecast_study.py online_retail.csv.gz [--horizon 90] [--cut-offs 90,120,150,180]

At each cut-off, so many days before the last as-of date, a forecast is fitted to what was known that day and held
against the days after it. Prints tables in Markdown: rank correlations beside the plain ways, sums, fifths of
expected orders, tenths of likely_to_buy, the range, and the verdict.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from training.features import FEATURES
from training.segmenter import Segmenter
from training.shop import Reading, Shop, count_customers
from training.value.backtest import OURS, Backtest, Rank, backtest, spearman
from training.value.forecast import Forecast, fit_forecast
from training.value.verdict import judge
from training.value.window import between, lately

SEGMENTS = 3
ALONE, BOOSTED = "MBG/NBD x Gamma-Gamma", "gradient boosting"


def numbers(shop: Shop) -> np.ndarray:
    return shop.customers[list(FEATURES)].to_numpy(dtype=np.float64)


def segments(values: np.ndarray) -> np.ndarray:
    return Segmenter(SEGMENTS, random_state=0, order_by=2).fit(values).labels_


def boosted(before: np.ndarray, since: tuple[np.ndarray, np.ndarray], now: np.ndarray) -> list[np.ndarray]:
    """Spend and orders by gradient boosting of the window before: the bound of what the five numbers hold."""
    given, asked = np.log1p(before), np.log1p(now)
    orders, spend = since
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=100, learning_rate=0.05, max_leaf_nodes=8)
    return [model.fit(given, target).predict(asked) for target in (spend, orders)]


def study(shop: Shop, cut_off: int, horizon: int) -> tuple[Backtest, Forecast]:
    at = {
        days: shop.earlier(days) if days else shop for days in (cut_off - horizon, cut_off, cut_off + horizon)
    }
    after, now, before = at.values()
    values, came = numbers(now), between(now.customers, after.customers)
    since = between(before.customers, now.customers)
    start = time.perf_counter()
    forecast = fit_forecast(values, numbers(before), *since, horizon_days=horizon)
    seconds = time.perf_counter() - start
    test = backtest(
        values, forecast.score(values), came, lately(before.customers, now.customers), segments(values)
    )
    alone = fit_forecast(values, horizon_days=horizon).score(values)
    others = {
        ALONE: [alone["expected_spend"], alone["expected_orders"]],
        BOOSTED: boosted(numbers(before), since, values),
    }
    ranks = {name: Rank(spearman(a, came.spend), spearman(b, came.orders)) for name, (a, b) in others.items()}
    print(
        f"{now.as_of:%Y-%m-%d}: {test.customers:,} customers, fitted in {seconds:.2f} s. "
        f"Expected to observed: orders {test.expected_orders / test.orders:.2f}, "
        f"spend {test.expected_spend / test.spend:.2f}. Range holds {test.covered:.1%}, above it {test.above:.1%}."
    )
    table(f"fifth of expected orders, {now.as_of:%Y-%m-%d}", test.quintiles)
    table(f"tenth of likely_to_buy, {now.as_of:%Y-%m-%d}", test.tenths)
    return Backtest(**{**vars(test), "ranks": {**test.ranks, **ranks}}), forecast


def table(title: str, groups: Sequence) -> None:
    print(f"\n| {title} | customers | expected | came |\n|---|--:|--:|--:|")
    for place, group in enumerate(groups, 1):
        print(f"| {place} | {group.customers:,} | {group.expected:.3f} | {group.came:.3f} |")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source")
    parser.add_argument("--horizon", type=int, default=90, help="days ahead")
    parser.add_argument("--cut-offs", default="90,120,150,180", help="days before the last as-of date")
    given = parser.parse_args()
    shop = count_customers([given.source], Reading())
    tests = [study(shop, int(days), given.horizon)[0] for days in given.cut_offs.split(",")]
    print("| rank correlation with | spend | orders |\n|---|--:|--:|")
    for way in sorted(tests[0].ranks, key=lambda way: (way != OURS, way)):
        mean = np.mean([test.ranks[way] for test in tests], axis=0)
        print(f"| {way} | {mean[0]:.3f} | {mean[1]:.3f} |")
    usual = [Backtest(**{**vars(test), "ranks": {
        way: rank for way, rank in test.ranks.items() if way not in (ALONE, BOOSTED)
    }}) for test in tests]  # fmt: skip
    print(f"\nmean of the sums: orders {np.mean([t.expected_orders / t.orders for t in tests]):.2f}, "
          f"spend {np.mean([t.expected_spend / t.spend for t in tests]):.2f}")  # fmt: skip
    print(f"\n{judge(usual)}")


if __name__ == "__main__":
    main()
