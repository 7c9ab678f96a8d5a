"""One shop on two days, scored by one registered model: who moved from which segment to which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from contract.names import FEATURES
from training.errors import InputError
from training.report.movement import Movement, movement_between
from training.score import counted_as_in_training
from training.shop import Reading, Shop, count_customers
from training.tables import check_table_path, write_table

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.pyfunc import PyFuncModel


def compare_days(
    sources: Sequence[str],
    model: str,
    reading: Reading,
    start: date,
    end: date,
    output: Path | None,
    show: Callable[[Shop], None] | None = None,
) -> Movement:
    """Count transactions as of two days, score both with a registered version, and say who moved.

    With an `output` (.parquet or .csv), the customers who left the best segment are listed there, with the
    version of the model and the two days.
    Raises InputError when the days, the input, the version or the output cannot be used.
    """
    from training.people.remembered import leaving_out
    from training.store import registry
    from training.store.connection import connect

    if start >= end:
        raise InputError(
            f"--from {start} is not before --to {end}. Expected an earlier day. Change one of them."
        )
    if output:
        check_table_path(output)
    client = connect()
    version = registry.find(client, model)
    scorer = registry.load(client, version)
    reading = leaving_out(client, reading)
    later = count_customers(
        sources, replace(counted_as_in_training(reading, scorer, version), as_of=_moment(end, scorer))
    )
    if show:
        show(later)
    first_order = later.orders.first_date.min().to_pyarrow().as_py()
    if start <= first_order.date():
        raise InputError(
            f"There was no customer on {start}: the first order is of {first_order:%Y-%m-%d}. Expected a --from after "
            "it. Name a later day, or give data of a longer period."
        )
    earlier = later.earlier((end - start).days)
    names = list(scorer.unwrap_python_model().names)
    movement = movement_between(
        _scored(earlier, scorer), _scored(later, scorer), names, earlier.as_of, later.as_of
    )
    if output:
        stamps = {"model_version": version, "from": start.isoformat(), "to": end.isoformat()}
        write_table(movement.fallen.assign(**stamps), output)
    return movement


def _moment(day: date, scorer: PyFuncModel) -> date:
    """The day, or the very moment of it that the model's training looked back from, so that both say the same."""
    as_of = datetime.fromisoformat((scorer.metadata.metadata or {})["as_of"])
    return as_of if as_of.date() == day else day


def _scored(shop: Shop, scorer: PyFuncModel) -> pd.DataFrame:
    """The customers of a shop with the model's answers. Raises InputError when there are none."""
    if shop.customers.empty:
        raise InputError(
            f"There was no customer on {shop.as_of:%Y-%m-%d}: all had cancelled all they bought. Expected at least "
            "one. Name another day."
        )
    return shop.customers.join(scorer.predict(shop.customers[list(FEATURES)]))
