"""A project's folder that was moved, renamed or copied: its artifacts are found, and nothing is written to the old place."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import mlflow
import pytest

from contract import artifact_paths
from training.errors import InputError
from training.store import connection


@pytest.fixture
def moved(store, tmp_path):
    """A store that was used in one folder, and is now in another, whose name has to be written as %20 and %C3%A4."""
    old = store.copy(tmp_path / "before").folder
    new = tmp_path / "a läter place"
    shutil.move(old, new)
    return type(store)(new), old


def paths(database):
    """All paths of artifacts that a database keeps."""
    with contextlib.closing(sqlite3.connect(database)) as reader:
        columns = [f"SELECT {column} FROM {table}" for table, column in artifact_paths.COLUMNS]
        return [path for (path,) in reader.execute(" UNION ALL ".join(columns)) if path]


def test_a_moved_project_is_served_scored_promoted_and_trained(moved, api_of):
    shop, old = moved
    with api_of(shop) as app:
        assert app.test_client().get("/health").get_json()["model_version"] == 1
    shop.run("score", "data/raw/demo.csv.gz", "--output", "scored.csv")
    shop.run("train", "--promote", "--trials", "1", "--max-segments", "3")
    client = mlflow.MlflowClient(*[shop.environment["MLFLOW_TRACKING_URI"]] * 2)
    assert int(client.get_model_version_by_alias("customer-segments", "champion").version) == 2
    assert not old.exists()
    assert not [path for path in paths(shop.folder / "mlruns" / "mlflow.db") if str(old) in path]


def test_a_copy_has_nothing_to_do_with_the_original(store, tmp_path):
    original = store.folder / "mlruns" / "mlflow.db"
    before = paths(original)
    copy = store.copy(tmp_path / "copy").folder / "mlruns" / "mlflow.db"
    assert paths(original) == before
    assert len(paths(copy)) == len(before)
    with contextlib.chdir(tmp_path / "copy"):  # a store is named relative to the folder, too
        artifact_paths.follow(Path("mlruns/mlflow.db"))
    own = (tmp_path / "copy" / "mlruns").as_uri()
    assert sum(path.startswith(own) for path in paths(copy)) > 20


def test_artifacts_that_are_kept_in_another_place_stay_there(store, tmp_path):
    copy = store.copy(tmp_path / "copy").folder / "mlruns"
    before = paths(copy / "mlflow.db")
    (tmp_path / "databases").mkdir()
    database = (copy / "mlflow.db").rename(tmp_path / "databases" / "mlflow.db")
    connection.find_artifacts(database)
    assert paths(database) == before


def test_a_database_whose_artifacts_are_nowhere_is_told_at_once(moved):
    shop, old = moved
    shutil.rmtree(shop.folder / "mlruns" / "artifacts")
    done = shop.run("score", "nothing.csv", "--output", "out.csv", check=False)
    assert done.returncode == 2
    assert f"neither in {old}/mlruns/artifacts, where it says, nor in {shop.folder}/mlruns" in done.stderr
    assert not old.exists()


def test_a_database_that_cannot_be_told_is_named(moved, api_of, monkeypatch):
    shop, _ = moved
    database = shop.folder / "mlruns" / "mlflow.db"
    monkeypatch.setattr(artifact_paths, "LOCK_TIMEOUT_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the database can be read, and not written
        with pytest.raises(InputError, match=r"was moved from .*before to .*place.* cannot be told so"):
            connection.find_artifacts(database)
        with api_of(shop) as app:
            message = app.test_client().get("/health").get_json()["error"]["message"]
        assert "the project was moved" in message
        assert str(shop.folder) not in message
