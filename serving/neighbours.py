"""Why a customer is in a segment: which other one is nearest, and what would move the customer to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contract.names import FEATURES
from contract.words import amount, counted
from serving.snapshot import Distances

MOST_DAYS, MOST_ORDERS, MONEY_STEPS = 730, 50, 300
MOST_TIMES_THE_MONEY = 100.0  # of what the customer has spent so far, or of an order
RECENCY, FREQUENCY, MONETARY, AVERAGE, TENURE = range(len(FEATURES))


@dataclass(frozen=True)
class Way:
    """A way that a customer may go: what happens at each step of it, and the customer's metrics then, (n, 5)."""

    name: str
    unit: str
    steps: Sequence[float]
    values: np.ndarray

    def sentence(self, step: float, segment: str) -> str:
        """What happens up to a step, and where it leads."""
        what = {
            "wait": f"Without an order for {counted(step, 'more day')}",
            "orders": f"With {counted(step, 'more order')} of the usual value",
            "order": f"With one more order of {amount(step)}",
        }
        return f"{what[self.name]}, this customer moves to {segment}."


def ways(values: np.ndarray) -> list[Way]:
    """(5,) a customer's metrics to what may happen next: nothing, some orders as usual, or one large order."""
    days = np.arange(1.0, MOST_DAYS + 1)
    orders = np.arange(1.0, MOST_ORDERS + 1)
    least = max(float(values[AVERAGE]), 1.0)
    money = _rounded(
        np.geomspace(least / 10, MOST_TIMES_THE_MONEY * max(values[MONETARY], least), MONEY_STEPS)
    )
    waiting = _many(values, len(days))
    waiting[:, RECENCY] += days
    waiting[:, TENURE] += days
    return [
        Way("wait", "days", days.tolist(), waiting),
        Way("orders", "orders", orders.tolist(), _ordered(values, orders, orders * values[AVERAGE])),
        Way("order", "money", money.tolist(), _ordered(values, np.ones(len(money)), money)),
    ]


def neighbourhood(distances: Distances, values: np.ndarray, names: dict[int, str]) -> dict[str, Any]:
    """(5,) a customer's metrics to the nearest other segment, and the first step of each way that leads elsewhere.

    Each step is judged by the five numbers alone, as the model judges; `distances` are those of the model.
    """
    own = distances(values[None])[0]
    order = np.argsort(own, kind="stable")
    segment, nearest = int(order[0]), int(order[1])
    moves = []
    for way in ways(values):
        reached = distances(way.values).argmin(axis=1)
        away = np.flatnonzero(reached != segment)
        if len(away):
            step, end = way.steps[away[0]], int(reached[away[0]])
            moves.append(
                {"way": way.name, "step": step, "unit": way.unit, "segment": end, "name": names[end]}
                | {"sentence": way.sentence(step, names[end])}
            )
    return {
        "nearest": {
            "segment": nearest,
            "name": names[nearest],
            "distance": float(own[nearest]),
            "own_distance": float(own[segment]),
        },
        "moves": moves,
    }


def _ordered(values: np.ndarray, orders: np.ndarray, money: np.ndarray) -> np.ndarray:
    """The metrics after so many orders today of so much money in all."""
    after = _many(values, len(orders))
    after[:, RECENCY] = 0
    after[:, FREQUENCY] += orders
    after[:, MONETARY] += money
    after[:, AVERAGE] = after[:, MONETARY] / after[:, FREQUENCY]
    return after


def _many(values: np.ndarray, times: int) -> np.ndarray:
    return np.tile(np.asarray(values, dtype=np.float64), (times, 1))


def _rounded(money: np.ndarray) -> np.ndarray:
    """Amounts as people say them: two digits that count, each once."""
    unit = 10.0 ** (np.floor(np.log10(money)) - 1)
    return np.unique(np.round(money / unit) * unit)
