"""Spark, for shops that one machine cannot hold: a session, and transaction files as its tables."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import InputError
from training.reading import textfile

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.pyspark import Backend
    from pyspark.sql import DataFrame, SparkSession

ON_THIS_MACHINE = (
    "--driver-memory 4g --conf spark.sql.shuffle.partitions=16 --conf spark.ui.enabled=false "
    "--conf spark.log.level=FATAL --conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 "
    "pyspark-shell"
)
SETTINGS = {
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # money keeps its last digit, or overflows
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.legacy.parquet.nanosAsLong": "true",  # Spark has no nanoseconds
}
CHARSETS = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE"}
WINDOWS = "windows-1252"
UNDECODABLE = "\ufffd"


def session() -> SparkSession:
    """The Spark session of this process; a new one where PYSPARK_SUBMIT_ARGS says, by default on this machine.

    Raises InputError when pyspark or Java is missing, or no session can be started.
    """
    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", ON_THIS_MACHINE)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise InputError(
            "--engine spark was given, but pyspark is not installed. Expected the extra `spark` and Java 17 or 21. "
            "Run: pip install -e '.[spark]'"
        ) from None
    try:
        spark = SparkSession.builder.appName("segments").getOrCreate()
    # A missing Java, a wrong address and a full port each have a class of their own.
    except Exception as error:
        raise InputError(
            f"No Spark session can be started: {_first_line(error)} Expected Java 17 or 21 (JAVA_HOME, or `java` on "
            "the PATH), and a master that answers if PYSPARK_SUBMIT_ARGS names one."
        ) from None
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    return spark


def connect() -> Backend:
    """Ibis on `session()`. Times are as written: the session's time zone is UTC."""
    live = session()  # first: without pyspark, Ibis would only name its own way to install it
    import ibis

    return ibis.pyspark.connect(live)


def frame(table: ir.Table) -> DataFrame:
    """An Ibis expression on Spark -> the same as a Spark DataFrame; nothing runs yet."""
    return session().sql(str(table.compile()))


def load(paths: Sequence[Path], connection: Backend) -> dict[Path, ir.Table]:
    """Parquet and text files -> a view for all files that are typed or written alike, under the first of them.

    Spark reads the files by itself, so every worker must reach them under the same path. Text stays
    text, and is read once here, because a broken line would otherwise be found much later. Raises
    InputError for a workbook and for a file that cannot be read.
    """
    alike: dict[Any, list[Path]] = {}
    for path in paths:
        if path.name.startswith("_"):
            raise InputError(f"{path} begins with _. Spark passes over such files. Rename it.")
        parquet = path.suffix.lower() == ".parquet"
        alike.setdefault(_schema(path) if parquet else _layout(path), []).append(path)
    views = {}
    for layout, group in alike.items():
        addresses = ["file://" + re.sub(r"([][*?{}\\])", r"\\\1", str(path.resolve())) for path in group]
        data = _text(addresses, *layout) if isinstance(layout, tuple) else _parquet(addresses, layout)
        views[group[0]] = _view(data, connection)
    return views


def stored(address: str, table: str | None, connection: Backend) -> ir.Table:
    """A table of Spark's catalogue (`pyspark://` and its name), or the Parquet folder at another address.

    Raises InputError when Spark cannot open it.
    """
    try:
        if table:
            return connection.table(table)
        return _view(session().read.parquet(address), connection)
    # A missing table, folder or file system each has a class of its own.
    except Exception as error:
        raise InputError(
            f"Spark cannot open {table or address}: {_first_line(error)} Expected the address of a Parquet folder, "
            "such as s3a://bucket/sales, or pyspark:// with --table NAME."
        ) from None


def _schema(path: Path) -> pa.Schema:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        return parquet.read_schema(path).remove_metadata()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{path} cannot be opened as Parquet: {_first_line(error)} "
            "Expected a complete Parquet file. Copy or write it again."
        ) from None


def _layout(path: Path) -> tuple[str, str, tuple[str, ...]]:
    """(Encoding, delimiter, column names) of a text file."""
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
    return dialect.encoding, dialect.delimiter, tuple(dialect.header)


def _parquet(addresses: list[str], schema: pa.Schema) -> DataFrame:
    from pyspark.sql import functions as F

    data = session().read.parquet(*addresses)
    for field in schema:
        if str(field.type).startswith("timestamp[ns"):
            micros = F.expr(f"timestamp_micros(floor(`{field.name}` / 1000))")
            data = data.withColumn(field.name, micros.cast("timestamp_ntz"))
    return data


def _text(addresses: list[str], encoding: str, delimiter: str, header: Sequence[str]) -> DataFrame:
    from pyspark.sql import functions as F
    from pyspark.sql.types import StringType, StructField, StructType

    data = session().read.csv(
        addresses,
        schema=StructType([StructField(name, StringType()) for name in header]),
        header=True,
        sep=delimiter,
        encoding=CHARSETS.get(encoding, WINDOWS),
        quote='"',
        escape='"',
        multiLine=True,
        mode="FAILFAST",
    )
    undecodable = reduce(or_, (F.col(f"`{name}`").contains(UNDECODABLE) for name in header))
    try:
        found = data.filter(undecodable).head()
    # What fails is a line, in a worker's own words.
    except Exception as error:
        raise InputError(
            f"Spark cannot read {addresses[0]}: {_first_line(error)} Expected lines with {len(header)} fields. "
            "Leave --engine spark out, which names the line, or give Parquet."
        ) from None
    if found:
        raise InputError(
            f"{addresses[0]} is not {CHARSETS.get(encoding, WINDOWS)} throughout: {', '.join(map(str, found))}. "
            "Expected one encoding. Save it as UTF-8, or give Parquet."
        )
    return data


def _view(data: DataFrame, connection: Backend) -> ir.Table:
    import ibis

    name = ibis.util.gen_name("spark")
    data.createOrReplaceTempView(name)
    return connection.table(name)


def _first_line(error: Exception) -> str:
    return (
        f"{str(error).strip().splitlines()[0].rstrip('.')}." if str(error).strip() else type(error).__name__
    )
