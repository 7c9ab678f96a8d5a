"""What customers were expected to bring beside what they brought, at four cut-offs of one shop.

    python benchmarks/forecast_study.py online_retail.csv.gz [--horizon 90] [--cut-offs 90,120,150,180]

At each cut-off, so many days before the last as-of date, a forecast is fitted to what was known that day and held
against the days after it. Prints tables in Markdown: rank correlations beside the plain ways, sums, fifths of
expected orders, tenths of likely_to_buy, the range, and the verdict.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from contract.names import FEATURES
from training.clustering.segmenter import Segmenter
from training.shop import Reading, Shop, count_customers
from training.value.backtest import Backtest, Group, Rank, backtest, spearman
from training.value.forecast import fit_forecast
from training.value.verdict import judge
from training.value.window import Since, between, lately

SEGMENTS = 3


def numbers(shop: Shop) -> np.ndarray:
    return shop.customers[list(FEATURES)].to_numpy(dtype=np.float64)


def segments(values: np.ndarray) -> np.ndarray:
    return Segmenter(SEGMENTS, random_state=0, order_by=2).fit(values).labels_


def boosted(before: np.ndarray, since: Since, now: np.ndarray) -> list[np.ndarray]:
    """Spend and orders by gradient boosting of the window before: the bound of what the five numbers hold."""
    given, asked = np.log1p(before), np.log1p(now)
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=100, learning_rate=0.05, max_leaf_nodes=8)
    return [model.fit(given, target).predict(asked) for target in (since.spend, since.orders)]


def study(shop: Shop, cut_off: int, horizon: int) -> tuple[Backtest, dict[str, Rank]]:
    """The test of one cut-off, and the ranks of two other forecasts there."""
    before, now, after = (
        shop.earlier(days) if days else shop for days in (cut_off + horizon, cut_off, cut_off - horizon)
    )
    values, came = numbers(now), between(now.customers, after.customers)
    since, recent = between(before.customers, now.customers), lately(before.customers, now.customers)
    forecast = fit_forecast(values, numbers(before), *since, horizon_days=horizon)
    test = backtest(values, forecast.score(values), came, recent, segments(values))
    alone = fit_forecast(values, horizon_days=horizon).score(values)
    others = {
        "MBG/NBD x Gamma-Gamma": (alone["expected_spend"], alone["expected_orders"]),
        "gradient boosting": boosted(numbers(before), since, values),
    }
    ranks = {name: Rank(spearman(a, came.spend), spearman(b, came.orders)) for name, (a, b) in others.items()}
    show(test, f"{now.as_of:%Y-%m-%d}")
    return test, ranks


def show(test: Backtest, day: str) -> None:
    print(
        f"\n{day}: {test.customers:,} customers. Expected to observed: "
        f"orders {test.expected_orders / test.orders:.2f}, spend {test.expected_spend / test.spend:.2f}. "
        f"The range holds {test.covered:.1%}; above it are {test.above:.1%}."
    )
    table(f"fifth of expected orders, {day}", test.quintiles)
    table(f"tenth of likely_to_buy, {day}", test.tenths)


def table(title: str, groups: Sequence[Group]) -> None:
    print(f"\n| {title} | customers | expected | came |\n|---|--:|--:|--:|")
    for place, group in enumerate(groups, 1):
        print(f"| {place} | {group.customers:,} | {group.expected:.3f} | {group.came:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source")
    parser.add_argument("--horizon", type=int, default=90, help="days ahead")
    parser.add_argument("--cut-offs", default="90,120,150,180", help="days before the last as-of date")
    given = parser.parse_args()
    shop = count_customers([given.source], Reading())
    tests, others = zip(
        *(study(shop, int(days), given.horizon) for days in given.cut_offs.split(",")), strict=True
    )
    ranks = [{**test.ranks, **other} for test, other in zip(tests, others, strict=True)]
    print("\n| rank correlation, mean of the cut-offs, with | spend | orders |\n|---|--:|--:|")
    for way in ranks[0]:
        spend, orders = np.mean([each[way] for each in ranks], axis=0)
        print(f"| {way} | {spend:.3f} | {orders:.3f} |")
    sums = [(test.expected_orders / test.orders, test.expected_spend / test.spend) for test in tests]
    print("\nExpected to observed, mean: orders {:.2f}, spend {:.2f}.".format(*np.mean(sums, axis=0)))
    verdict = judge(tests)
    print(
        "It holds." if verdict.holds else "It does not hold.", *verdict.reasons, *verdict.cautions, sep="\n- "
    )


if __name__ == "__main__":
    main()
