"""Where an SQLite store keeps its artifacts: MLflow writes absolute paths, and these follow a folder that was moved."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

from contract.names import EXPERIMENT, HISTORY_EXPERIMENT

ARTIFACTS = "artifacts"  # the folder beside the database
LOCK_TIMEOUT_SECONDS = 20.0
COLUMNS = (  # all in which MLflow keeps the path of an artifact
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


class Misplaced(Exception):
    """The artifacts are not where the database says, and it cannot be corrected. The message says what to do."""


def location(database: Path) -> str:
    """The address of the artifacts of a database: the folder beside it."""
    return (database.parent.resolve() / ARTIFACTS).as_uri()


def follow(database: Path) -> None:
    """Let the paths of the artifacts follow their folder, if it was moved, renamed, copied or mounted elsewhere.

    Artifacts beside the database are its own, wherever it says that they are. So a copy has nothing to do with the
    original. Artifacts that somebody keeps in another place stay there. Raises Misplaced when they are in neither
    place, or when the database cannot be written.
    """
    here = database.parent.resolve()
    for old in _folders(database) if database.is_file() else ():
        if old == here:
            continue
        if (here / ARTIFACTS).is_dir() or not _has_artifacts(database, old):
            _replace(database, old, here)
        elif not (old / ARTIFACTS).is_dir():
            raise Misplaced(
                f"The artifacts of {database} are neither in {old / ARTIFACTS}, where it says, nor in "
                f"{here / ARTIFACTS}, beside it. Expected them in one of these. Put that folder beside the database."
            )


def check_writable(database: Path) -> None:
    """Raise sqlite3.OperationalError when nobody can write into the database, or another program holds it."""
    with _opened(database, "rw") as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def _folders(database: Path) -> list[Path]:
    """The folders in which the database says that it lies: those above the artifacts of its experiments."""
    with _opened(database, "ro") as connection:
        try:
            rows = connection.execute(
                "SELECT DISTINCT artifact_location FROM experiments WHERE name IN (?, ?)",
                (EXPERIMENT, HISTORY_EXPERIMENT),
            ).fetchall()
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):  # MLflow would try again for minutes
                raise
            return []  # it is empty or damaged, which MLflow tells
    paths = [Path(unquote(urlparse(address).path)) for (address,) in rows if str(address).startswith("file:")]
    return [path.parent for path in paths if path.name == ARTIFACTS]


def _has_artifacts(database: Path, folder: Path) -> bool:
    """Whether the database knows runs whose artifacts are in `folder`."""
    with _opened(database, "ro") as connection:
        address = folder.as_uri() + "/"
        query = "SELECT 1 FROM runs WHERE substr(artifact_uri, 1, ?) = ? LIMIT 1"
        return connection.execute(query, (len(address), address)).fetchone() is not None


def _replace(database: Path, old: Path, new: Path) -> None:
    """Write `new` for `old` at the beginning of all paths, in one transaction."""
    prefixes = ((old.as_uri(), new.as_uri()), (str(old), str(new)))
    try:
        with _opened(database, "rw") as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table, column in COLUMNS:
                for before, after in prefixes:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                        (after, len(before) + 1, len(before) + 1, before + "/"),
                    )
            connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise Misplaced(
            f"The project was moved from {old.parent} to {new.parent}, and its database {database} cannot be told so "
            f"({error}). Expected a database that can be written, once. Make it writable, or move the project back."
        ) from None


@contextlib.contextmanager
def _opened(database: Path, mode: str) -> Iterator[sqlite3.Connection]:
    address = f"{database.resolve().as_uri()}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()
