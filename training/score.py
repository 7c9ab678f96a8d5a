"""Batch scoring: from a shop's transactions, or a feature table, to one scored row per customer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contract.names import FEATURES, MODEL, OUTPUTS
from contract.people import ID
from contract.words import counted
from training.band import Band
from training.cleaning import end_of
from training.errors import InputError
from training.reading import textfile
from training.reading.address import is_address
from training.reading.forgotten import Forgotten
from training.returns import with_returns_note
from training.shop import Reading, Shop, count_customers, customer_table, read_as_before
from training.tables import check_table_path, write_table

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.pyfunc import PyFuncModel

TABLE_SUFFIXES = (".parquet", ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
STAMP_COLUMNS = ("model_version", "as_of")
OPTIONAL = "AverageOrderValue"  # in a feature table; the model works it out
MAX_MISSING_FEATURES = 2  # a file that lacks more of the features is no feature table


@dataclass(frozen=True)
class ScoredCustomers:
    """Customers with their features and a model's answers, their as-of date, and the metadata of the model.

    as_of: None for a feature table whose date nobody named.
    """

    customers: pd.DataFrame
    as_of: datetime | None
    metadata: Mapping[str, str | float]


@dataclass(frozen=True)
class Scored:
    """What was written: where, by which version, how many customers and anomalies.

    as_of: None where it is not known; rows: what was written, None where Spark wrote it.
    """

    output: str
    model_version: int
    as_of: str | None
    customers: int
    anomalies: int
    rows: pd.DataFrame | None = None

    def as_json(self) -> dict[str, object]:
        """The same as plain values, without the rows."""
        names = ("output", "model_version", "as_of", "customers", "anomalies")
        return {name: getattr(self, name) for name in names}


def score_sources(
    sources: Sequence[str],
    model: str,
    reading: Reading,
    output: Path,
    show: Callable[[Shop], None] | None = None,
) -> Scored:
    """Score `sources` with a registered version and write the rows to `output` (.parquet or .csv).

    The rows are the customers with their features, the model's answers, and the stamps model_version and
    as_of. The latter is empty for a feature table, unless `reading` has a date. When the model flags a share of
    anomalies that it was not trained for, stderr gets a warning. Raises InputError when the input or the
    output cannot be used.
    """
    from training.store import registry
    from training.store.connection import connect

    check_table_path(output)
    client = connect()
    version = registry.find(client, model)
    scored = score_customers(client, sources, version, reading, show)
    as_of = scored.as_of.isoformat() if scored.as_of else None
    rows = scored.customers.assign(model_version=version, as_of=as_of)
    write_table(rows, output)
    _warn_of_share(scored, version)
    return Scored(str(output), version, as_of, len(rows), int(rows.is_anomaly.sum()), rows)


def score_customers(
    client: MlflowClient,
    sources: Sequence[str],
    version: int,
    reading: Reading,
    show: Callable[[Shop], None] | None = None,
) -> ScoredCustomers:
    """The customers of `sources`, counted as the training data of `version` were, with its answers.

    `show` is given the shop that was counted. Raises InputError when the input cannot be used.
    """
    from mlflow.exceptions import MlflowException

    from training.people.remembered import leaving_out
    from training.store import artifact, registry

    scorer = registry.load(client, version)
    reading = leaving_out(client, reading)
    table = feature_table(sources)
    as_of: datetime | None
    if table is None:
        shop = count_customers(sources, counted_as_in_training(reading, scorer, version))
        if show:
            show(shop)
        customers = with_returns_note(shop.customers, shop.reading.returns)
        as_of = shop.as_of
    else:
        table = _without_forgotten(table, reading.forgotten)
        customers = table.drop(columns=[*(name for _, name in OUTPUTS), *STAMP_COLUMNS], errors="ignore")
        as_of = end_of(reading.as_of) if reading.as_of else None
    features = _features_as_numbers(customers)
    try:
        answers = scorer.predict(features)
    except MlflowException as error:
        raise InputError(error.message) from None
    rows = customers.assign(**features).join(artifact.with_numbers(answers))
    return ScoredCustomers(rows, as_of, scorer.metadata.metadata or {})


def _without_forgotten(table: pd.DataFrame, forgotten: Forgotten | None) -> pd.DataFrame:
    """A feature table without the rows of customers who asked to be forgotten, if it says whose its rows are."""
    if forgotten is None or ID not in table:
        return table
    out = np.array(forgotten.among(table[ID]), dtype=bool)
    if out.any():
        print(f"{counted(int(out.sum()), 'customer')} who asked to be forgotten left out.", file=sys.stderr)
    return table[~out].reset_index(drop=True)


def counted_as_in_training(reading: Reading, scorer: PyFuncModel, version: int) -> Reading:
    """`reading` with the rules for returns and duplicates that the model's training used.

    Raises InputError when the model's metadata do not hold them.
    """
    metadata = scorer.metadata.metadata or {}
    if not {"returns", "duplicates"} <= metadata.keys():
        raise InputError(
            f"Version {version} does not say how its training data were counted (no returns and duplicates in its "
            "metadata). Expected a version that `segments train` made. Name another with --model."
        )
    counted = replace(reading, returns=metadata["returns"], duplicates=metadata["duplicates"])
    return read_as_before(counted, json.loads(metadata.get("reading", "{}")))


def _warn_of_share(scored: ScoredCustomers, version: int) -> None:
    band = Band.read(scored.metadata)
    flagged, customers = int(scored.customers.is_anomaly.sum()), len(scored.customers)
    if band is not None and not band.holds(flagged, customers):
        print(
            f"Warning: {flagged:,} of {customers:,} customers ({flagged / customers:.2%}) are flagged as anomalies. "
            f"Version {version} was trained to flag {band.rate:.2%}; expected {band}. These customers are not "
            "like those of its training, or they are a selection of them. If they are your whole shop, retrain with "
            "`segments train`: eps fits only the data from which it was chosen (docs/drift.md).",
            file=sys.stderr,
        )


def score_on_spark(sources: Sequence[str], model: str, reading: Reading, output: str) -> Scored:
    """Score transactions as `score_sources` does, on Spark.

    `output` is a folder of Parquet files, at a path or an address to which all workers can write.
    """
    import mlflow

    from training.people.remembered import leaving_out
    from training.reading import spark
    from training.store import registry
    from training.store.connection import connect

    if not output.endswith(".parquet"):
        raise InputError(
            f"--output {output} does not end in .parquet. Expected .parquet with --engine spark, which writes a folder "
            "of Parquet files. Rename it."
        )
    client = connect()
    reading = leaving_out(client, reading)
    version = registry.find(client, model)
    model_rules = registry.load(client, version)
    reading = counted_as_in_training(replace(reading, engine="spark"), model_rules, version)
    table, cleaned = customer_table(sources, reading)
    frame, session = spark.frame(table), spark.session()
    scorer = mlflow.pyfunc.spark_udf(
        session,
        f"models:/{MODEL}/{version}",
        env_manager="local",
        result_type=_answer_type(model_rules),
    )
    from pyspark.sql.functions import lit, struct

    scored = frame.withColumn("answer", scorer(struct(*FEATURES)))
    stamps = [lit(version).cast("long"), lit(cleaned.as_of.isoformat())]
    stamped = [column.alias(name) for name, column in zip(STAMP_COLUMNS, stamps, strict=True)]
    scored.select(*table.columns, "answer.*", *stamped).write.mode("overwrite").parquet(output)
    written = session.read.parquet(output)
    customers, anomalies = written.count(), written.filter("is_anomaly").count()
    return Scored(output, version, cleaned.as_of.isoformat(), customers, anomalies)


def _answer_type(scorer: PyFuncModel) -> str:
    """The columns of a model's answers as Spark writes them: its own, for a model of before has fewer."""
    outputs = scorer.metadata.signature.outputs
    return ", ".join(f"{column.name} {str(column.type).removeprefix('DataType.')}" for column in outputs)


