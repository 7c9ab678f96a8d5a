"""What identifies people (e-mail addresses, names: the columns of `--keep`), in a file apart from the runs.

The file is a log of rows, oldest first. A training adds a row for each customer whose kept columns are not those of the
customer's last row, and then a mark: its run, and how many rows there are now. So what a version kept is the last row
of each customer above the mark of its run, and nothing is stored twice because a month has passed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from contract.mlflow_setup import database_file

if TYPE_CHECKING:
    import pandas as pd

PEOPLE = "SEGMENTS_PEOPLE"  # in the environment: the folder, where it is not beside the store
FOLDER = Path("data") / "people"
KEPT_FILE = "kept.parquet"
MARKS = b"trainings"  # in the file's metadata: run and number of rows of each mark, as JSON
# In a summary: the names of the columns, and why they are not here.
KEPT, WITHOUT_KEPT = "kept", "without_kept"
ID = "customer_id"


class PeopleProblem(Exception):
    """The file cannot be read. The message says where, and what to do; it may be shown to anyone who sees lists."""


def people_folder(address: str) -> Path:
    """Where the file is that belongs to the MLflow store at `address`.

    Beside a database's own folder, so that it follows the project and is not in a copy of the store; below the working
    directory where the store is a server.
    """
    if given := os.environ.get(PEOPLE):
        return Path(given)
    database = database_file(address)
    return database.resolve().parent.parent / FOLDER if database else FOLDER


@dataclass(frozen=True)
class KeptLog:
    """The rows (customer_id and kept columns, oldest first), and by run how many of them there were after it."""

    rows: pd.DataFrame
    marks: Mapping[str, int]

    def columns_of(self, run: str) -> pd.DataFrame:
        """What the training of this run kept: one row per customer, by customer_id."""
        return last_rows(self.rows.head(self.marks[run]))


def last_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The last row of each customer, by customer_id."""
    return rows.drop_duplicates(ID, keep="last").set_index(ID)


def read_log(folder: Path) -> KeptLog:
    """The log in a folder; an empty one where there is no file. Raises PeopleProblem."""
    import pandas as pd
    from pyarrow import ArrowInvalid, parquet

    file = folder / KEPT_FILE
    try:
        table = parquet.read_table(file)
        marks = json.loads((table.schema.metadata or {})[MARKS])
    except FileNotFoundError:
        return KeptLog(pd.DataFrame({ID: pd.Series(dtype="str")}), {})
    except (OSError, ArrowInvalid, KeyError, ValueError) as error:
        # Arrow's own text names the call that failed.
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is damaged"
        raise PeopleProblem(
            f"The kept columns in {file} cannot be read: {why}. Expected the file that training writes. Make it "
            f"readable, put a backup in its place, or name another folder with {PEOPLE}."
        ) from error
    return KeptLog(table.to_pandas(), dict(marks))


def with_kept(
    customers: pd.DataFrame, summary: Mapping[str, object], run: str, address: str
) -> tuple[pd.DataFrame, Mapping[str, object]]:
    """A version's table of customers with the columns that its training kept, and the training's summary.

    Where they are not on this machine the table stays as it is, and the summary has WITHOUT_KEPT, a sentence. A version
    of an earlier release has them in its table already.
    """
    names = [name for name in cast("Sequence[str]", summary.get(KEPT, ())) if name not in customers]
    if not names:
        return customers, summary
    folder = people_folder(address)
    try:
        log = read_log(folder)
    except PeopleProblem as problem:
        return customers, {**summary, WITHOUT_KEPT: str(problem)}
    if run not in log.marks:
        return customers, {**summary, WITHOUT_KEPT: _not_here(names, folder)}
    columns = log.columns_of(run).reindex(index=customers[ID], columns=names)
    return customers.assign(**{name: columns[name].to_numpy() for name in names}), summary


def _not_here(names: Sequence[str], folder: Path) -> str:
    return (
        f"{', '.join(names)} of its customers {'is' if len(names) == 1 else 'are'} not on this machine. Expected in "
        f"{folder / KEPT_FILE}, which training writes. Copy that file from where it was trained, or name its folder "
        f"with {PEOPLE}; lists go on with ids."
    )
