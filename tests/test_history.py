"""Which version was champion when: entries of promotions and rollbacks, and moves by hand between them."""

import contextlib
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from types import MappingProxyType

import mlflow
import pytest
from click.testing import CliRunner

from contract.names import MODEL
from training.cli import main
from training.errors import InputError
from training.store import history, registry, tracking


@pytest.fixture
def versions(new_store):
    """Makes a store with four versions of nothing; aliases ask no more."""

    @contextlib.contextmanager
    def make(folder):
        with new_store(folder) as client:
            client.create_registered_model(MODEL)
            for _ in range(4):
                client.create_model_version(MODEL, source=str(folder), tags={"data": "real"})
            yield client

    return make


@pytest.fixture
def client(versions, tmp_path):
    with versions(tmp_path) as client:
        yield client


def promote(client, version, command, reason="", verdicts=MappingProxyType({})):
    """Promote a version that was judged beside the champion of now."""
    move = history.Move(registry.version_of(client, "champion"), version, command, reason)
    registry.promote(client, move, verdicts)


def lines(client):
    found = history.changes_until(client, registry.version_of(client, "champion"))
    return [(line.before, line.after, line.how) for line in found]


def test_promotions_and_rollbacks_are_entered_in_their_order(client):
    promote(client, 1, "segments promote 1")
    promote(client, 2, "segments promote 2", "the old one is wrong", {"gate.moved": "FAIL: 40 %"})
    registry.rollback(client, "segments rollback")
    assert lines(client) == [
        (None, 1, "segments promote 1"),
        (1, 2, "segments promote 2"),
        (2, 1, "segments rollback"),
    ]
    run = client.search_runs([client.get_experiment_by_name("customer-segments-history").experiment_id])[1]
    assert run.data.tags["gate.moved"] == "FAIL: 40 %"
    assert run.data.tags["reason"] == "the old one is wrong"
    assert run.data.tags["mlflow.user"]
    assert run.info.status == "FINISHED"


def test_a_clock_that_jumps_back_and_forth_leaves_the_order(client, monkeypatch):
    """By the clock, the second move was a day before the first, and the third a year after it."""
    now, commands = time.time(), []
    for version, jump in ((1, 0), (2, -86_400), (1, 365 * 86_400), (2, 1)):
        monkeypatch.setattr(tracking.time, "time", lambda jump=jump: now + jump)
        commands.append(f"segments promote {version}, clock {jump:+d}")
        promote(client, version, commands[-1])
    assert [how for *_, how in lines(client)] == commands
    monkeypatch.undo()
    registry.rollback(client, "segments rollback")
    assert lines(client)[-1] == (2, 1, "segments rollback")
    last = history.changes_until(client, 1)[-1]
    assert abs((datetime.now() - last.when).total_seconds()) < 60  # what is shown is the clock's own time


def test_promoting_the_champion_is_no_entry(client):
    promote(client, 1, "one")
    promote(client, 1, "again")
    assert len(lines(client)) == 1


def test_an_alias_moved_by_hand_shows_between_entries_and_after_the_last(client):
    client.set_registered_model_alias(MODEL, "champion", "3")
    promote(client, 1, "segments promote 1")
    client.set_registered_model_alias(MODEL, "champion", "4")
    promote(client, 2, "segments promote 2")
    client.delete_registered_model_alias(MODEL, "champion")
    assert lines(client) == [
        (None, 3, "by hand"),
        (3, 1, "segments promote 1"),
        (1, 4, "by hand"),
        (4, 2, "segments promote 2"),
        (2, None, "by hand"),
    ]
    shown = CliRunner().invoke(main, ["history"]).stdout
    assert "taken by hand from version 2. Give it back: segments rollback" in shown
    assert f"{datetime.now():%Y-%m-%d}" in shown


def test_without_a_champion_there_is_no_history(client):
    assert lines(client) == []
    assert "No version was champion yet" in CliRunner().invoke(main, ["history"]).stdout


# Begins each command in a process of its own that is killed before the write of that number, from 0.
KILLED = """
import json, os, signal, sys
import mlflow
from training.store import history, registry, tracking
from training.store.connection import connect

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
        client, writes = connect(), []
        for name in ("create_run", "set_registered_model_alias", "set_terminated"):
            setattr(client, name, dying(getattr(client, name), last, writes))
        registry.promote(client, history.Move(1, 2, "promote")) if command == "promote" else registry.rollback(client, "rollback")
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
"""


def test_killed_between_any_two_writes_there_is_a_valid_champion(versions, tmp_path, monkeypatch):
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
            promote(client, 4, "first")
            promote(client, 1, "second")
            cases.append((os.environ["MLFLOW_TRACKING_URI"], command, writes))
    subprocess.run([sys.executable, "-c", KILLED, json.dumps(cases)], check=True)
    for (store, command, _), aliases in zip(cases, after.values(), strict=True):
        client = mlflow.MlflowClient(store, store)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
        assert (registry.version_of(client, "champion"), registry.version_of(client, "previous")) == aliases
        assert lines(client)[-1][2] == f"{command} (cut off)"
        promote(client, 3, "third")
        assert lines(client)[-1] == (aliases[0], 3, "third")


