"""The empty database that is made once and copied: it is MLflow's own, and a bad one is never used."""

import re
import sqlite3
from contextlib import closing

import mlflow
import pytest

from training.store import template
from training.store.connection import create_database


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(template.CACHE_VARIABLE, str(tmp_path / "cache"))
    return template.template_path()


def schema(database):
    """Each table and index with its lines; the migrations write the constraints of a table in any order."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return [(kind, name, sorted(re.split(r",?\s*\n\s*", sql or ""))) for kind, name, sql in rows]


def test_a_copy_is_what_the_migrations_make(cache, tmp_path, empty_database):
    template.keep_template(empty_database)
    create_database(tmp_path / "one" / "mlflow.db")
    assert schema(tmp_path / "one" / "mlflow.db") == schema(empty_database)
    (experiment,) = mlflow.MlflowClient(f"sqlite:///{tmp_path}/one/mlflow.db").search_experiments()
    assert experiment.name == "Default"
    with closing(sqlite3.connect(cache)) as connection:
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (0,)
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


@pytest.mark.parametrize("damage", ["cut", "text", "filled", "missing"])
def test_a_template_that_is_not_whole_and_empty_is_not_copied(cache, tmp_path, empty_database, damage):
    template.keep_template(empty_database)
    whole = cache.read_bytes()
    if damage == "cut":
        cache.write_bytes(whole[: len(whole) // 2])
    elif damage == "text":
        cache.write_text("no database")
    elif damage == "filled":
        cache.write_bytes(empty_database.read_bytes())  # it has an experiment of one project
    else:
        cache.unlink()
    assert not template.copy_template(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_template_that_mlflow_refuses_gives_way_to_the_migrations(cache, tmp_path, empty_database, capsys):
    template.keep_template(empty_database)
    with closing(sqlite3.connect(cache)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of tomorrow'")
    create_database(tmp_path / "one" / "mlflow.db")
    assert schema(tmp_path / "one" / "mlflow.db") == schema(empty_database)
    with closing(sqlite3.connect(cache)) as connection:  # and it was replaced
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() != [("of tomorrow",)]
    assert capsys.readouterr().err.count("Creating the MLflow database") == 1


def test_a_cache_that_cannot_be_written_is_done_without(cache, empty_database):
    cache.parent.parent.write_text("a file where the folder would be")
    template.keep_template(empty_database)
    assert not cache.exists()
