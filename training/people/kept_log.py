"""The file of kept columns as training writes it: rows are added, dropped with their trainings, and taken out."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from contract.mlflow_setup import store_address
from contract.people import (
    ID,
    KEPT_FILE,
    MARKS,
    PEOPLE,
    KeptLog,
    PeopleProblem,
    last_rows,
    people_folder,
    read_log,
)
from training.errors import FREE_SPACE, FULL_DISK, InputError
from training.whole_file import replaced

if TYPE_CHECKING:
    import pandas as pd

LOCK_FILE = "kept.lock"


def keep(run: str, table: pd.DataFrame) -> None:
    """Write what a training kept: `table` has customer_id and its kept columns, one row per customer.

    Only the user may read the file and its folder. Raises InputError.
    """
    _change(lambda log: with_training(log, run, table))


def take_out(customers: Collection[str]) -> None:
    """Take customers out of all trainings. Raises InputError."""
    if rows_of(customers):
        _change(lambda log: without_customers(log, customers))


def rows_of(customers: Collection[str]) -> int:
    """How many rows some customers have. Raises InputError."""
    return int(read().rows[ID].isin(customers).sum())


def drop_trainings(runs: Collection[str]) -> None:
    """Drop what trainings kept that are gone. Raises InputError."""
    if not read().marks.keys().isdisjoint(runs):
        _change(lambda log: without_trainings(log, runs))


def read() -> KeptLog:
    """The log as it is. Raises InputError."""
    try:
        return read_log(people_folder(store_address()))
    except PeopleProblem as problem:
        raise InputError(str(problem)) from None


def with_training(log: KeptLog, run: str, table: pd.DataFrame) -> KeptLog:
    """The log with a training more. A training that was interrupted and goes on has its mark already."""
    import pandas as pd

    if run in log.marks:
        return log
    columns = list(dict.fromkeys([*log.rows.columns, *table.columns]))
    now = table.set_index(ID).reindex(columns=columns[1:])
    before = last_rows(log.rows).reindex(index=now.index, columns=columns[1:])
    same = (now == before) | (now.isna() & before.isna())
    new = now[~same.all(axis=1)].reset_index()
    rows = pd.concat([log.rows.reindex(columns=columns), new], ignore_index=True)
    return KeptLog(rows, {**log.marks, run: len(rows)})


def without_customers(log: KeptLog, customers: Collection[str]) -> KeptLog:
    """The log without any row of some customers."""
    return _of_rows(log, ~log.rows[ID].isin(customers), log.marks)


def without_trainings(log: KeptLog, runs: Collection[str]) -> KeptLog:
    """The log without some trainings, and without the rows that no other training needs."""
    import pandas as pd

    marks = {run: rows for run, rows in log.marks.items() if run not in runs}
    needed = pd.Series(False, index=log.rows.index)
    for rows in set(marks.values()):
        needed[:rows] |= ~log.rows[ID].head(rows).duplicated(keep="last")
    return _of_rows(log, needed, marks)


def _of_rows(log: KeptLog, stay: pd.Series, marks: Mapping[str, int]) -> KeptLog:
    rows = log.rows[stay].reset_index(drop=True)
    used = [name for name in rows if name == ID or rows[name].notna().any()]
    return KeptLog(rows[used], {run: int(stay[:end].sum()) for run, end in marks.items()})


def _change(changed: Callable[[KeptLog], KeptLog]) -> None:
    """Change the log, held against other processes of this machine, and write it as a whole. Raises InputError."""
    folder = people_folder(store_address())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / LOCK_FILE).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = read()
            after = changed(before)
            if after is not before:
                _write(folder / KEPT_FILE, after)
    except OSError as error:
        to_do = FREE_SPACE if error.errno in FULL_DISK else f"Make it so, or name another one with {PEOPLE}."
        raise InputError(
            f"The kept columns cannot be written to {folder}: {error.strerror or error}. Expected a folder that this "
            f"user can write to, with space. {to_do}"
        ) from error


def _write(file: Path, log: KeptLog) -> None:
    """Write the log as a whole; a log without rows and marks has no file."""
    import pyarrow as pa
    from pyarrow import parquet

    if not log.marks:
        file.unlink(missing_ok=True)
        return
    table = pa.Table.from_pandas(log.rows, preserve_index=False)
    marks = json.dumps(dict(log.marks)).encode()
    with replaced(file) as new:
        new.touch(mode=0o600)
        parquet.write_table(table.replace_schema_metadata({MARKS: marks}), new, compression="zstd")
