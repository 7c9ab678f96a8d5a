"""Batch scoring: a file of transactions, or a feature table, to one scored row a customer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.names import FEATURES, MODEL, OUTPUTS
from training.band import Band
from training.cleaning import end_of
from training.errors import InputError
from training.reading import textfile
from training.reading.request import Before
from training.shop import Reading, Shop, count_customers, customer_table

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.pyfunc import PyFuncModel

TABLES = (".parquet", ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
STAMPS = ("model_version", "as_of")


@dataclass(frozen=True)
class Scored:
    """Customers with their features and a model's answers, the as-of date (None: a feature table that was
    given none), and the metadata of the model."""

    customers: pd.DataFrame
    as_of: datetime | None
    metadata: Mapping[str, Any]


def score_sources(
    sources: Sequence[str],
    model: str,
    reading: Reading,
    output: Path,
    tell: Callable[[Shop], None] | None = None,
) -> pd.DataFrame:
    """Score `sources` with a registered version and write the rows to `output` (.parquet or .csv).

    The rows are the customers with their features, the model's answers, and the stamps
    model_version and as_of (empty for a feature table, unless `reading` gives it). A share of anomalies
    that the model was not trained for is warned of on stderr. Raises InputError when the input or the
    output cannot be used.
    """
    from training.store import registry
    from training.store.connection import connect

    check_output(output)
    client = connect()
    version = registry.find(client, model)
    answered = answer(client, sources, version, reading, tell)
    scored, as_of = answered.customers, answered.as_of
    scored["model_version"], scored["as_of"] = version, as_of.isoformat() if as_of else None
    write(scored, output)
    _warn_of_share(answered, version)
    return scored


def answer(
    client: MlflowClient,
    sources: Sequence[str],
    version: int,
    reading: Reading,
    tell: Callable[[Shop], None] | None = None,
) -> Scored:
    """The customers of `sources`, counted as the training data of `version` were, and its answers for each.

    `tell` is given the shop that was counted. Raises InputError when the input cannot be used.
    """
    from mlflow.exceptions import MlflowException

    from training.store import registry

    scorer = registry.load(client, version)
    rules = scorer.metadata.metadata or {}
    table = feature_table(sources)
    as_of: datetime | None
    if table is None:
        shop = count_customers(sources, counted_as_in_training(reading, scorer, version))
        if tell:
            tell(shop)
        customers, as_of = shop.customers, shop.as_of
    else:
        customers = table.drop(columns=[*(name for _, name in OUTPUTS), *STAMPS], errors="ignore")
        as_of = end_of(reading.as_of) if reading.as_of else None
    numbers = _numbers(customers)
    try:
        answers = scorer.predict(numbers)
    except MlflowException as error:
        raise InputError(error.message) from None
    return Scored(customers.assign(**numbers).join(answers), as_of, rules)


def write(table: pd.DataFrame, output: Path) -> None:
    """Write a table to a .parquet or .csv file, whose folder is made when missing."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".parquet":
        table.to_parquet(output, index=False)
    else:
        table.to_csv(output, index=False)


def check_output(output: Path) -> None:
    """Raise InputError unless `output` is named as a file that can be written."""
    if output.suffix not in (".parquet", ".csv"):
        raise InputError(
            f"--output {output} ends in '{output.suffix}'. Expected .parquet or .csv. Rename it."
        )


def counted_as_in_training(reading: Reading, scorer: PyFuncModel, version: int) -> Reading:
    """`reading` with the returns and duplicates rules of a model. Raises InputError when it does not say them."""
    rules = scorer.metadata.metadata or {}
    if not {"returns", "duplicates"} <= rules.keys():
        raise InputError(
            f"Version {version} does not say how its training data were counted (no returns and duplicates in its "
            "metadata). Expected a version that `segments train` made. Name another with --model."
        )
    kept = {"returns": rules["returns"], "duplicates": rules["duplicates"]}
    return read_as_before(replace(reading, **kept), json.loads(rules.get("reading", "{}")))


def read_as_before(reading: Reading, before: Mapping[str, Any]) -> Reading:
    """`reading`, and where it says nothing, what a model's training was told of layout, zone, status and guests."""
    plain = Reading()
    again: dict[str, Any] = {
        name: tuple(before[name]) if name == "status_counts" else before[name]
        for name in ("layout", "timezone", "status_counts", "guests", "far_dates")
        if name in before and getattr(reading, name) == getattr(plain, name)
    }
    known = {
        name: before[name] for name in ("columns", "date_order", "decimal", "currency") if name in before
    }
    return replace(reading, **again, before=Before(**known))


