"""One cycle at a time, on whatever machine: the store grants the lease once, and a dead or silent holder loses it."""

import os
import subprocess
import sys
import time

import mlflow
import psutil
import pytest
from conftest import Store
from test_remote import tracking_server

from training.store import lease
from training.store.lease import Busy, leased, take

ELSEWHERE = {"owner": "process 7 on another machine", lease.PROCESS: "other-boot pid:[1] 7 1"}


@pytest.fixture
def client(new_store, tmp_path):
    with new_store(tmp_path) as client:
        yield client


def objects(client):
    return sorted(model.name for model in client.search_registered_models())


def test_a_lease_that_is_held_is_refused_and_one_that_was_released_is_not(client):
    with leased(client, "work"), pytest.raises(Busy, match="is held by process"):
        take(client, "work")
    take(client, "work")
    assert objects(client) == ["work-lease-2"]


def test_the_lease_of_another_machine_ends_by_its_time_alone(client):
    held = client.create_registered_model("work-lease-1", {**ELSEWHERE, "expires": str(time.time() + 60)})
    with pytest.raises(Busy, match="another machine"):
        take(client, "work")
    client.set_registered_model_tag(held.name, "expires", str(time.time() - 1))
    assert take(client, "work").number == 2


def test_a_holder_that_was_silent_for_too_long_finds_that_it_lost_the_lease(client):
    silent = take(client, "work", seconds=0)
    client.set_registered_model_tag("work-lease-1", lease.PROCESS, ELSEWHERE[lease.PROCESS])
    take(client, "work")
    with pytest.raises(Busy, match="not renewed in time"):
        silent.check()


def test_a_lease_is_renewed_while_its_holder_works(client):
    with leased(client, "work", seconds=0.5) as held:
        first = float(client.get_registered_model("work-lease-1").tags["expires"])
        deadline = time.monotonic() + 20
        while float(client.get_registered_model("work-lease-1").tags["expires"]) == first:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        held.renew()
        held.check()


def test_a_request_that_mlflow_sent_again_because_its_answer_was_lost_has_the_lease(client, monkeypatch):
    create = client.create_registered_model

    def sent_twice(*words):
        create(*words)
        return create(*words)

    monkeypatch.setattr(client, "create_registered_model", sent_twice)
    assert take(client, "work").number == 1
    with pytest.raises(Busy, match="is held by process"):
        take(client, "work")


def test_who_comes_with_a_number_that_was_deleted_has_nothing(client, monkeypatch):
    take(client, "work").release()
    held = take(client, "work")
    answers = iter([[]])  # what somebody read long ago, when there was no lease yet
    now = lease._numbers
    monkeypatch.setattr(lease, "_numbers", lambda *words: next(answers, now(*words)))
    with pytest.raises(Busy, match="quicker"):
        take(client, "work")
    held.check()
    assert objects(client) == ["work-lease-2"]


def test_a_cycle_beside_another_ends_with_a_code_of_its_own(client, tmp_path):
    (tmp_path / "orders.csv").write_text("a,b\n1,2\n")
    with leased(client, "customer-segments-cycle"):
        done = Store(tmp_path).run("cycle", "orders.csv", "--json", "-", check=False)
    assert done.returncode == 4
    assert '"busy"' in done.stdout
    assert "Another process is at work" in done.stderr


def test_a_holder_that_ended_has_lost_the_lease_at_once(client):
    sleeper = subprocess.Popen(["sleep", "60"])
    held = take(client, "work")
    words = lease._this_process().split(" ")
    words[2:] = [str(sleeper.pid), lease._start_of(sleeper.pid)]
    client.set_registered_model_tag("work-lease-1", lease.PROCESS, " ".join(words))
    with pytest.raises(Busy, match="is held by process"):
        take(client, "work")
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # a zombie: nobody asked how it ended
    assert take(client, "work").number == 2
    assert sleeper.wait()
    with pytest.raises(Busy):
        held.check()


def test_a_holder_is_the_same_when_the_clock_of_its_machine_is_set(client, monkeypatch):
    take(client, "work")
    before = psutil.Process().create_time()
    boot = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 2)  # as the system tells it then
    assert psutil.Process().create_time() == before + 2
    with pytest.raises(Busy, match="is held by process"):
        take(client, "work")


def test_the_start_of_a_process_is_told_by_the_system_in_ticks_since_its_boot(tmp_path):
    strange = tmp_path / "a) R 1 (b"  # the name stands in brackets before the fields
    strange.symlink_to("/bin/sleep")
    with subprocess.Popen([strange, "60"]) as sleeper:
        ticks = int(lease._start_of(sleeper.pid))
        started = psutil.Process(sleeper.pid).create_time() - psutil.boot_time()
        assert ticks / os.sysconf("SC_CLK_TCK") == pytest.approx(started, abs=0.001)
        sleeper.kill()
    assert lease._start_of(sleeper.pid) is None


CONTENDER = """
import os, sys, time
import mlflow
from training.store.lease import Busy, leased

client, log, turns = mlflow.MlflowClient(sys.argv[1], sys.argv[1]), sys.argv[2], 0
while turns < 4:
    try:
        with leased(client, "race"):
            inside = os.open(log, os.O_CREAT | os.O_EXCL)  # fails when somebody else is inside
            time.sleep(0.02)
            os.close(inside)
            os.unlink(log)
            turns += 1
    except Busy:
        time.sleep(0.01)
"""


def contend(address, folder):
    """Two processes that want the lease again and again; no two are ever inside at once."""
    words = [sys.executable, "-c", CONTENDER, address, str(folder / "inside")]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    both = [subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert objects(mlflow.MlflowClient(address, address)) == ["race-lease-8"]


def test_of_two_processes_one_at_a_time_has_the_lease(client, tmp_path):
    contend(client.tracking_uri, tmp_path)


def test_of_two_clients_of_a_server_one_at_a_time_has_the_lease(empty_database, tmp_path, free_port):
    database = tmp_path / "mlflow.db"
    database.write_bytes(empty_database.read_bytes())
    with tracking_server(f"sqlite:///{database}", tmp_path, free_port()) as address:
        contend(address, tmp_path)
