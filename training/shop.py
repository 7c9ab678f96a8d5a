"""A shop: its transaction files read, cleaned and counted to one row a customer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from training.cleaning import Funnel, clean
from training.errors import InputError
from training.features import features
from training.transactions import read

if TYPE_CHECKING:
    import ibis
    import pandas as pd

MIN_CUSTOMERS = 50


@dataclass(frozen=True)
class Reading:
    """How a shop's files are read, cleaned and counted: everything that decides the feature table."""

    columns: Mapping[str, str] = field(default_factory=dict)
    date_order: str | None = None
    decimal: str | None = None
    table: str | None = None
    as_of: date | None = None
    returns: str = "net"
    duplicates: str = "drop"


@dataclass(frozen=True)
class Shop:
    """A shop's customers, one row each, and how they came about."""

    lines: ibis.Table
    reading: Reading
    customers: pd.DataFrame
    orders: ibis.Table
    funnel: Funnel
    as_of: datetime

    @property
    def digest(self) -> str:
        """The digest of the feature table."""
        return digest(self.customers)


def digest(customers: pd.DataFrame) -> str:
    """sha256 of a feature table's rows, cut to the 36 characters that MLflow keeps."""
    import pandas as pd

    rows = pd.util.hash_pandas_object(customers, index=False).to_numpy()
    return hashlib.sha256(rows.tobytes()).hexdigest()[:36]

    def earlier(self, days: int) -> Shop:
        """The same shop as it was counted `days` before; its files are not read again."""
        return _counted(self.lines, replace(self.reading, as_of=self.as_of - timedelta(days=days)))


def count_customers(sources: Sequence[str], reading: Reading) -> Shop:
    """A shop's transactions to one row a customer. Raises InputError when they cannot be used."""
    lines = read(
        sources,
        columns=reading.columns,
        date_order=reading.date_order,
        decimal=reading.decimal,
        table=reading.table,
    )
    return _counted(lines, reading)


def _counted(lines: ibis.Table, reading: Reading) -> Shop:
    cleaned = clean(lines, reading.as_of, keep_duplicates=reading.duplicates == "keep")
    customers = features(cleaned.orders, cleaned.as_of, reading.returns).to_pandas()
    return Shop(lines, reading, customers, cleaned.orders, cleaned.funnel, cleaned.as_of)


def check_usable(customers: pd.DataFrame, used: Sequence[str]) -> None:
    """Raise InputError unless the customers can be segmented by the features `used`."""
    if len(customers) < MIN_CUSTOMERS:
        raise InputError(
            f"{len(customers)} customers are left after cleaning. Expected at least {MIN_CUSTOMERS}. "
            "Give a longer period or more files."
        )
    for name in used:
        if customers[name].nunique() > 1:
            continue
        value = customers[name].iloc[0]
        why = ": all customers have one order" if name == "Frequency" and value == 1 else ""
        rest = ",".join(other for other in used if other != name)
        raise InputError(
            f"{name} is {value:g} for all {len(customers)} customers{why}. Expected values that differ. "
            f"Leave it out with --features {rest}, or give a longer period."
        )
