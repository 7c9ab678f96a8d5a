"""Tables as files that people open: .parquet or .csv."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from contract.spreadsheets import harmless
from training.errors import InputError
from training.whole_file import replaced

if TYPE_CHECKING:
    import pandas as pd


def check_table_path(path: Path) -> None:
    """Raise InputError unless `path`, given as --output, ends in .parquet or .csv."""
    if path.suffix not in (".parquet", ".csv"):
        raise InputError(f"--output {path} ends in '{path.suffix}'. Expected .parquet or .csv. Rename it.")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a .parquet or .csv file, as a whole.

    In a .csv, no text is one that a spreadsheet takes for a formula.
    """
    with replaced(path) as new:
        if path.suffix == ".parquet":
            table.to_parquet(new, index=False)
        else:
            _harmless(table).to_csv(new, index=False)


def _harmless(table: pd.DataFrame) -> pd.DataFrame:
    texts = table.select_dtypes(exclude=["number", "bool", "datetime"])
    return table.assign(**{str(name): texts[name].map(harmless, na_action="ignore") for name in texts})
