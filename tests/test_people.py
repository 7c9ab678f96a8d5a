"""What identifies people lies apart from the runs: each version's own, once, for its user alone."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from contract.people import KEPT_FILE, PEOPLE, KeptLog, people_folder, read_log, with_kept
from training.errors import InputError
from training.people import kept_log
from training.people.erasure import Wanted, erased

JANUARY = pd.DataFrame({"customer_id": ["1", "2"], "email": ["a@shop.test", "b@shop.test"]})
FEBRUARY = pd.DataFrame({"customer_id": ["1", "2", "3"], "email": ["new@shop.test", "b@shop.test", None]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(PEOPLE, str(tmp_path / "people"))
    return tmp_path / "people"


def emails(folder, run):
    return read_log(folder).columns_of(run).email.dropna().to_dict()


def test_each_training_sees_what_it_kept_and_only_what_changed_is_stored(folder):
    kept_log.keep("january", JANUARY)
    kept_log.keep("february", FEBRUARY)
    kept_log.keep("february", FEBRUARY)  # a training that was interrupted goes on
    assert emails(folder, "january") == {"1": "a@shop.test", "2": "b@shop.test"}
    assert emails(folder, "february") == {"1": "new@shop.test", "2": "b@shop.test"}
    assert read_log(folder).rows.values.tolist() == [
        ["1", "a@shop.test"],
        ["2", "b@shop.test"],
        ["1", "new@shop.test"],
    ]


def test_only_the_user_may_read_them(folder):
    kept_log.keep("january", JANUARY)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / KEPT_FILE).stat().st_mode) == 0o600


def test_a_training_that_goes_takes_what_no_other_needs(folder):
    kept_log.keep("january", JANUARY)
    kept_log.keep("february", FEBRUARY)
    kept_log.drop_trainings(["january"])
    assert read_log(folder).rows.values.tolist() == [["2", "b@shop.test"], ["1", "new@shop.test"]]
    assert emails(folder, "february") == {"1": "new@shop.test", "2": "b@shop.test"}
    kept_log.drop_trainings(["february"])
    assert not (folder / KEPT_FILE).exists()


def test_a_customer_is_taken_out_of_all_trainings(folder):
    kept_log.keep("january", JANUARY)
    kept_log.keep("february", FEBRUARY)
    assert kept_log.rows_of(["1"]) == 2
    kept_log.take_out(["1"])
    assert emails(folder, "january") == emails(folder, "february") == {"2": "b@shop.test"}
    kept_log.take_out(["1"])
    assert kept_log.rows_of(["1"]) == 0


def test_trainings_at_once_lose_nothing(folder):
    def keep(number):
        kept_log.keep(f"run{number}", pd.DataFrame({"customer_id": ["1"], "email": [f"{number}@shop.test"]}))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(keep, range(24)))
    assert {run: emails(folder, run)["1"] for run in read_log(folder).marks} == {
        f"run{number}": f"{number}@shop.test" for number in range(24)
    }


@pytest.mark.usefixtures("folder")
def test_other_columns_in_another_month_do_not_mix():
    kept_log.keep("january", JANUARY)
    kept_log.keep("phones", pd.DataFrame({"customer_id": ["1"], "phone": ["+49"]}))
    table = pd.DataFrame({"customer_id": ["2", "1"]})
    joined, _ = with_kept(table, {"kept": ["phone"]}, "phones", "")
    assert list(joined) == ["customer_id", "phone"]
    assert joined.phone.fillna("").tolist() == ["", "+49"]
    assert list(table) == ["customer_id"]


@pytest.mark.usefixtures("folder")
def test_where_the_file_is_not_the_sentence_says_what_is_missing():
    table = pd.DataFrame({"customer_id": ["1"]})
    same, summary = with_kept(table, {"kept": ["email"]}, "january", "")
    assert same is table
    assert "email of its customers is not on this machine" in summary["without_kept"]
    assert PEOPLE in summary["without_kept"]


@pytest.mark.usefixtures("folder")
def test_a_version_of_an_earlier_release_has_them_in_its_table():
    table = pd.DataFrame({"customer_id": ["1"], "email": ["a@shop.test"]})
    same, summary = with_kept(table, {}, "old", "")
    assert same is table
    assert not summary


def test_a_damaged_file_is_an_error_for_training_and_a_sentence_for_a_server(folder):
    folder.mkdir()
    (folder / KEPT_FILE).write_text("half")
    with pytest.raises(InputError, match="it is damaged"):
        kept_log.keep("january", JANUARY)
    assert (folder / KEPT_FILE).read_text() == "half"
    table = pd.DataFrame({"customer_id": ["1"]})
    assert "it is damaged" in with_kept(table, {"kept": ["email"]}, "january", "")[1]["without_kept"]


def test_the_folder_is_beside_the_store_and_not_in_it(tmp_path, monkeypatch):
    monkeypatch.delenv(PEOPLE, raising=False)
    assert people_folder(f"sqlite:///{tmp_path}/mlruns/mlflow.db") == tmp_path / "data" / "people"
    assert str(people_folder("http://127.0.0.1:5002")) == "data/people"


def test_an_empty_log_is_no_file(folder):
    assert read_log(folder).marks == KeptLog(JANUARY, {}).marks == {}


def test_a_list_that_a_spreadsheet_saved_again_is_searched_or_refused_and_never_passed_over():
    """With a byte order mark the first name is another text; with semicolons a whole line is one cell."""
    marked = "\ufeffcustomer_id,spent\r\nc1,5\r\nc2,6\r\n".encode()
    assert erased("list.csv", marked, Wanted(["c1"])) == "\ufeffcustomer_id,spent\r\nc2,6\r\n".encode()
    assert erased("list.csv", marked, Wanted(["c9"])) is marked
    for delimiter in (";", "\t"):
        with pytest.raises(ValueError, match="not separated by commas"):
            erased("list.csv", marked.replace(b",", delimiter.encode()), Wanted(["c1"]))
