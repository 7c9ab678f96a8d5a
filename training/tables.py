"""Tables as files that people open: .parquet or .csv."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def check_table_path(path: Path) -> None:
    """Raise InputError unless `path`, given as --output, ends in .parquet or .csv."""
    if path.suffix not in (".parquet", ".csv"):
        raise InputError(f"--output {path} ends in '{path.suffix}'. Expected .parquet or .csv. Rename it.")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a .parquet or .csv file. A missing folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)
