"""Spark, for shops that one machine cannot hold: its session, settings and errors. `spark_files` are its tables."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from training.errors import InputError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa
    from ibis.backends.pyspark import Backend
    from pyspark.sql import DataFrame, SparkSession

ON_THIS_MACHINE = (
    "--driver-memory 4g --conf spark.sql.shuffle.partitions=16 --conf spark.ui.enabled=false "
    "--conf spark.ui.showConsoleProgress=false --conf spark.log.level=FATAL "
    "--conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 pyspark-shell"
)
SETTINGS = {
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # money keeps its last digit, or overflows
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.legacy.parquet.nanosAsLong": "true",  # Spark has no nanoseconds
}
LOCAL_UP_TO_ROWS = (
    2_000_000  # some 300 MB of customers' orders: one copy costs less than the jobs of the next queries
)


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
            f"No Spark session can be started: {first_line(error)} Expected Java 17 or 21 (JAVA_HOME, or `java` on "
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
    """An Ibis expression as a Spark DataFrame; on Spark nothing runs yet, and from DuckDB its rows are sent there."""
    if table.get_backend().name == "pyspark":
        return session().sql(str(table.compile()))
    return session().createDataFrame(table.to_pyarrow())


def local(table: ir.Table) -> ir.Table:
    """A kept table of Spark as one of DuckDB, where a query takes milliseconds; one of very many rows as it is."""
    rows = frame(table)
    if rows.count() > LOCAL_UP_TO_ROWS:
        return table
    from training.reading import memory

    return memory.connect().create_table("moments", _without_zones(rows.toArrow()))


def _without_zones(rows: pa.Table) -> pa.Table:
    """The same rows, with moments as the clock of the session's zone shows them."""
    import pyarrow.compute as pc

    for number, field in enumerate(rows.schema):
        if getattr(field.type, "tz", None):
            rows = rows.set_column(number, field.name, pc.local_timestamp(rows.column(number)))
    return rows


def failures() -> tuple[type[Exception], ...]:
    """The errors by which a query on Spark ends, in this process or in a worker."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    return PySparkException, Py4JError


def first_line(error: Exception) -> str:
    """What an error says first, as a sentence."""
    return (
        f"{str(error).strip().splitlines()[0].rstrip('.')}." if str(error).strip() else type(error).__name__
    )
