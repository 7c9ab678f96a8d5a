"""Does `segments lift` hold what it says? Campaigns on simulated shops, of which the true effect is known.

    python checks/lift.py [--seeds 1000]

Each seed is a shop: customers of three segments with rates and order values of their own, 15 months of past, a
quarter of future. A hash holds customers out, as `segments audience --holdout` does; the others spend 15 % more,
or no more. The interval of `segments lift` must cover the true effect in at least 93 %, and call no effect one in at
most 7 %, of the seeds. Exit code 1 when it does not.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from contract.lists.hold_out import held_out
from training.effect import effect_of

LEAST_COVERED, MOST_FALSE = 0.93, 0.07
TRUE_LIFT = 0.15
SEGMENTS = ("Low-value", "Medium-value", "High-value")
SHARES, RATES, VALUES = (0.45, 0.35, 0.2), (0.3, 1.0, 3.0), (30.0, 60.0, 120.0)
PAST_QUARTERS = 5


@dataclass(frozen=True)
class Campaign:
    """A kind of campaign: how many customers its list has, the share held out, and how unequal the customers are.

    spread: of the log of what a customer's orders are worth; active: share of the usual rate at which they order.
    """

    name: str
    customers: int
    share: float
    spread: float
    active: float = 1.0


CAMPAIGNS = (
    Campaign("a whole shop", 4_000, 0.1, 0.4),
    Campaign("a whole shop of unequal customers", 4_000, 0.1, 0.8),
    Campaign("a segment", 1_000, 0.1, 0.4),
    Campaign("a short list", 400, 0.2, 0.4),
    Campaign("late customers, of whom few buy", 1_500, 0.2, 0.4, 0.25),
    Campaign("a large shop", 20_000, 0.05, 0.8),
)


def outcome(campaign: Campaign, lift: float, seed: int) -> tuple[bool, bool, float]:
    """One campaign: whether the interval covers the truth, whether an effect is called, and its half width per cent."""
    rng = np.random.default_rng(seed)
    segment = rng.choice(len(SEGMENTS), campaign.customers, p=SHARES)
    rate = campaign.active * np.array(RATES)[segment] * rng.gamma(1.0, 1.0, campaign.customers)
    value = np.array(VALUES)[segment] * rng.lognormal(0.0, campaign.spread, campaign.customers)

    def quarter() -> np.ndarray:
        orders = rng.poisson(rate)
        return np.where(orders > 0, rng.gamma(4.0 * np.maximum(orders, 1), value / 4.0), 0.0)

    past = sum((quarter() for _ in range(PAST_QUARTERS)), np.zeros(campaign.customers))
    without = quarter()
    treated = ~held_out((f"{seed}-{number}" for number in range(campaign.customers)), campaign.share, 0)
    spend = np.where(treated, without * (1 + lift), without)
    effect = effect_of(spend, treated, np.array(SEGMENTS, dtype=object)[segment], past[:, None])
    truth = lift * without[treated].mean()
    width = (effect.high - effect.low) / 2 / without.mean()
    return effect.low <= truth <= effect.high, effect.is_told_apart, width


def shares(
    campaign: Campaign, lift: float, seeds: int, pool: ProcessPoolExecutor
) -> tuple[float, float, float]:
    """Over all seeds: share covered, share called an effect, and the mean half width as a share of spend."""
    results = list(pool.map(partial(outcome, campaign, lift), range(seeds), chunksize=50))
    covered, called, width = (float(np.mean(column)) for column in zip(*results, strict=True))
    return covered, called, width


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1_000)
    seeds = parser.parse_args().seeds
    print(
        "| list | customers | held out | +15 % covered | +15 % called an effect | half width | none called one |"
    )
    print("|---|---|---|---|---|---|---|")
    holds = True
    with ProcessPoolExecutor() as pool:
        for campaign in CAMPAIGNS:
            covered, found, width = shares(campaign, TRUE_LIFT, seeds, pool)
            _, called, _ = shares(campaign, 0.0, seeds, pool)
            print(
                f"| {campaign.name} | {campaign.customers:,} | {campaign.share:.0%} | {covered:.1%} | {found:.0%} | "
                f"{width:.0%} | {called:.1%} |",
                flush=True,
            )
            holds &= covered >= LEAST_COVERED and called <= MOST_FALSE
    if not holds:
        sys.exit(
            f"Expected at least {LEAST_COVERED:.0%} covered and at most {MOST_FALSE:.0%} called an effect."
        )


if __name__ == "__main__":
    main()
