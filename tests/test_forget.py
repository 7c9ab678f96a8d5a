"""A customer who asks for it is forgotten: in no file, in no answer, in no training to come; everybody else stays."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from contract.names import DATA_DIGEST_TAG, MODEL
from training.errors import InputError
from training.gate import _training_table
from training.people import erasure, kept_log, remembered
from training.people.erasure import Wanted, erased
from training.shop import Reading, count_customers
from training.store import registry

SHOP = "shop/shop.csv"
KILLED_AFTER = """
import os, signal, sys
from training.people import traces
from training.cli import main
erase, left = traces.Trace.erase, [int(sys.argv.pop())]
def erase_or_die(trace):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    erase(trace)
traces.Trace.erase = erase_or_die
main()
"""


def address_of(customer):
    return f"mail-{customer}@shop.test"


def train_with_addresses(store):
    store.run("demo")
    lines = pd.read_csv(store.folder / "data/raw/demo.csv.gz", dtype=str, keep_default_na=False)
    lines["CustomerID"] = lines.CustomerID.map(lambda text: f"buyer-{text}" if text else "")
    lines["email"] = lines.CustomerID.map(lambda text: address_of(text) if text else "")
    (store.folder / "shop").mkdir()
    lines.to_csv(store.folder / SHOP, index=False)
    store.run("train", SHOP, "--keep", "email", "--promote", "--trials", "8")


@pytest.fixture(scope="module")
def kept_store(new_trained):
    return new_trained("kept", train_with_addresses)


@pytest.fixture
def shop_store(kept_store, tmp_path, monkeypatch):
    """A store of its own for each test, with its own key of forgotten customers."""
    store = kept_store.copy(tmp_path / "project")
    keys = tmp_path / "keys"
    shutil.copytree(os.environ["SEGMENTS_KEYS"], keys)
    monkeypatch.setenv("SEGMENTS_KEYS", str(keys))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.environment["MLFLOW_TRACKING_URI"])
    monkeypatch.chdir(store.folder)
    return store


@pytest.fixture
def client(shop_store):
    from training.store.connection import connect

    assert shop_store.folder.is_dir()
    return connect()


def customers(store):
    return pd.read_parquet(store.artifact("data/customers.parquet"))


def returner(store):
    """Who returned most: named in the report and its facts, too."""
    return json.loads(store.artifact("facts.json").read_text())["returners"][0][0]


def files_with(folder, text):
    """The files that hold a text: as bytes, or in a cell of a table."""
    names = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        cells = ""
        if path.suffix == ".parquet":
            cells = pd.read_parquet(path).to_csv()
        if text.encode() in content or text in cells:
            names.append(str(path.relative_to(folder)))
    return names


def test_nothing_in_a_run_identifies_people_beside_their_ids(shop_store):
    who = customers(shop_store).customer_id[0]
    assert files_with(shop_store.folder / "mlruns", address_of(who)) == []
    assert files_with(shop_store.folder / "data", address_of(who)) == ["people/kept.parquet"]


def test_a_forgotten_customer_is_in_no_file_and_in_no_answer(shop_store, api_of):
    who = returner(shop_store)
    before = customers(shop_store)
    other = next(own for own in before.customer_id if own != who)
    written = shop_store.run("audience", "--for", "mailchimp", "--output", "lists/all.csv")
    assert written.returncode == 0
    with api_of(shop_store) as app:
        browser = app.test_client()
        assert browser.get(f"/analytics/customers/{who}").json["email"] == address_of(who)
        told = shop_store.run("forget", who, "--lists", "lists", "--json", "-").stdout
        app.extensions["champion"].look()
        assert browser.get(f"/analytics/customers/{who}").status_code == 404
        assert browser.get("/analytics/customers", query_string={"q": who}).json["matches"] == 0
        assert browser.get("/health").json["customers"] == len(before) - 1
        assert browser.get(f"/analytics/customers/{other}").json["email"] == address_of(other)
        for page in ("/ui", "/ui/customers", "/ui/movement", "/ui/unusual", "/analytics/map"):
            assert who not in browser.get(page).text
        assert who not in browser.get("/ui/versions/1/report").text
    for folder in ("mlruns", "data/people", "lists"):
        assert files_with(shop_store.folder / folder, who) == []
        assert files_with(shop_store.folder / folder, address_of(who)) == []
    assert json.loads(told)["files"]["version 1"][-1] == "data/features.parquet"
    left = before[before.customer_id != who].reset_index(drop=True)
    pd.testing.assert_frame_equal(customers(shop_store), left)


def test_the_version_still_loads_and_keeps_the_gate_s_rule_on_its_table(shop_store, client):
    before = registry.record_of(client, 1)
    shop_store.run("forget", returner(shop_store))
    after = registry.record_of(client, 1)
    assert after.tags["sha256"] == before.tags["sha256"]
    assert after.tags["signature"] == before.tags["signature"]
    assert after.tags[DATA_DIGEST_TAG] != before.tags[DATA_DIGEST_TAG]
    assert registry.load(client, 1) is not None
    assert _training_table(after)[1].holds


def test_trainings_and_scoring_leave_the_customer_out_until_it_is_undone(shop_store, client):
    who = returner(shop_store)
    everybody = count_customers([SHOP], Reading(keep=("email",)))
    shop_store.run("forget", who)
    reading = remembered.leaving_out(client, Reading(keep=("email",)))
    shop = count_customers([SHOP], reading)
    assert set(everybody.customers.customer_id) - set(shop.customers.customer_id) == {who}
    assert shop.as_of == everybody.as_of
    funnel = shop.funnel
    assert funnel.forgotten > 0
    assert funnel.read == sum(getattr(funnel, name) for name, _ in funnel.STEPS) == everybody.funnel.read
    assert shop.digest == registry.record_of(client, 1).tags[DATA_DIGEST_TAG]  # so a cycle finds nothing new
    shop_store.run("score", SHOP, "--output", "scored.csv")
    assert who not in Path("scored.csv").read_text()
    shop_store.run("score", "scored.csv", "--output", "again.csv")
    undone = shop_store.run("forget", who, "--undo")
    assert "counts" in undone.stdout
    assert remembered.forgotten(client) is None


def test_a_training_that_counted_the_customer_before_does_not_write_tables(shop_store, client):
    who = returner(shop_store)
    shop_store.run("forget", who)
    with pytest.raises(InputError, match="asked to be forgotten while this training was at work"):
        remembered.check_none(client, None, ["somebody", who])
    remembered.check_none(client, None, ["somebody"])


def test_a_training_at_work_is_told_and_the_customer_is_not_done(shop_store, client):
    from training.store import tracking

    who = returner(shop_store)
    at_work = client.create_run(tracking.experiment_id(client), tags={"stage": "sweep"}).info.run_id
    done = shop_store.run("forget", who, check=False)
    assert done.returncode == 1
    assert at_work in done.stdout
    client.set_terminated(at_work)
    assert shop_store.run("forget", who).returncode == 0
    assert remembered.unfinished(client, but=()) == 0


@pytest.mark.parametrize("files_before", [0, 3, 6])
def test_what_a_kill_left_undone_the_next_call_does(shop_store, client, files_before):
    who = returner(shop_store)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER, "forget", who, str(files_before)],
        cwd=shop_store.folder,
        env=os.environ | shop_store.environment | {"SEGMENTS_KEYS": os.environ["SEGMENTS_KEYS"]},
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    assert remembered.unfinished(client, but=()) == 1
    assert files_with(shop_store.folder / "mlruns", who)
    shop_store.run("forget", who)
    assert files_with(shop_store.folder / "mlruns", who) == []
    assert files_with(shop_store.folder / "data/people", who) == []
    assert remembered.unfinished(client, but=()) == 0
    assert _training_table(registry.record_of(client, 1))[1].holds


def test_a_dry_run_changes_nothing(shop_store, client):
    who, before = returner(shop_store), len(customers(shop_store))
    done = shop_store.run("forget", who, "--dry-run")
    assert "Would take 1 customer out of" in done.stdout
    assert len(customers(shop_store)) == before
    assert remembered.forgotten(client) is None


def test_an_unknown_id_is_said_and_left_out_from_now_on(shop_store, client):
    done = shop_store.run("forget", "nobody")
    assert "nobody: in no file" in done.stdout
    assert remembered.forgotten(client).among(["nobody", "other"]) == [True, False]


def test_without_the_key_trainings_refuse_in_words(shop_store, client, tmp_path, monkeypatch):
    shop_store.run("forget", "nobody")
    monkeypatch.setenv("SEGMENTS_KEYS", str(tmp_path / "other"))
    with pytest.raises(InputError, match=r"forget-key, by which they are known, is not on this machine"):
        remembered.forgotten(client)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / remembered.KEY_FILE).write_text("another")
    with pytest.raises(InputError, match="is another one than theirs"):
        remembered.forgotten(client)


def test_only_hashes_are_remembered(shop_store, client):
    shop_store.run("forget", "nobody")
    database = (shop_store.folder / "mlruns" / "mlflow.db").read_bytes()
    assert b"nobody" not in database
    assert remembered.forgotten(client).hash_of("nobody").encode() in database


def test_kept_columns_of_an_earlier_release_are_moved_out_of_their_runs(shop_store, client):
    """Tables as earlier releases wrote them: with the kept columns in them."""
    kept = kept_log.read().rows
    for name in ("data/customers.parquet", "data/features.parquet"):
        path = shop_store.artifact(name)
        pd.read_parquet(path).merge(kept, on="customer_id", how="left").to_parquet(path, index=False)
    path = shop_store.artifact("summary.json")
    summary = json.loads(path.read_text())
    del summary["kept"]
    path.write_text(json.dumps(summary))
    shutil.rmtree("data/people")
    from training.shop import digest

    table = pd.read_parquet(shop_store.artifact("data/features.parquet"))
    client.set_model_version_tag(MODEL, "1", DATA_DIGEST_TAG, digest(table))
    shop_store.run("audience", "--for", "mailchimp", "--output", "before.csv")
    assert "Would move" in shop_store.run("forget", "--move-kept", "--dry-run").stdout
    shop_store.run("forget", "--move-kept")
    assert files_with(shop_store.folder / "mlruns", "@shop.test") == []
    shop_store.run("audience", "--for", "mailchimp", "--output", "after.csv")
    assert Path("after.csv").read_text() == Path("before.csv").read_text()
    assert _training_table(registry.record_of(client, 1))[1].holds
    assert "No run holds kept columns." in shop_store.run("forget", "--move-kept").stdout


def test_without_the_file_lists_go_on_with_ids_and_say_what_is_missing(shop_store, api_of):
    shutil.rmtree("data/people")
    refused = shop_store.run("audience", "--for", "mailchimp", check=False)
    assert refused.returncode == 2
    assert "email of its customers is not on this machine" in refused.stderr
    shop_store.run("audience", "--output", "plain.csv")
    assert "email" not in Path("plain.csv").read_text().splitlines()[0]
    with api_of(shop_store) as app:
        answer = app.test_client().get("/analytics/customers").json
        assert "not on this machine" in answer["without_kept"]
        assert "not on this machine" in app.test_client().get("/ui/customers").text
        assert answer["matches"] == len(customers(shop_store))


def test_the_rows_of_one_customer_leave_a_list_whatever_tool_it_is_for():
    wanted = Wanted(["=1"], ["A@shop.test"])
    hashed = "of another customer"
    lines = "customer_id,segment\n'=1,0\n2,=1\n"
    assert erased("list.csv", lines.encode(), wanted) == b"customer_id,segment\n2,=1\n"
    (own,) = wanted.cells - {"A@shop.test", "a@shop.test"}
    ads = f"email,country\n{own},de\n{hashed},de\n"
    assert erased("ads.csv", ads.encode(), wanted) == f"email,country\n{hashed},de\n".encode()
    untouched = b"email\nb@shop.test\n"
    assert erased("list.csv", untouched, wanted) is untouched


def test_sentences_and_rows_of_the_report_name_the_customer_no_more():
    facts = json.dumps(
        {"returners": [["a&b", 12.0], ["12", 3.0]], "told": ["It came back from a&b (12.00) and 12 (3.00)."]}
    )
    wanted = replace(Wanted(["a&b"]), returned=erasure.returned_by(facts.encode(), ["a&b"]))
    money = wanted.returned[0][1]
    facts = facts.replace("a&b (12.00)", f"a&b ({money})")
    assert json.loads(erased("facts.json", facts.encode(), wanted)) == {
        "returners": [["12", 3.0]],
        "told": [f"It came back from a forgotten customer ({money}) and 12 (3.00)."],
    }
    page = f'<tr>\n<th scope="row">a&amp;b</th><td>1</td></tr>\n<tr><th scope="row">12</th></tr> a&amp;b ({money})'
    assert erased("report.html", page.encode(), wanted).decode() == (
        f'<tr><th scope="row">12</th></tr> a forgotten customer ({money})'
    )
