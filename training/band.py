"""The share of customers that a model is expected to flag: its trained anomaly rate, and a band around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from scipy.stats import binom, norm

RATE_FACTOR = 2
CONFIDENCE = 0.999


@dataclass(frozen=True)
class Band:
    """The trained anomaly rate `rate`, and the band of shares that are expected, from `low` to `high`.

    The band reaches from half to twice the trained rate. Where the training flagged so few customers that chance
    alone reaches farther, so does the band: to the limits of Wilson's (1927) 99.9 % interval of the rate.
    """

    rate: float
    low: float
    high: float

    @classmethod
    def of(cls, rate: float, customers: int) -> Self:
        """The band of a training that flagged the share `rate` of `customers`."""
        z = norm.ppf((1 + CONFIDENCE) / 2)
        share = z**2 / customers
        middle, reach = rate + share / 2, (share * (rate * (1 - rate) + share / 4)) ** 0.5
        return cls(
            rate,
            float(min(rate / RATE_FACTOR, (middle - reach) / (1 + share))),
            float(max(min(1.0, rate * RATE_FACTOR), (middle + reach) / (1 + share))),
        )

    @classmethod
    def read(cls, metadata: Mapping[str, str | float]) -> Self | None:
        """The band in a model's metadata, or None for an older model that has no band."""
        names = tuple(cls(0, 0, 0).record())
        return cls(*(float(metadata[name]) for name in names)) if names[1] in metadata else None

    def record(self) -> dict[str, float]:
        """The band as numbers by name, for the metadata of a model and the tags of its version."""
        return {
            "anomaly_rate": self.rate,
            "anomaly_rate_low": self.low,
            "anomaly_rate_high": self.high,
        }

    def holds(self, flagged: int, customers: int) -> bool:
        """Whether `flagged` of `customers` is within the band, or outside it by no more than chance.

        Chance: the 99.9 % binomial limits of a count at the edges of the band. So a file of one customer is no
        alarm when that customer is an anomaly.
        """
        tail = (1 - CONFIDENCE) / 2
        least, most = binom.ppf(tail, customers, self.low), binom.ppf(1 - tail, customers, self.high)
        return bool(least <= flagged <= most)

    def __str__(self) -> str:
        return f"{self.low:.2%} to {self.high:.2%}"
