"""A shop: its transaction files read, cleaned and counted to one row a customer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contract.lists.columns import COLUMNS
from training.cleaning import Cleaned, Funnel, moments, seen_from, steps_of
from training.errors import InputError
from training.features import customer_features, sample
from training.reading import memory
from training.reading.blank_lines import may_be_blank
from training.reading.database import release
from training.reading.facts import understood
from training.reading.forgotten import Forgotten
from training.reading.kept import kept, nested_selects
from training.reading.read import read
from training.reading.request import Before, Request
from training.reading.scan import Scan, blank_example, scan, settled
from training.reading.understanding import Example, Understanding
from training.scanned import scanned_moments

if TYPE_CHECKING:
    import ibis
    import pandas as pd

Moments = tuple["ibis.Table", Understanding]

MIN_CUSTOMERS = 50
LEAST_FEATURES = 2  # that must differ between customers


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
    engine: str = "duckdb"  # decides where it is counted, and of how many a training takes a sample
    layout: str = "auto"
    currency: str = ""
    timezone: str = ""
    status_counts: tuple[str, ...] = ()
    guests: str = "auto"
    far_dates: str = "aside"
    blank_lines: str = "auto"
    header: bool = True
    keep: tuple[str, ...] = ()
    before: Before = field(default_factory=Before)
    forgotten: Forgotten | None = field(default=None, repr=False)

    @property
    def request(self) -> Request:
        """What of it says how lines are read."""
        return Request(**{name: getattr(self, name) for name in Request.__dataclass_fields__})


def read_as_before(reading: Reading, before: Mapping[str, Any]) -> Reading:
    """`reading`, and where it says nothing, what a model's training was told of layout, zone, status and guests.

    before: as `Understanding.mapping` has it and a model's metadata keep it.
    """
    plain = Reading()
    again: dict[str, Any] = {
        name: tuple(before[name]) if name == "status_counts" else before[name]
        for name in ("layout", "timezone", "status_counts", "guests", "far_dates", "blank_lines")
        if name in before and getattr(reading, name) == getattr(plain, name)
    }
    names = ("columns", "date_order", "decimal", "currency")
    known = Before(**{name: before[name] for name in names if name in before})
    return replace(reading, **again, before=known)


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
    cleaned: Cleaned
    sample: Sample | None = None
    understanding: Understanding | None = None

    @property
    def orders(self) -> ibis.Table:
        """One row a customer and order, as `cleaning.clean` describes them; of all customers, or those `sampled`."""
        return self.cleaned.orders

    @property
    def funnel(self) -> Funnel:
        """What became of the lines."""
        return self.cleaned.funnel

    @property
    def as_of(self) -> datetime:
        """The moment everything is seen from."""
        return self.cleaned.as_of

    @property
    def sampled_from(self) -> int | None:
        """The number of all customers when `customers` is a sample of them."""
        return self.sample.of if self.sample else None

    @cached_property
    def digest(self) -> str:
        """The digest of the feature table, as it is in the run: without the kept columns."""
        return digest(self.customers.drop(columns=self.kept))

    @property
    def kept(self) -> list[str]:
        """The columns of the shop's own that may identify people: these stay out of the run."""
        return [name for name in self.reading.keep if name in self.customers and name not in COLUMNS]

    def earlier(self, days: int) -> Shop:
        """The same shop, the same customers sampled, as it was counted `days` before; its files are not read again."""
        reading = replace(self.reading, as_of=self.as_of - timedelta(days=days))
        table, cleaned = _count(self.moments, reading, self.cleaned)
        return _shop(self.moments, reading, table, cleaned, self.sample, self.understanding)

    def sampled(self, most: int) -> Shop:
        """The shop with a uniform sample of about `most` of its customers; itself where it has no more.

        Its moments and orders are those of the sample, so that earlier days are counted from these alone. The funnel
        stays that of all; those of earlier days are of the sample.
        """
        if len(self.customers) <= most:
            return self
        whole = self.sample or Sample(len(self.customers), 1.0, 0)
        drawn = replace(whole, share=whole.share * most / len(self.customers))
        few, orders = (kept(sample(table, drawn.share, drawn.seed)) for table in (self.moments, self.orders))
        cleaned = replace(self.cleaned, orders=orders, steps=steps_of(few))
        table = customer_features(orders, self.as_of, self.reading.returns)
        return _shop(few, self.reading, table, cleaned, drawn, self.understanding)


def digest(customers: pd.DataFrame) -> str:
    """sha256 of a feature table's rows, cut to the 36 characters that MLflow keeps."""
    import pandas as pd

    rows = pd.util.hash_pandas_object(customers, index=False).to_numpy()
    return hashlib.sha256(rows.tobytes()).hexdigest()[:36]


def count_customers(
    sources: Sequence[str],
    reading: Reading,
    most: int | None = None,
    seed: int = 0,
    read_ahead: Moments | None = None,
) -> Shop:
    """A shop's transactions to one row a customer; of more than `most` customers, a seeded uniform sample.

    `read_ahead` is what `moments_of` gave for them already. Raises InputError when they cannot be used.
    """
    every, understanding = read_ahead or moments_of(sources, reading)
    kept = _without_forgotten(every, reading.forgotten)
    table, cleaned = _count(kept, reading)
    sampled = None
    if most and cleaned.funnel.customers > most:  # or it need not be counted how many of them are left
        total = table.count().to_pyarrow().as_py()
        sampled = Sample(total, most / total, seed) if total > most else None
    shop = _shop(kept, reading, table, cleaned, sampled, understanding)
    if shop.orders.get_backend().name == "duckdb":
        memory.with_less_room(shop.orders)
    return shop


