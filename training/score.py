"""Batch scoring: a file of transactions, or a feature table, to one scored row a customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from training import textfile
from training.cleaning import end_of
from training.errors import InputError
from training.features import FEATURES
from training.shop import Reading, count_customers

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".parquet", ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
STAMPS = ("model_version", "as_of")


def score(sources: Sequence[str], model: str, reading: Reading, output: Path) -> pd.DataFrame:
    """Score `sources` with a registered version and write the rows to `output` (.parquet or .csv).

    The rows are the customers with their features, the model's answers, and the stamps
    model_version and as_of (empty for a feature table, unless `reading` gives it). Raises InputError
    when the input or the output cannot be used.
    """
    from mlflow.exceptions import MlflowException

    from training import registry, tracking

    if output.suffix not in (".parquet", ".csv"):
        raise InputError(
            f"--output {output} ends in '{output.suffix}'. Expected .parquet or .csv. Rename it."
        )
    version = registry.find(tracking.connect(), model)
    scorer = registry.load(version)
    rules = scorer.metadata.metadata
    table = feature_table(sources)
    as_of: datetime | None
    if table is None:
        reading = replace(reading, returns=rules["returns"], duplicates=rules["duplicates"])
        shop = count_customers(sources, reading)
        customers, as_of = shop.customers, shop.as_of
    else:
        customers = table.drop(columns=[*(name for _, name in registry.OUTPUTS), *STAMPS], errors="ignore")
        as_of = end_of(reading.as_of) if reading.as_of else None
    numbers = _numbers(customers)
    try:
        answers = scorer.predict(numbers)
    except MlflowException as error:
        raise InputError(error.message) from None
    scored = customers.assign(**numbers).join(answers)
    scored["model_version"], scored["as_of"] = version, as_of.isoformat() if as_of else None
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".parquet":
        scored.to_parquet(output, index=False)
    else:
        scored.to_csv(output, index=False)
    return scored


def feature_table(sources: Sequence[str]) -> pd.DataFrame | None:
    """The one file of `sources` as a feature table, texts as they are, or None when it is something else.

    A .parquet or delimited file with three or more of the five features is one. Raises InputError
    when a feature is missing, and for a text file that cannot be read.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = Path(sources[0])
    name = path.name.lower()
    if len(sources) > 1 or not path.is_file() or not name.endswith(TABLES):
        return None
    if name.endswith(".parquet"):
        try:
            table = pd.read_parquet(path) if _is_features(parquet.read_schema(path).names, path) else None
        except (OSError, pa.ArrowInvalid):
            return None
        return table
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
