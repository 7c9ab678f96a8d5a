"""An empty MLflow database that is made once for a person and a version of MLflow, and then copied.

MLflow makes one by dozens of migrations, which take seconds. The template lies in the person's cache folder; where it
is missing, damaged or cannot be written, the migrations run as they do without it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from importlib.metadata import version
from pathlib import Path

CACHE_VARIABLE = "XDG_CACHE_HOME"
FOLDER = "customer-segments"


def template_path() -> Path:
    """Where the template of the installed MLflow is kept."""
    cache = Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache")
    return cache / FOLDER / f"mlflow-{version('mlflow')}.db"


def copy_template(database: Path) -> bool:
    """Copy the template to `database`; whether there was one that is whole and empty."""
    try:
        template = template_path()
        if not _is_usable(template):
            return False
        shutil.copyfile(template, database)
    except (OSError, RuntimeError, sqlite3.Error):  # RuntimeError: nobody's home
        return False
    return True


def keep_template(database: Path) -> None:
    """Keep a new database of MLflow, in which nothing is but its own default experiment, as the template."""
    with contextlib.suppress(OSError, RuntimeError, sqlite3.Error):
        template = template_path()
        template.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=template.parent) as folder:
            copy = Path(folder) / template.name
            shutil.copyfile(database, copy)
            with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
                connection.execute("DELETE FROM experiments")  # its path is that of one project
            if _is_usable(copy):
                copy.rename(template)


def _is_usable(template: Path) -> bool:
    """Whether a template is a whole database with MLflow's tables and nothing in them."""
    if not template.is_file():
        return False
    with contextlib.closing(
        sqlite3.connect(f"{template.absolute().as_uri()}?mode=ro", uri=True)
    ) as connection:
        whole = connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        migrated = connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        filled = ("experiments", "runs", "registered_models")
        return whole and migrated and not any(_rows(connection, table) for table in filled)


def _rows(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
