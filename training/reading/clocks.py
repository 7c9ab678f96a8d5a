"""Typed moments in Parquet, whose columns may have a zone: on the clock of that zone, or of the one asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.reading.dates import clock_of

if TYPE_CHECKING:
    import ibis.expr.types as ir


def zones(paths: Sequence[Path]) -> dict[str, str]:
    """The columns of Parquet files that have a zone, each with it; a zone that differs between files is UTC."""
    import pyarrow.parquet as parquet

    found: dict[str, set[str]] = {}
    for path in paths:
        for field in parquet.read_schema(path):
            if zone := getattr(field.type, "tz", None):
                found.setdefault(field.name, set()).add(zone)
    return {name: each.pop() if len(each) == 1 else "UTC" for name, each in found.items()}


def notes_of(zones: dict[str, str]) -> list[str]:
    """What to say of the clocks of typed moments."""
    return [
        f"{name} is on the clock of {_named(zone)} (--timezone ZONE for another)"
        for name, zone in zones.items()
    ]


def on_clock(table: ir.Table, paths: Sequence[Path], timezone: str) -> ir.Table:
    """A table of Parquet files, its moments with a zone on that zone's clock, or on the one of `timezone`."""
    moments = {
        name: clock_of(table[name].cast("timestamp('UTC')").cast("timestamp"), _named(timezone or zone))
        for name, zone in zones(paths).items()
        if name in table.columns
    }
    return table.mutate(**moments) if moments else table


def on_one_zone(table: ir.Table, timezone: str) -> ir.Table:
    """A table of a database, its moments that have a zone on the clock of `timezone`, which is UTC where that is ""."""
    moments = {
        name: clock_of(table[name].cast("timestamp('UTC')").cast("timestamp"), _named(timezone))
        for name, kind in table.schema().items()
        if kind.is_timestamp() and kind.timezone
    }
    return table.mutate(**moments) if moments else table


def _named(zone: str) -> str:
    """A zone that has a name; an offset such as +01:00 counts as UTC, because its clock is no shop's."""
    return zone if "/" in zone else "UTC"