def feature_table(sources: Sequence[str]) -> pd.DataFrame | None:
    """The one file of `sources` as a feature table, or None when it is something else.

    A .parquet or delimited file with three or more of the five features is a feature table. Its texts stay as
    they are. Raises InputError when a feature is missing, and for a text file that cannot be read.
    """
    import pyarrow as pa
    from pyarrow import parquet

    path = Path(sources[0])
    name = path.name.lower()
    if len(sources) > 1 or is_address(sources[0]) or not path.is_file() or not name.endswith(TABLE_SUFFIXES):
        return None
    if name.endswith(".parquet"):
        try:
            if not _has_features(parquet.read_schema(path).names, path):
                return None
            # Row labels that pandas stored become a column: the answers are joined by the number of the row.
            return parquet.read_table(path).to_pandas(ignore_metadata=True)
        except (OSError, pa.ArrowInvalid):
            return None
    if not _has_features(textfile.sniff(path).header, path):
        return None
    import ibis

    return textfile.load(path, ibis.duckdb.connect()).to_pandas()


def _has_features(names: Sequence[str], path: Path) -> bool:
    """Whether a file with these columns is a feature table. Raises InputError when it lacks one or two features."""
    missing = [name for name in FEATURES if name not in names and name != OPTIONAL]
    if len(missing) > MAX_MISSING_FEATURES:
        return False
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}. Expected the features {', '.join(FEATURES)}, or a shop's "
            "transactions. Add the column, or score the transactions."
        )
    return True


def _features_as_numbers(customers: pd.DataFrame) -> pd.DataFrame:
    """The features as float64. Raises InputError, which names the first cell that is no number."""
    import pandas as pd

    cells = customers[[name for name in FEATURES if name in customers]]
    numbers = cells.apply(pd.to_numeric, errors="coerce").astype("float64")
    for name in cells:
        rows = cells.index[numbers[name].isna() & cells[name].notna()]
        if len(rows):
            raise InputError(
                f"Row {rows[0]}, column {name}: given '{cells.loc[rows[0], name]}', expected a number. "
                "Rows are counted from 0. No row was scored."
            )
    return numbers