def customer_table(sources: Sequence[str], reading: Reading) -> tuple[ibis.Table, Cleaned]:
    """The expression of one row a customer, not yet run, and what it is of. Raises InputError as `read` does."""
    table, _ = moments_of(sources, reading)
    return _count(_without_forgotten(table, reading.forgotten), reading)


def moments_of(sources: Sequence[str], reading: Reading) -> Moments:
    """What `cleaning.moments` makes of the lines of sources, those of forgotten customers among them.

    Raises InputError when they cannot be used.
    """
    request = reading.request
    of_database = bool(reading.table or reading.query)
    scanned = _scan(sources, reading)
    if scanned is not None and (found := _scanned(scanned, reading)) is not None:
        block = replace(
            understood(scanned.facts, scanned.forms, request), examples=_blank_example(found, scanned)
        )
        return found, block
    lines = read(sources, request, table=reading.table, query=reading.query, engine=reading.engine)
    table = moments(lines.table)
    if reading.engine == "spark":
        table = _local(table)
    elif of_database:
        release(lines.table)
    return table, lines.understanding


def _without_forgotten(table: ibis.Table, forgotten: Forgotten | None) -> ibis.Table:
    return kept(forgotten.left_out(table)) if forgotten else table


def _scan(sources: Sequence[str], reading: Reading) -> Scan | None:
    """The lines of sources that need no careful reading, where there may be such."""
    if reading.engine == "spark":
        from training.reading import spark_scan

        return spark_scan.scan(sources, reading.request, reading.table, reading.query)
    return None if reading.table or reading.query else scan(sources, reading.request)


def _scanned(scanned: Scan, reading: Reading) -> ibis.Table | None:
    """The moments of a scan; None when some line is not like the first ones, and wants to be read with care."""
    try:
        found = _moments_of(scanned, reading)
        plain = settled(found, reading.request, scanned.single)
        needs_care = plain is not None and may_be_blank(plain, scanned.table, reading.request)
        return None if needs_care else plain
    except _failures(reading.engine):
        return None


def _moments_of(scanned: Scan, reading: Reading) -> ibis.Table:
    keep = reading.duplicates == "keep"
    if reading.engine == "spark":
        return _local(moments(scanned.table, keep))
    return memory.with_room(_duckdb_moments(scanned.table, keep))


def _duckdb_moments(lines: ibis.Table, keep_duplicates: bool) -> ibis.Table:
    """By digests, or where the memory is too little for these, by all columns, if need be with more memory."""
    import duckdb

    if not keep_duplicates:
        with suppress(duckdb.OutOfMemoryException), memory.little_spilled(lines):
            return scanned_moments(lines)
    try:
        return moments(lines, keep_duplicates)
    except duckdb.OutOfMemoryException:
        return moments(memory.with_more(lines), keep_duplicates)


def _local(table: ibis.Table) -> ibis.Table:
    from training.reading import spark

    return spark.local(table)


def _failures(engine: str) -> tuple[type[Exception], ...]:
    """The errors by which a query of an engine ends."""
    if engine == "spark":
        from training.reading import spark

        return spark.failures()
    import duckdb

    return (duckdb.Error,)


def _blank_example(found: ibis.Table, scanned: Scan) -> tuple[Example, ...]:
    """One cell that is blank where a date or number should be, if the funnel has such lines."""
    if not scanned.texts:
        return ()
    has_blank = found.filter(found.step == "unreadable").limit(1).count().to_pyarrow().as_py()
    return blank_example(scanned) if has_blank else ()


def _count(kept: ibis.Table, reading: Reading, later: Cleaned | None = None) -> tuple[ibis.Table, Cleaned]:
    cleaned = seen_from(kept, reading.as_of, later)
    return customer_features(cleaned.orders, cleaned.as_of, reading.returns), cleaned


def _shop(
    kept: ibis.Table,
    reading: Reading,
    table: ibis.Table,
    cleaned: Cleaned,
    sampled: Sample | None,
    understanding: Understanding | None,
) -> Shop:
    if sampled:
        table = sample(table, sampled.share, sampled.seed)
    with nested_selects():
        customers = table.to_pandas()
    return Shop(kept, reading, customers, cleaned, sampled, understanding)


def check_usable(customers: pd.DataFrame, features: Sequence[str]) -> None:
    """Raise InputError unless the customers can be segmented by those of the `features` that vary."""
    if len(customers) < MIN_CUSTOMERS:
        raise InputError(
            f"{len(customers)} customers are left after cleaning. Expected at least {MIN_CUSTOMERS}. "
            "Give a longer period or more files."
        )
    used = varying(customers, features)
    if len(used) < LEAST_FEATURES:
        notes = " ".join(constant_note(customers, name) for name in features if name not in used)
        raise InputError(
            f"Of the features {', '.join(features)} fewer than two differ between customers. {notes} Expected at "
            "least two that do. Give a longer period, or name more with --features."
        )


def varying(customers: pd.DataFrame, features: Sequence[str]) -> tuple[str, ...]:
    """Those of `features` that are not the same for all customers; the others say nothing and measure no distance."""
    return tuple(name for name in features if customers[name].min() < customers[name].max())


def constant_note(customers: pd.DataFrame, name: str) -> str:
    """A sentence about a feature that is the same for all customers."""
    value = customers[name].iloc[0]
    why = " (all customers have one order)" if name == "Frequency" and value == 1 else ""
    return (
        f"{name} is {value:g} for all {len(customers):,} customers{why}, so it is left out of the distances."
    )
