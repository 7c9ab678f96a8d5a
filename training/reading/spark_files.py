"""Files and stored tables as tables of Spark, which reads them by itself: every worker must reach them alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import InputError
from training.reading import textfile
from training.reading.address import is_address, shown
from training.reading.clocks import on_clock
from training.reading.sources import check_same_columns, files
from training.reading.spark import connect, first_line, session

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.pyspark import Backend
    from pyspark.sql import Column, DataFrame

CHARSETS = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE"}
WINDOWS = "windows-1252"
UNDECODABLE = "\ufffd"


@dataclass(frozen=True)
class TextLayout:
    """How a text file is written that Spark can read."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]

    @property
    def charset(self) -> str:
        """The encoding as Java calls it."""
        return CHARSETS.get(self.encoding, WINDOWS)


def opened(sources: Sequence[str | Path], table: str | None, query: str | None) -> tuple[str, list[ir.Table]]:
    """What is read, in a word, and its tables on Spark: files, or one address. Raises InputError."""
    addresses = [str(source) for source in sources if is_address(source)]
    if query or bool(table) != (addresses == ["pyspark://"]) or (addresses and len(sources) > 1):
        raise InputError(
            f"--engine spark was given {shown(', '.join(map(str, sources)))}"
            f"{f' and --query {query}' if query else ''}{f' and --table {table}' if table else ''}. "
            "Expected files, the address of one Parquet folder, or pyspark:// with --table NAME."
        )
    if addresses:
        return table or addresses[0], [stored(addresses[0], table, connect())]
    views = load(files(sources), connect())
    first, *others = views
    for path in others:
        check_same_columns(views[path].columns, path, views[first].columns, first)
    return str(first), list(views.values())


def load(paths: Sequence[Path], connection: Backend) -> dict[Path, ir.Table]:
    """Parquet and text files -> a view for all files that are typed or written alike, under the first of them.

    Text stays text, and is read once here, because a broken line would otherwise be found much later. Raises
    InputError for a workbook and for a file that cannot be read.
    """
    alike: dict[pa.Schema | TextLayout, list[Path]] = {}
    for path in paths:
        parquet = path.suffix.lower() == ".parquet"
        alike.setdefault(_schema(path) if parquet else text_layout(path), []).append(path)
    views = {}
    for layout, group in alike.items():
        if isinstance(layout, TextLayout):
            views[group[0]] = view(_checked(text(group, layout), group, layout), connection)
        else:
            views[group[0]] = on_clock(view(_parquet(group, layout), connection), group, "")
    return views


def stored(address: str, table: str | None, connection: Backend) -> ir.Table:
    """A table of Spark's catalogue (`pyspark://` and its name), or the Parquet folder at another address.

    Raises InputError when Spark cannot open it.
    """
    try:
        if table:
            return connection.table(table)
        return view(session().read.parquet(address), connection)
    # A missing table, folder or file system each has a class of its own.
    except Exception as error:
        raise InputError(
            f"Spark cannot open {table or address}: {first_line(error)} Expected the address of a Parquet folder, "
            "such as s3a://bucket/sales, or pyspark:// with --table NAME."
        ) from None


def text_layout(path: Path) -> TextLayout:
    """How a text file is written. Raises InputError for one that Spark cannot read."""
    _check_name(path)
    if path.suffix.lower() == ".xlsx":
        raise InputError(
            f"{path} is a workbook. Expected Parquet or delimited text with --engine spark. "
            "Leave the option out, or save the sheets as CSV."
        )
    dialect = textfile.sniff(path)
    if not dialect.header_is_first_line:
        raise InputError(
            f"{path} does not begin with its header on one line. Expected that with --engine spark. "
            "Leave the option out, or remove the lines above the header."
        )
    return TextLayout(dialect.encoding, dialect.delimiter, tuple(dialect.header))


def text(paths: Sequence[Path], layout: TextLayout) -> DataFrame:
    """Text files that are written alike, all columns as text; nothing is read yet."""
    from pyspark.sql.types import StringType, StructField, StructType

    return session().read.csv(
        _addresses(paths),
        schema=StructType([StructField(name, StringType()) for name in layout.header]),
        header=True,
        sep=layout.delimiter,
        encoding=layout.charset,
        quote='"',
        escape='"',
        multiLine=True,
        mode="FAILFAST",
    )


def is_undecodable(layout: TextLayout) -> Column:
    """Whether a cell of a line holds bytes that are none of its encoding."""
    from pyspark.sql import functions as F

    return reduce(
        or_, (F.coalesce(F.col(f"`{name}`"), F.lit("")).contains(UNDECODABLE) for name in layout.header)
    )


def view(data: DataFrame, connection: Backend) -> ir.Table:
    """The same as a table of Ibis."""
    import ibis

    name = ibis.util.gen_name("spark")
    data.createOrReplaceTempView(name)
    return connection.table(name)


def _check_name(path: Path) -> None:
    if path.name.startswith("_"):
        raise InputError(f"{path} begins with _. Spark passes over such files. Rename it.")


def _schema(path: Path) -> pa.Schema:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    _check_name(path)
    try:
        return parquet.read_schema(path).remove_metadata()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{path} cannot be opened as Parquet: {first_line(error)} "
            "Expected a complete Parquet file. Copy or write it again."
        ) from None


def _addresses(paths: Sequence[Path]) -> list[str]:
    return ["file://" + re.sub(r"([][*?{}\\])", r"\\\1", str(path.resolve())) for path in paths]


def _parquet(paths: Sequence[Path], schema: pa.Schema) -> DataFrame:
    from pyspark.sql import functions as F

    data = session().read.parquet(*_addresses(paths))
    for field in schema:
        if str(field.type).startswith("timestamp[ns"):
            micros = F.expr(f"timestamp_micros(floor(`{field.name}` / 1000))")
            data = data.withColumn(field.name, micros.cast("timestamp_ntz"))
    return data


def _checked(data: DataFrame, paths: Sequence[Path], layout: TextLayout) -> DataFrame:
    """The same, once read to its end. Raises InputError for broken lines and for bytes of another encoding."""
    try:
        odd = data.filter(is_undecodable(layout)).head()
    # What fails is a line, in a worker's own words.
    except Exception as error:
        raise InputError(
            f"Spark cannot read {paths[0]}: {first_line(error)} Expected lines with {len(layout.header)} fields. "
            "Leave --engine spark out, which names the line, or give Parquet."
        ) from None
    if odd:
        raise InputError(
            f"{paths[0]} is not {layout.charset} throughout: {', '.join(map(str, odd))}. "
            "Expected one encoding. Save it as UTF-8, or give Parquet."
        )
    return data
