"""A shop: its transaction files read, cleaned and counted to one row a customer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from training.cleaning import Cleaned, Funnel, moments, seen_from
from training.errors import InputError
from training.features import features, sample
from training.reading.database import release
from training.scan import scan, settled, with_more_memory
from training.transactions import read

if TYPE_CHECKING:
    import ibis
    import pandas as pd

MIN_CUSTOMERS = 50
MAX_CUSTOMERS = 1_000_000  # to train on; of more, a sample is


@dataclass(frozen=True)
class Reading:
    """How a shop's files are read, cleaned and counted: everything that decides the feature table."""

    columns: Mapping[str, str] = field(default_factory=dict)
    date_order: str | None = None
    decimal: str | None = None
    table: str | None = None  # of a database
    query: str | None = None  # a file with one SELECT, instead of a table
    as_of: date | None = None
    returns: str = "net"
    duplicates: str = "drop"
    engine: str = "duckdb"  # decides where it is counted, and nothing about the result


@dataclass(frozen=True)
class Sample:
    """A uniform sample of customers: of how many, which share of them, and the seed that says which."""

    of: int
    share: float
    seed: int


@dataclass(frozen=True)
class Shop:
    """A shop's customers, one row each (or a sample of them), and how they came about."""

    moments: ibis.Table
    reading: Reading
    customers: pd.DataFrame
    orders: ibis.Table
    funnel: Funnel
    as_of: datetime
    sample: Sample | None = None

    @property
    def sampled_from(self) -> int | None:
        """The number of all customers when `customers` is a sample of them."""
        return self.sample.of if self.sample else None

    @property
    def digest(self) -> str:
        """The digest of the feature table."""
        return digest(self.customers)

    def earlier(self, days: int) -> Shop:
        """The same shop, the same customers sampled, as it was counted `days` before; its files are not read again."""
        reading = replace(self.reading, as_of=self.as_of - timedelta(days=days))
        table, cleaned = _count(self.moments, reading)
        return _shop(self.moments, reading, table, cleaned, self.sample)


def digest(customers: pd.DataFrame) -> str:
    """sha256 of a feature table's rows, cut to the 36 characters that MLflow keeps."""
    import pandas as pd

    rows = pd.util.hash_pandas_object(customers, index=False).to_numpy()
    return hashlib.sha256(rows.tobytes()).hexdigest()[:36]


def count_customers(sources: Sequence[str], reading: Reading, most: int | None = None, seed: int = 0) -> Shop:
    """A shop's transactions to one row a customer; of more than `most` customers, a seeded uniform sample.

    Raises InputError when they cannot be used.
    """
    kept = _moments(sources, reading)
    table, cleaned = _count(kept, reading)
    total = table.count().to_pyarrow().as_py() if most else 0
    sampled = Sample(total, most / total, seed) if most and total > most else None
    return _shop(kept, reading, table, cleaned, sampled)


def customer_table(sources: Sequence[str], reading: Reading) -> tuple[ibis.Table, Cleaned]:
    """The expression of one row a customer, not yet run, and what it is of. Raises InputError as `read` does."""
    return _count(_moments(sources, reading), reading)


def _moments(sources: Sequence[str], reading: Reading) -> ibis.Table:
    keep = reading.duplicates == "keep"
    columns, date_order, decimal = reading.columns, reading.date_order, reading.decimal
    of_database = bool(reading.table or reading.query)
    if reading.engine == "duckdb" and not of_database:
        lines = scan(sources, columns=columns, date_order=date_order, decimal=decimal)
        if lines is not None and (kept := _scanned(lines, keep)) is not None:
            return kept
    lines = read(
        sources,
        columns=columns,
        date_order=date_order,
        decimal=decimal,
        table=reading.table,
        query=reading.query,
        engine=reading.engine,
    )
    if not of_database or reading.engine != "duckdb":
        return moments(lines, keep)
    kept = _frugal(lines, keep)
    release(lines)
    return kept


def _scanned(lines: ibis.Table, keep: bool) -> ibis.Table | None:
    """The moments of a scan; None when some line is not like the first ones, and wants to be read with care."""
    import duckdb

    try:
        return settled(_frugal(lines, keep))
    except duckdb.Error:
        return None


def _frugal(lines: ibis.Table, keep: bool) -> ibis.Table:
    """The moments of lines in a DuckDB with little memory, which gets more only when that is too little."""
    import duckdb

    try:
        return moments(lines, keep)
    except duckdb.OutOfMemoryException:
        return moments(with_more_memory(lines), keep)


def _count(kept: ibis.Table, reading: Reading) -> tuple[ibis.Table, Cleaned]:
    cleaned = seen_from(kept, reading.as_of)
    return features(cleaned.orders, cleaned.as_of, reading.returns), cleaned


def _shop(
    kept: ibis.Table, reading: Reading, table: ibis.Table, cleaned: Cleaned, sampled: Sample | None
) -> Shop:
    if sampled:
        table = sample(table, sampled.share, sampled.seed)
    return Shop(kept, reading, table.to_pandas(), cleaned.orders, cleaned.funnel, cleaned.as_of, sampled)


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
