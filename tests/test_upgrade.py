"""A store that release 0.1.0 wrote: `segments train --trials 3 --max-segments 3 --promote` on the demo shop of then.

Its figures and its report, which nothing reads, were left out of tests/stores/0.1.0.tar.xz.
"""

import tarfile
from pathlib import Path

import pytest
from conftest import Store

STORES = Path(__file__).parent / "stores"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The unpacked store, whose champion was signed."""
    store = Store(tmp_path_factory.mktemp("upgrade"))
    with tarfile.open(STORES / "0.1.0.tar.xz") as archive:
        archive.extractall(store.folder, filter="data")
    store.run("demo")
    refused = store.run("score", "data/raw", "--output", "scored.csv", check=False)
    assert refused.returncode == 2
    assert "Version 1 is not loaded: no key that this machine trusts has signed it." in refused.stderr
    assert "run `segments sign 1`" in refused.stderr
    assert store.run("sign", "champion").stdout == "Version 1 is signed.\n"
    return store


def test_its_champion_scores_and_its_history_is_there(store):
    assert "written to scored.csv" in store.run("score", "data/raw", "--output", "scored.csv").stdout
    assert "segments train --trials 3 --max-segments 3 --promote" in store.run("history").stdout


def test_its_champion_answers_in_the_dashboard(store, api_of):
    with api_of(store) as app:
        asked = app.test_client()
        assert asked.get("/health").get_json()["model_version"] == 1
        assert asked.get("/analytics/overview").get_json()["customers"] == 1463
        for page in ("", "/segments", "/customers", "/movement", "/unusual", "/past", "/developers"):
            assert asked.get(f"/ui{page}").status_code == 200, page


def test_a_new_training_takes_over_and_gives_way_again(store):
    trained = store.run("train", "--trials", "2", "--max-segments", "4", "--promote").stdout
    assert "Version 2 is champion." in trained
    assert "Version 1 is champion again" in store.run("rollback").stdout
