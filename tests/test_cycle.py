"""Month after month, unattended: each state of the data is handled once, whatever comes, and whoever kills it."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import mlflow
import pytest
from conftest import BIN, Store, with_database
from cycles import FIRST_DAY, GROUPS, QUICK, shop_rows, write_shop
from made_up import customers, register

from contract.lists.files import FORMS
from contract.names import CYCLE_EXPERIMENT, HISTORY_EXPERIMENT, MODEL
from training.cycle import approval
from training.cycle.steps import EXIT_STOPPED, EXIT_WAITING
from training.options import LIST_FORMS

TELLING = ("--notify-file", "events.jsonl")
CYCLE = ("cycle", "in", *QUICK, *TELLING)


def cycle(store, *options, code=0):
    """`segments cycle`, which must end with this exit code; what it printed."""
    done = store.run(*CYCLE, *options, check=False)
    assert done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
    return done.stdout


def events(store):
    path = store.folder / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def types(store):
    return [event["type"] for event in events(store)]


def client_of(store):
    address = store.environment["MLFLOW_TRACKING_URI"]
    return mlflow.MlflowClient(address, address)


def versions(store):
    return [record.version for record in client_of(store).search_model_versions(f"name='{MODEL}'")]


def champion(store):
    aliases = client_of(store).get_registered_model(MODEL).aliases
    return int(aliases["champion"]) if "champion" in aliases else None


def runs(store, experiment):
    client = client_of(store)
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def approval_tag(store, version):
    return client_of(store).get_model_version(MODEL, str(version)).tags["approval"]


@pytest.fixture(scope="module")
def original(once, empty_database):
    """A store after its first cycle: version 1 waits for approval."""

    def fill(folder):
        store = with_database(folder, empty_database)
        write_shop(folder / "in", shop_rows())
        cycle(store, "--approve", "by-hand", code=EXIT_WAITING)

    return Store(once("first-cycle", fill))


@pytest.fixture
def waiting(original, tmp_path):
    """A copy of it for one test."""
    return original.copy(tmp_path / "shop")


@pytest.fixture(scope="module")
def original_crowned(original, tmp_path_factory):
    store = original.copy(tmp_path_factory.mktemp("crowned") / "shop")
    store.run("approve")
    cycle(store, "--export", "lists")
    return store


@pytest.fixture
def crowned(original_crowned, tmp_path):
    """A copy of a store whose version 1 a person approved and a cycle made champion."""
    return original_crowned.copy(tmp_path / "shop")


def test_a_first_cycle_trains_and_lets_a_person_decide(original):
    assert types(original) == ["retrained", "waiting"]
    assert champion(original) is None
    version = client_of(original).get_model_version(MODEL, "1")
    assert version.tags["approval"] == "waiting"
    assert "segments approve 1" in version.description
    assert version.tags["gate"] == "passed"


def test_what_a_person_approved_becomes_champion_with_its_lists(original_crowned):
    store = original_crowned
    assert champion(store) == 1
    assert types(store) == ["retrained", "waiting", "promoted"]
    assert len({event["id"] for event in events(store)}) == 3
    (entry,) = runs(store, HISTORY_EXPERIMENT)
    assert entry.data.tags["command"].startswith("segments cycle (approved by ")
    assert entry.data.tags["gate.answers"].startswith("pass")
    names = {path.name for path in (store.folder / "lists").iterdir()}
    assert names == {"segment-0-v1.csv", "segment-1-v1.csv", "segment-2-v1.csv"}


def test_a_tag_that_is_changed_in_the_mlflow_ui_approves(waiting):
    client_of(waiting).set_model_version_tag(MODEL, "1", "approval", "approved")
    cycle(waiting)
    assert champion(waiting) == 1


def test_a_rejected_version_is_told_and_stays_out(waiting):
    assert "rejected" in waiting.run("approve", "1", "--reject", "prices are wrong").stdout
    cycle(waiting)
    assert champion(waiting) is None
    assert "prices are wrong" in events(waiting)[-1]["reason"]
    assert waiting.run("approve", "1", check=False).returncode == 2
    cycle(waiting)
    assert types(waiting) == ["retrained", "waiting", "stopped"]


def test_a_version_that_somebody_promoted_meanwhile_waits_no_longer(waiting):
    client_of(waiting).set_registered_model_alias(MODEL, "champion", "1")
    cycle(waiting)
    assert approval_tag(waiting, 1) == "approved"
    assert events(waiting)[-1]["reason"] == "version 1 was promoted by hand"


def test_a_newer_version_takes_the_place_of_one_that_waits(waiting, monkeypatch):
    address = waiting.environment["MLFLOW_TRACKING_URI"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    mlflow.set_tracking_uri(address)
    assert register(client_of(waiting), customers(**GROUPS)) == 2
    mlflow.set_tracking_uri(None)
    approval.ask(client_of(waiting), 2)
    assert approval_tag(waiting, 1) == "superseded"
    cycle(waiting, code=EXIT_WAITING)
    (run,) = runs(waiting, CYCLE_EXPERIMENT)
    assert run.data.tags["outcome"] == "superseded"
    assert run.info.status == "FINISHED"


def test_the_same_data_again_ask_for_nothing(crowned):
    before = len(runs(crowned, CYCLE_EXPERIMENT)), types(crowned)
    assert "Nothing new" in cycle(crowned, "--always")
    assert (len(runs(crowned, CYCLE_EXPERIMENT)), types(crowned)) == before
    assert versions(crowned) == [1]


def test_a_rollback_is_not_undone_by_the_next_cycle(crowned):
    client_of(crowned).delete_registered_model_alias(MODEL, "champion")
    cycle(crowned)
    assert champion(crowned) is None


def test_new_customers_without_drift_keep_the_champion(crowned):
    write_shop(crowned.folder / "in", shop_rows(seed=1, day=FIRST_DAY + timedelta(days=7)))
    assert "The champion stays" in cycle(crowned)
    tags = {run.data.tags["outcome"] for run in runs(crowned, CYCLE_EXPERIMENT)}
    assert tags == {"promoted", "kept"}
    assert versions(crowned) == [1]


def later(**changes):
    return shop_rows(seed=1, day=FIRST_DAY + timedelta(days=30), **changes)


def in_2099(every):
    """Each so many lines are dated in 2099."""
    rows = [row for row in later() if "-02-29" not in row[2]]
    rows = rows[: len(rows) // 2 * 2]
    changed = {n for n in range(len(rows)) if n % every == 0}
    return [(*row[:2], f"2099-{row[2][5:]}", *row[3:]) if n in changed else row for n, row in enumerate(rows)]


POISONED = {
    "order_value": lambda: later(money=100),
    "same_shop": lambda: later(prefix="other"),
    "customers": lambda: [row for row in later() if row[0] < "c0061"],
    "as_of": lambda: shop_rows()[: len(shop_rows()) // 2],
    "--far-dates": lambda: in_2099(every=2),
    "lines: 33": lambda: in_2099(every=3),
}


@pytest.mark.parametrize("reason", POISONED)
def test_a_poisoned_month_is_stopped_with_its_reason(crowned, reason):
    write_shop(crowned.folder / "in", POISONED[reason]())
    assert "Stopped: " in cycle(crowned, "--always", code=EXIT_STOPPED)
    told = events(crowned)[-1]
    assert (told["type"], told["version_before"]) == ("stopped", 1)
    assert reason in told["reason"]
    assert (champion(crowned), versions(crowned)) == (1, [1])


def test_a_month_that_was_stopped_keeps_its_exit_code_and_is_told_once(crowned):
    write_shop(crowned.folder / "in", POISONED["order_value"]())
    for _ in range(2):
        cycle(crowned, code=EXIT_STOPPED)
    assert types(crowned).count("stopped") == 1


def test_data_that_cannot_be_read_are_told_again_after_they_were_read(crowned):
    good = (crowned.folder / "in" / "orders.csv").read_text()
    for _ in range(2):
        (crowned.folder / "in" / "orders.csv").write_text("<html>please log in</html>")
        cycle(crowned, code=EXIT_STOPPED)
        cycle(crowned, code=EXIT_STOPPED)
        (crowned.folder / "in" / "orders.csv").write_text(good)
        cycle(crowned)
    assert types(crowned).count("stopped") == 2


def test_a_file_that_did_not_come_is_told(crowned):
    (crowned.folder / "in" / "orders.csv").unlink()
    assert "No readable file" in cycle(crowned, code=EXIT_STOPPED)
    assert "No readable file" in events(crowned)[-1]["reason"]


KILLED_AT = {
    "reading, with the lease": (
        "import training.cycle.steps as place",
        "place.count_customers = lambda *_: end()",
    ),
    "the alias moved, the history's entry open": (
        "import training.store.history as place",
        "ended = place.entry\nclient = __import__('mlflow').MlflowClient\nmove = client.set_registered_model_alias\n"
        "client.set_registered_model_alias = lambda *words: (move(*words), end())",
    ),
    "promoted, before anybody was told": (
        "import training.cycle.channels as place",
        "place.EventFile.send = lambda *_: end()",
    ),
}
KILLED = """
import os, signal, sys
{module}
def end():
    os.kill(os.getpid(), signal.SIGKILL)
{patch}
from training.cli import main
main()
"""


@pytest.mark.parametrize("moment", KILLED_AT)
def test_a_cycle_that_was_killed_goes_on_and_does_nothing_twice(waiting, moment):
    waiting.run("approve")
    module, patch = KILLED_AT[moment]
    program = KILLED.format(module=module, patch=patch)
    killed = subprocess.run(
        [sys.executable, "-c", program, *CYCLE], cwd=waiting.folder, env=waiting.environment
    )
    assert killed.returncode == -signal.SIGKILL
    cycle(waiting)
    assert champion(waiting) == 1
    (entry,) = runs(waiting, HISTORY_EXPERIMENT)
    assert entry.info.status == "FINISHED"
    assert types(waiting) == ["retrained", "waiting", "promoted"]
    (run,) = runs(waiting, CYCLE_EXPERIMENT)
    assert (run.data.tags["outcome"], run.data.tags["undelivered"]) == ("promoted", "no")


def test_the_json_says_what_came_of_it(crowned):
    outcome = json.loads(crowned.run(*CYCLE, "--json", "-").stdout)
    assert outcome["outcome"] == "promoted"
    assert (outcome["version"], outcome["champion"], outcome["new"]) == (1, 1, False)
    assert (outcome["exit_code"], outcome["waiting"]) == (0, [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--every", "soon"], "such as 30d or 4w"),
        (["--export-where", "state=late"], "--export"),
        (["--notify", "https://example.com/hook"], "SEGMENTS_WEBHOOK_SECRET"),
        (["--notify-command", "'"], "--notify-command"),
        (["--watch", "0.5"], "out of order"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_read(tmp_path, options, message):
    done = Store(tmp_path).run("cycle", "nothing-here", *options, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "mlruns").exists()


def test_the_forms_of_lists_are_those_of_the_dashboard():
    assert tuple(FORMS) == LIST_FORMS


def test_watching_tells_a_failing_cycle_tries_again_and_ends_by_a_signal(crowned):
    orders = crowned.folder / "in" / "orders.csv"
    good = orders.read_text()
    orders.write_text("<html></html>")
    words = [sys.executable, "-u", "-m", "training.cli", "watch", "in", "--check-every", "1s", *CYCLE[2:]]
    watching = subprocess.Popen(
        words, cwd=crowned.folder, env=crowned.environment, stdout=subprocess.PIPE, text=True
    )
    lines = []
    try:
        for line in watching.stdout:
            lines.append(line)
            if "was stopped" in line:
                orders.write_text(good)
            if "cycle is done" in line:
                watching.send_signal(signal.SIGTERM)
    finally:
        watching.kill()
    assert watching.wait() == 0
    assert lines[-1] == "Watching has ended.\n"
    assert types(crowned)[-1] == "stopped"


def test_the_pages_line_for_cron_runs_in_crons_environment(crowned):
    page = (Path(__file__).parents[1] / "docs" / "unattended.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^0 3 \* \* \* (.*)$", page, flags=re.MULTILINE)
    (crowned.folder / "data").mkdir()
    (crowned.folder / "in").rename(crowned.folder / "data" / "raw")
    here = line.replace("/srv/shop", str(crowned.folder)).replace(".venv/bin", str(BIN))
    given = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    environment = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "HOME": "/", "LOGNAME": "shop"} | given
    done = subprocess.run(["/bin/sh", "-c", here], env=environment, cwd="/")
    log = (crowned.folder / "cycle.log").read_text()
    assert done.returncode == 0, log
    assert "Nothing new" in log