def _warn_of_share(scored: Scored, version: int) -> None:
    band = Band.read(scored.metadata)
    flagged, customers = int(scored.customers.is_anomaly.sum()), len(scored.customers)
    if band is not None and not band.holds(flagged, customers):
        print(
            f"Warning: {flagged:,} of {customers:,} customers ({flagged / customers:.2%}) are flagged as anomalies. "
            f"Version {version} was trained to flag {band.rate:.2%}; expected {band}. These customers are not "
            "like those of its training, or a selection of them. If they are your whole shop, retrain with "
            "`segments train`: eps belongs to the data it was found on (docs/model.md, Drift).",
            file=sys.stderr,
        )


def score_on_spark(sources: Sequence[str], model: str, reading: Reading, output: str) -> tuple[int, int]:
    """`score_sources` of transactions, over the partitions of Spark; (customers, anomalies among them).

    `output` is a folder of Parquet files, at a path or an address that all workers can write to.
    """
    import mlflow

    from training.reading import spark
    from training.store import registry
    from training.store.connection import connect

    if not output.endswith(".parquet"):
        raise InputError(
            f"--output {output} does not end in .parquet. Expected that with --engine spark, which writes a folder of "
            "Parquet files. Rename it."
        )
    client = connect()
    version = registry.find(client, model)
    scorer_model = registry.load(client, version)
    reading = counted_as_in_training(replace(reading, engine="spark"), scorer_model, version)
    table, cleaned = customer_table(sources, reading)
    customers, session = spark.frame(table), spark.session()
    scorer = mlflow.pyfunc.spark_udf(
        session,
        f"models:/{MODEL}/{version}",
        env_manager="local",
        result_type=", ".join(f"{name} {kind}" for kind, name in OUTPUTS),
    )
    from pyspark.sql import functions as F

    scored = customers.withColumn("answer", scorer(F.struct(*FEATURES)))
    stamps = [F.lit(version).cast("long"), F.lit(cleaned.as_of.isoformat())]
    stamped = [column.alias(name) for name, column in zip(STAMPS, stamps, strict=True)]
    scored.select(*table.columns, "answer.*", *stamped).write.mode("overwrite").parquet(output)
    written = session.read.parquet(output)
    return written.count(), written.filter("is_anomaly").count()


def feature_table(sources: Sequence[str]) -> pd.DataFrame | None:
    """The one file of `sources` as a feature table, texts as they are, or None when it is something else.

    A .parquet or delimited file with three or more of the five features is one. Raises InputError
    when a feature is missing, and for a text file that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = Path(sources[0])
    name = path.name.lower()
    if len(sources) > 1 or not path.is_file() or not name.endswith(TABLES):
        return None
    if name.endswith(".parquet"):
        try:
            if not _is_features(parquet.read_schema(path).names, path):
                return None
            # The row labels that pandas stored are one more column: a row's answer is found by its place.
            return parquet.read_table(path).to_pandas(ignore_metadata=True)
        except (OSError, pa.ArrowInvalid):
            return None
    if not _is_features(textfile.sniff(path).header, path):
        return None
    import ibis

    return textfile.load(path, ibis.duckdb.connect()).to_pandas()


def _is_features(names: Sequence[str], path: Path) -> bool:
    missing = [name for name in FEATURES if name not in names]
    if len(missing) > 2:
        return False
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}. Expected the features {', '.join(FEATURES)}, or a shop's "
            "transactions. Add the column, or score the transactions."
        )
    return True


def _numbers(customers: pd.DataFrame) -> pd.DataFrame:
    """The five features as float64. Raises InputError that names the first cell that is no number."""
    import pandas as pd

    given = customers[list(FEATURES)]
    numbers = given.apply(pd.to_numeric, errors="coerce").astype("float64")
    for name in FEATURES:
        wrong = given.index[numbers[name].isna() & given[name].notna()]
        if len(wrong):
            raise InputError(
                f"Row {wrong[0]}, column {name}: given '{given.loc[wrong[0], name]}', expected a number. "
                "Rows are counted from 0. No row was scored."
            )
    return numbers
