"""Whether new data are of the champion's shop: its customers, its money, and a day between its last and today.

The gate asks it of a challenger, and `segments cycle` before it trains. All of these rules can be forced: a shop may
change its currency, or be read for a shorter time on purpose.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from contract.names import FEATURE_TABLE
from contract.words import amount
from training.errors import is_passing
from training.rule import Rule
from training.store import registry

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

MOST_AHEAD = timedelta(days=3)  # of the as-of date before today: the day after the last line, on any clock
LEAST_CUSTOMERS_SHARE = 0.5  # of the champion's number of customers
LEAST_KNOWN_SHARE = 0.1  # of the champion's customers who are there again; another shop has next to none


@dataclass(frozen=True)
class TrainingData:
    """One row per customer, and until when the data go (None: nobody knows)."""

    customers: pd.DataFrame
    as_of: datetime | None


def read_table(run: str) -> pd.DataFrame:
    """The feature table that a training left in its run."""
    import mlflow
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(run_id=run, artifact_path=FEATURE_TABLE, dst_path=folder)
        return pd.read_parquet(path)


def data_of(client: MlflowClient, version: int) -> TrainingData | None:
    """What a version was trained on; None where its run keeps no table that can be read."""
    record = registry.record_of(client, version)
    try:
        return TrainingData(read_table(registry.run_of(record)), registry.as_of(record))
    except Exception as error:  # whatever else it is, there is nothing to compare with
        if is_passing(error):
            raise
        return None


def rules_of_data(new: TrainingData, old: TrainingData | None, most_change: float) -> Iterator[Rule]:
    """The rules on data that follow the champion's; none where the champion's data are gone.

    `most_change` is the factor by which the median value of an order may differ.
    """
    if old is None:
        return
    if new.as_of and old.as_of:
        yield _as_of(new.as_of, old.as_of, datetime.now())
    yield _customers(new.customers, old.customers)
    yield _same_shop(new.customers, old.customers)
    yield _order_value(new.customers, old.customers, most_change)


def _as_of(new: datetime, old: datetime, now: datetime) -> Rule:
    expected = f"from the champion's {old:%Y-%m-%d %H:%M} to today"
    return Rule("as_of", expected, f"{new:%Y-%m-%d %H:%M}", old <= new <= now + MOST_AHEAD, True)


def _customers(new: pd.DataFrame, old: pd.DataFrame) -> Rule:
    share = len(new) / len(old)
    expected = f">= {LEAST_CUSTOMERS_SHARE:.0%} of the champion's {len(old):,}"
    return Rule("customers", expected, f"{len(new):,}", share >= LEAST_CUSTOMERS_SHARE, True)


def _same_shop(new: pd.DataFrame, old: pd.DataFrame) -> Rule:
    share = float(old.customer_id.isin(new.customer_id).mean())
    expected = f">= {LEAST_KNOWN_SHARE:.0%} of the champion's customers are there again"
    return Rule("same_shop", expected, f"{share:.1%}", share >= LEAST_KNOWN_SHARE, True)


def _order_value(new: pd.DataFrame, old: pd.DataFrame, most: float) -> Rule:
    now, before = (float(table.AverageOrderValue.median()) for table in (new, old))
    factor = max(now / before, before / now)
    expected = f"median within {most:g} times the champion's {amount(before)}"
    return Rule("order_value", expected, amount(now), factor <= most, True)
