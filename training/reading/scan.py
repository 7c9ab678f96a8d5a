"""Files that DuckDB can type by itself, read anew by each query: nothing is stored, and it is by far the quickest way.

A text file qualifies when its first lines are plain (ISO dates, or slashes whose order is known; numbers with a decimal
point), a Parquet file when dates and numbers are typed. `read.read_lines` reads everything else, and gives the
same lines (but for numbers like 1_000, a thousand here and unreadable there): whoever runs a query on a scan must go
back to it when the query fails.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from training.reading import bombs, textfile
from training.reading.cells import IDENTIFIERS, canonical_columns, identifier
from training.reading.columns import recognise
from training.reading.sources import files

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

BYTES_A_THREAD = 160_000_000
MORE = 10
KINDS = {
    "date": "TIMESTAMP",
    "quantity": "DECIMAL(15, 3)",
    "price": "DECIMAL(18, 6)",
    "amount": "DECIMAL(33, 9)",
}
NUMBERS = ("quantity", "price", "amount")
NUMBER = r"[+-]?[0-9]+([.][0-9]+)?"
DATES = {  # how strptime calls a form, and the order of day and month that must be known for it
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}": ("%Y-%m-%d %H:%M:%S", None),
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}": ("%Y-%m-%dT%H:%M:%S", None),
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}": ("%Y-%m-%d %H:%M", None),
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}": ("%Y-%m-%d", None),
    r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{2}": ("{}/{}/%Y %H:%M", "either"),
    r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}": ("{}/{}/%Y", "either"),
}
# strptime takes 10-12-01 for the year 10 and `infinity` for 1900: dates outside want a closer look.
BELIEVABLE = datetime(1901, 1, 1), datetime(2999, 12, 31)


def scan_lines(
    sources: Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    date_order: str | None = None,
    decimal: str | None = None,
) -> ir.Table | None:
    """Files, folders, patterns -> the lines as `read_lines` gives them, not read yet; None for other sources.

    Identifiers are still as they are stored: ask `settled` of the moments. A later line that is not as plain as the
    first ones makes a query raise duckdb.Error. Raises InputError as `read_lines` does for what cannot be mended.
    """
    if any("://" in str(source) for source in sources):
        return None
    paths = files(sources)
    if {path.suffix.lower() for path in paths} == {".parquet"}:
        return _parquet(paths, columns or {})
    if any(path.suffix.lower() in (".parquet", ".xlsx") for path in paths):
        return None
    return _text(paths, columns or {}, date_order, decimal)


def with_more_memory(lines: ir.Table) -> ir.Table:
    """The same scan, for whose query the memory was too little: it may take MORE times as much."""
    lines.get_backend().raw_sql(f"SET memory_limit = '{MORE * _bytes()}B'")
    return lines


def settled(found: ir.Table) -> ir.Table | None:
    """What `cleaning.moments` makes of a scan, with its identifiers as `read_lines` gives them.

    None when a date is not BELIEVABLE, or when one identifier is written in two ways (17850 and 17850.0): exact
    duplicates among such lines look different.
    """
    meant = {name: identifier(found[name]) for name in IDENTIFIERS}
    dates = (~found.date.between(*BELIEVABLE)).sum().fill_null(0)
    ids = [found[name].nunique(where=meant[name].notnull()) - meant[name].nunique() for name in IDENTIFIERS]
    odd = found.aggregate(dates=dates, ids=sum(ids)).to_pyarrow().to_pylist()[0]
    return None if any(odd.values()) else found.mutate(**meant)


def _text(
    paths: list[Path], columns: Mapping[str, str], date_order: str | None, decimal: str | None
) -> ir.Table | None:
    layouts = [textfile.sniff(path) for path in paths]
    layout = layouts[0]
    packed = {path.suffix.lower() == ".gz" for path in paths}
    written_alike = all(other == layout for other in layouts) and len(packed) == 1
    if not written_alike or layout.encoding != "utf-8-sig" or not layout.header_is_first_line:
        return None
    roles = recognise(layout.header, columns, str(paths[0]))
    form = _plain_form(textfile.sample(paths[0], layout), roles, date_order, decimal)
    if form is None:
        return None
    for path in paths:
        if packed == {True}:
            bombs.check_gzip(path)
    kinds = {roles[role]: kind for role, kind in KINDS.items() if role in roles}
    table = _connect().read_csv(
        [glob.escape(str(path)) for path in paths],
        columns={name: kinds.get(name, "VARCHAR") for name in layout.header},
        delim=layout.delimiter,
        quote='"',
        escape='"',
        header=True,
        compression="gzip" if packed == {True} else "none",
        timestampformat=form,
    )
    return table.select(**canonical_columns(table, roles))


def _plain_form(
    sample: list[dict[str, str]], roles: Mapping[str, str], date_order: str | None, decimal: str | None
) -> str | None:
    """How strptime calls the form of the dates in a `sample` of lines; None when these are not plain, or leave a
    question open that only all lines can answer."""
    numbers = [row[roles[role]] for row in sample for role in NUMBERS if role in roles]
    dates = [row[roles["date"]] for row in sample]
    if decimal == "comma" or not all(re.fullmatch(NUMBER, text) for text in numbers if text):
        return None
    if decimal is None and not any(re.search(textfile.surely_decimal(".", ","), text) for text in numbers):
        return None
    for pattern, (form, order) in DATES.items():
        if all(re.fullmatch(pattern, text) for text in dates if text) and any(dates):
            if order is None:
                return form
            first, second = (max(int(text.split("/")[at]) for text in dates if text) for at in (0, 1))
            known = date_order or ("month-first" if second > 12 else "day-first" if first > 12 else None)
            return known and form.format(*(("%m", "%d") if known == "month-first" else ("%d", "%m")))
    return None


def _parquet(paths: list[Path], columns: Mapping[str, str]) -> ir.Table | None:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        first, *others = (parquet.read_schema(path).remove_metadata() for path in paths)
        if any(other != first for other in others):
            return None
        table = _connect().read_parquet([glob.escape(str(path)) for path in paths])
    except (OSError, pa.ArrowInvalid, duckdb.Error):  # `read_lines` says what is wrong
        return None
    roles = recognise(table.columns, columns, str(paths[0]))
    typed = all(not table[roles[role]].type().is_string() for role in KINDS if role in roles)
    return table.select(**canonical_columns(table, roles)) if typed else None


def _connect() -> Backend:
    """DuckDB in memory, of which it takes BYTES_A_THREAD; what does not fit waits in temporary files."""
    import ibis

    spill = Path(tempfile.gettempdir(), ibis.util.gen_name(f"segments-{os.getpid()}"))
    return ibis.duckdb.connect(memory_limit=f"{_bytes()}B", temp_directory=str(spill))


def _bytes() -> int:
    return BYTES_A_THREAD * (os.cpu_count() or 1)
