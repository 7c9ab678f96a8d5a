"""Two dates of one shop under one registered model: who moved where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from contract.names import FEATURES
from training.errors import InputError
from training.report.movement import Movement, movement_between
from training.score import check_output, counted_as_in_training, write
from training.shop import Reading, Shop, count_customers

if TYPE_CHECKING:
    import pandas as pd


def compare_days(
    sources: Sequence[str],
    model: str,
    reading: Reading,
    start: date,
    end: date,
    output: Path | None,
    tell: Callable[[Shop], None] | None = None,
) -> Movement:
    """Count transactions at two days, score both with a registered version, and say who moved.

    The list of those who left the best segment is written to `output` (.parquet or .csv), if given,
    stamped with model version and days.
    Raises InputError when the days, the input, the version or the output cannot be used.
    """
    from training.store import registry
    from training.store.connection import connect

    if start >= end:
        raise InputError(
            f"--from {start} is not before --to {end}. Expected an earlier day. Change one of them."
        )
    if output:
        check_output(output)
    client = connect()
    version = registry.find(client, model)
    scorer = registry.load(client, version)
    later = count_customers(sources, replace(counted_as_in_training(reading, scorer, version), as_of=end))
    if tell:
        tell(later)
    first = later.orders.first_date.min().to_pyarrow().as_py()
    if start <= first.date():
        raise InputError(
            f"There was no customer on {start}: the first order is of {first:%Y-%m-%d}. Expected a --from after it. "
            "Name a later day, or give data of a longer period."
        )
    earlier = later.earlier((end - start).days)

    def scored(shop: Shop) -> pd.DataFrame:
        if shop.customers.empty:
            raise InputError(
                f"There was no customer on {shop.as_of:%Y-%m-%d}: all had cancelled all they bought. Expected at least "
                "one. Name another day."
            )
        return shop.customers.join(scorer.predict(shop.customers[list(FEATURES)]))

    names = list(scorer.unwrap_python_model().names)
    moved = movement_between(scored(earlier), scored(later), names, earlier.as_of, later.as_of)
    if output:
        stamps = {"model_version": version, "from": start.isoformat(), "to": end.isoformat()}
        write(moved.fallen.assign(**stamps), output)
    return moved