def test_a_rollback_to_itself_is_none(client):
    promote(client, 1, "first")
    client.set_registered_model_alias(MODEL, "previous", "1")
    with pytest.raises(InputError, match="no earlier champion"):
        registry.rollback(client, "rollback")


def test_a_champion_that_was_taken_away_by_hand_gives_way_to_the_one_before(client):
    promote(client, 1, "first")
    promote(client, 2, "second")
    client.delete_registered_model_alias(MODEL, "champion")
    assert registry.rollback(client, "rollback") == (1, None)
    assert registry.version_of(client, "champion") == 1
    assert lines(client)[2:] == [(2, None, "by hand"), (None, 1, "rollback")]


def test_a_rollback_after_a_move_by_hand_goes_back_to_the_one_before(client):
    promote(client, 1, "first")
    promote(client, 2, "second")
    client.set_registered_model_alias(MODEL, "champion", "3")
    shown = CliRunner().invoke(main, ["history"]).stdout
    assert "Version 3 was made champion by hand, after version 2. The gate has not judged it." in shown
    client.set_model_version_tag(MODEL, "3", "gate", "FAILED")
    assert "The gate says of it: FAILED." in CliRunner().invoke(main, ["history"]).stdout
    assert registry.rollback(client, "segments rollback") == (2, 3)
    assert registry.version_of(client, "previous") == 3
    assert lines(client)[2:] == [(2, 3, "by hand"), (3, 2, "segments rollback")]


def test_a_rollback_past_a_version_that_was_deleted_goes_to_the_previous_one(client):
    promote(client, 1, "first")
    promote(client, 2, "second")
    client.set_registered_model_alias(MODEL, "champion", "3")
    client.delete_model_version(MODEL, "2")
    assert registry.rollback(client, "segments rollback") == (1, 3)


def test_without_a_champion_a_command_names_the_option_for_another_version(client):
    assert registry.version_of(client, "champion") is None
    done = CliRunner().invoke(main, ["score", "orders.csv", "--output", "scored.csv"])
    assert done.exit_code == 2
    assert "Name one: --model 4. Or make one champion: segments promote 4" in done.stderr


def test_the_history_is_there_for_other_programs(client):
    promote(client, 1, "segments promote 1", "it is better")
    shown = CliRunner().invoke(main, ["history", "--json", "-"])
    (change,) = json.loads(shown.stdout)["changes"]
    assert (change["before"], change["after"], change["how"]) == (None, 1, "segments promote 1")
    assert change["reason"] == "it is better"
    assert datetime.fromisoformat(change["when"]) <= datetime.now()
    assert "it is better" in shown.stderr


# Promotes 2 and 3 by turns and rolls back, each time as soon as another process lets it; tells what it did not do.
MOVES = """
import sys
import time
from training.store import history, registry, tracking
from training.store.connection import connect
from training.errors import InputError

client = connect()
print("ready", flush=True)
sys.stdin.readline()
for turn in range(12):
    try:
        if turn % 3 == 2:
            registry.rollback(client, f"{sys.argv[1]} rollback")
        else:
            now = registry.version_of(client, "champion")
            registry.promote(client, history.Move(now, 2 + turn % 3, f"{sys.argv[1]} promote"))
    except InputError as error:
        assert "Have it judged again" in str(error), error
"""


def test_two_processes_that_move_the_champion_at_once_leave_aliases_and_history_that_agree(client):
    promote(client, 4, "first")
    promote(client, 1, "second")
    command = [sys.executable, "-c", MOVES]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    movers = [subprocess.Popen([*command, name], **pipes) for name in ("one", "other")]
    for mover in movers:
        assert mover.stdout.readline() == "ready\n"
    for mover in movers:
        mover.stdin.write("go\n")
        mover.stdin.flush()
    for mover in movers:
        mover.communicate()
        assert mover.returncode == 0
    found = history.changes_until(client, registry.version_of(client, "champion"))
    assert {line.how.split()[0] for line in found} == {"first", "second", "one", "other"}  # none "by hand"
    assert [line.before for line in found[1:]] == [line.after for line in found[:-1]]
    assert registry.version_of(client, "champion") == found[-1].after
    assert registry.version_of(client, "previous") == found[-1].before


def test_a_promotion_judged_beside_another_champion_is_refused(client):
    promote(client, 1, "first")
    judged = history.Move(1, 2, "segments promote 2")
    promote(client, 3, "meanwhile")
    with pytest.raises(InputError, match="judged while version 1 was champion, and version 3 is now"):
        registry.promote(client, judged)
    assert lines(client)[-1] == (1, 3, "meanwhile")
