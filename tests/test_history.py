"""Which version was champion when: entries of promotions and rollbacks, and moves by hand between them."""

import contextlib
import json
import os
import subprocess
import sys
from datetime import datetime

import mlflow
import pytest
from click.testing import CliRunner

from training import history, registry
from training.cli import main
from training.errors import InputError
from training.tracking import NAME


@pytest.fixture
def versions(new_store):
    """Makes a store with four versions of nothing; aliases ask no more."""

    @contextlib.contextmanager
    def make(folder):
        with new_store(folder) as client:
            client.create_registered_model(NAME)
            for _ in range(4):
                client.create_model_version(NAME, source=str(folder), tags={"data": "real"})
            yield client

    return make


@pytest.fixture
def client(versions, tmp_path):
    with versions(tmp_path) as client:
        yield client


def lines(client):
    found = history.changes(client, registry.alias(client, "champion"))
    return [(line.before, line.after, line.how) for line in found]


def test_promotions_and_rollbacks_are_entered_in_their_order(client):
    registry.promote(client, 1, "segments promote 1")
    registry.promote(client, 2, "segments promote 2", "the old one is wrong", {"gate.moved": "FAIL: 40 %"})
    registry.rollback(client, "segments rollback")
    assert lines(client) == [
        (None, 1, "segments promote 1"),
        (1, 2, "segments promote 2"),
        (2, 1, "segments rollback"),
    ]
    run = client.search_runs([client.get_experiment_by_name(history.EXPERIMENT).experiment_id])[1]
    assert run.data.tags["gate.moved"] == "FAIL: 40 %"
    assert run.data.tags["reason"] == "the old one is wrong"
    assert run.data.tags["mlflow.user"]
    assert run.info.status == "FINISHED"


def test_promoting_the_champion_is_no_entry(client):
    registry.promote(client, 1, "one")
    registry.promote(client, 1, "again")
    assert len(lines(client)) == 1


def test_an_alias_moved_by_hand_shows_between_entries_and_after_the_last(client):
    client.set_registered_model_alias(NAME, "champion", "3")
    registry.promote(client, 1, "segments promote 1")
    client.set_registered_model_alias(NAME, "champion", "4")
    registry.promote(client, 2, "segments promote 2")
    client.delete_registered_model_alias(NAME, "champion")
    assert lines(client) == [
        (None, 3, "by hand"),
        (3, 1, "segments promote 1"),
        (1, 4, "by hand"),
        (4, 2, "segments promote 2"),
        (2, None, "by hand"),
    ]
    shown = CliRunner().invoke(main, ["history"]).stdout
    assert "moved by hand since the last entry; it is gone now" in shown
    assert f"{datetime.now():%Y-%m-%d}" in shown


def test_without_a_champion_there_is_no_history(client):
    assert lines(client) == []
    assert "No version was champion yet" in CliRunner().invoke(main, ["history"]).stdout


# Begins each command in a process of its own that is killed before the write of that number, from 0.
KILLED = """
import json, os, signal, sys
import mlflow
from training import registry, tracking

def dying(write, last, writes):
    def counted(*given, **options):
        if len(writes) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        writes.append(1)
        return write(*given, **options)
    return counted

for store, command, last in json.loads(sys.argv[1]):
    if not (child := os.fork()):
        os.environ["MLFLOW_TRACKING_URI"] = store
        client, writes = tracking.connect(), []
        for name in ("create_run", "set_registered_model_alias", "set_terminated"):
            setattr(client, name, dying(getattr(client, name), last, writes))
        registry.promote(client, 2, "promote") if command == "promote" else registry.rollback(client, "rollback")
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
"""


def test_killed_between_any_two_writes_there_is_a_valid_champion(versions, tmp_path):
    after = {  # command, writes done: champion, previous
        ("promote", 2): (1, 1),
        ("promote", 3): (2, 1),
        ("rollback", 2): (4, 4),
    }
    cases = []
    for command, writes in after:
        folder = tmp_path / f"{command}-{writes}"
        folder.mkdir()
        with versions(folder) as client:
            registry.promote(client, 4, "first")
            registry.promote(client, 1, "second")
            cases.append((os.environ["MLFLOW_TRACKING_URI"], command, writes))
    subprocess.run([sys.executable, "-c", KILLED, json.dumps(cases)], check=True)
    for (store, command, _), aliases in zip(cases, after.values(), strict=True):
        client = mlflow.MlflowClient(store, store)
        assert (registry.alias(client, "champion"), registry.alias(client, "previous")) == aliases
        assert lines(client)[-1][2] == f"{command} (cut off)"
        registry.promote(client, 3, "third")
        assert lines(client)[-1] == (aliases[0], 3, "third")


def test_a_rollback_to_itself_is_none(client):
    registry.promote(client, 1, "first")
    client.set_registered_model_alias(NAME, "previous", "1")
    with pytest.raises(InputError, match="no earlier champion"):
        registry.rollback(client, "rollback")
