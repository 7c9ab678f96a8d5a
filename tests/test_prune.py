"""What nightly trainings leave is bounded, and nothing goes that somebody needs."""

from pathlib import Path
from urllib.parse import urlparse

import mlflow
import pandas as pd
import pytest
from click.testing import CliRunner
from made_up import customers, register

from contract.names import MODEL
from training.cli import main
from training.cycle import approval
from training.people import kept_log
from training.store import registry
from training.store.history import Move

SHOP = {"lapsed": 40, "new": 30, "best": 20}
CHAMPION, BEFORE, NOBODYS, WAITING, LATEST = range(1, 6)


def run(*words):
    done = CliRunner().invoke(main, ["prune", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def versions(client):
    return sorted(int(record.version) for record in client.search_model_versions(f"name='{MODEL}'"))


def folder_of(address):
    return Path(urlparse(address).path)


@pytest.fixture
def client(new_store, tmp_path):
    """Five trainings with two trials each: the champion, the one before, one that nobody needs, one that waits, the latest."""
    with new_store(tmp_path) as client:
        table = customers(**SHOP)
        for _ in range(5):
            version = register(client, table)
            training = client.get_model_version(MODEL, str(version))
            client.set_tag(training.run_id, "stage", "done")
            client.log_text(training.run_id, "drawn", "figures/one.png")
            for trial in range(2):
                experiment = client.get_run(training.run_id).info.experiment_id
                tags = {"mlflow.parentRunId": training.run_id, "trial": str(trial)}
                client.set_terminated(client.create_run(experiment, tags=tags).info.run_id)
        registry.promote(client, Move(None, BEFORE, "test"))
        registry.promote(client, Move(BEFORE, CHAMPION, "test"))
        client.delete_registered_model_alias(MODEL, "previous")  # the history alone knows it
        approval.ask(client, WAITING)
        yield client


def test_nothing_goes_that_has_an_alias_was_champion_waits_or_is_among_the_latest(client, tmp_path):
    gone = client.get_model_version(MODEL, str(NOBODYS))
    run_folder = folder_of(client.get_run(gone.run_id).info.artifact_uri)
    model_folder = folder_of(client.get_logged_model(gone.source.removeprefix("models:/")).artifact_location)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())

    dry = run("--keep", 1, "--dry-run")
    assert "Would delete 1 training, 8 child runs, 1 version" in dry
    assert versions(client) == [1, 2, 3, 4, 5]
    assert run_folder.exists()
    assert model_folder.exists()

    assert "MB are free again" in run("--keep", 1)
    assert versions(client) == [CHAMPION, BEFORE, WAITING, LATEST]
    drawn = [
        v
        for v in versions(client)
        if client.list_artifacts(client.get_model_version(MODEL, str(v)).run_id, "figures")
    ]
    assert drawn == [LATEST]
    assert not run_folder.exists()
    assert not model_folder.exists()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < size
    with pytest.raises(mlflow.MlflowException, match="not found"):
        client.get_run(gone.run_id)
    for version in versions(client):
        registry.load(client, version)
    experiment = client.get_run(client.get_model_version(MODEL, "5").run_id).info.experiment_id
    assert len(client.search_runs([experiment])) == 4 + 2  # the trainings, and the trials of the latest


def test_what_a_killed_prune_left_is_removed_by_the_next_and_what_a_person_deleted_is_not(client):
    left, deleted = (client.create_run("1").info.run_id for _ in range(2))
    client.set_tag(left, "pruned", "yes")
    for each in (left, deleted):
        client.delete_run(each)
    run("--keep", 5)
    assert client.get_run(deleted).info.lifecycle_stage == "deleted"
    with pytest.raises(mlflow.MlflowException, match="not found"):
        client.get_run(left)


def test_a_store_without_trainings_has_nothing_to_prune(new_store, tmp_path):
    with new_store(tmp_path):
        assert "0 trainings" in run("--keep", 3)


def test_what_a_training_kept_of_customers_goes_with_it(client):
    def kept(training, address):
        kept_log.keep(training, pd.DataFrame({"customer_id": ["c1"], "email": [address]}))

    runs = [client.get_model_version(MODEL, str(version)).run_id for version in (NOBODYS, CHAMPION, LATEST)]
    by_hand = client.create_run(client.get_run(runs[0]).info.experiment_id).info.run_id
    for training, address in zip(
        [*runs, by_hand], ("nobody@s.test", "one@s.test", "two@s.test", "hand@s.test"), strict=True
    ):
        kept(training, address)
    client.delete_run(by_hand)
    run("--keep", 1)
    log = kept_log.read()
    assert list(log.marks) == runs[1:]
    assert log.rows.email.tolist() == ["one@s.test", "two@s.test"]
