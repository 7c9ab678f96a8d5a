"""Figures that are not of the latest data say so: what an unattended cycle stopped, or left waiting."""

import mlflow
import pytest

from contract import cycle_tags
from contract.names import CHAMPION, MODEL
from training.cycle import record
from training.cycle.events import STOPPED
from training.store.connection import connect

DAY = "2026-10-31T09:00:00"
REASON = "The data are not like the champion's. order_value: 21,304 a median order; expected 152 to 456"


@pytest.fixture
def own(store, tmp_path):
    """A store with a champion, into which cycles may be written."""
    return store.copy(tmp_path / "shop")


@pytest.fixture
def client(own, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own.environment["MLFLOW_TRACKING_URI"])
    monkeypatch.chdir(own.folder)
    return connect()


@pytest.fixture
def ask(own, api_of):
    """What the API on that store answers."""

    def ask(path):
        with api_of(own) as app:
            return app.test_client().get(path)

    return ask


def cycle(client, outcome, reason=REASON, digest="d1", **tags):
    return record.begun(client, digest, 1, **tags).ended(outcome, reason)


def test_without_cycles_there_is_no_news(ask):
    answer = ask("/analytics/cycles").json
    assert (answer["news"], answer["cycles"]) == (None, [])
    assert "Not the latest data" not in ask("/ui").text


def test_stopped_data_are_told_with_the_reason_in_answer_and_page(client, ask):
    begun = record.begun(client, "d1", 1, as_of=DAY)
    begun.told(STOPPED, REASON, []).ended(cycle_tags.STOPPED, REASON)
    answer = ask("/analytics/cycles").json
    assert answer["news"].startswith("New data (as of 2026-10-31) came on ")
    assert (
        f"and were not used. {REASON}. The figures here are as of {answer['as_of'][:10]}." in answer["news"]
    )
    (told,) = answer["cycles"]
    assert (told["as_of"], told["outcome"], told["version"]) == (DAY, "stopped", None)
    page = ask("/ui").text
    assert "Not the latest data." in page
    assert "21,304 a median order" in page


@pytest.mark.parametrize(
    ("outcome", "reason", "words"),
    [
        (
            cycle_tags.WAITS,
            "",
            "Version 2, of new data (as of 2026-10-31), has been waiting for approval since",
        ),
        (
            cycle_tags.REJECTED,
            "version 2 was rejected by ann: too early",
            "; version 2 was rejected by ann: too early.",
        ),
        (cycle_tags.KEPT, "no drift", "and asked for no new model: no drift."),
    ],
)
def test_other_outcomes_are_told_too(client, ask, outcome, reason, words):
    cycle(client, outcome, reason, as_of=DAY, version=2)
    assert words in ask("/analytics/cycles").json["news"]


def test_data_that_could_not_be_read_are_told_until_others_can(client, ask):
    broken = cycle(client, cycle_tags.STOPPED, "orders.csv is cut off.", unreadable="yes")
    assert "New data came on" in ask("/analytics/cycles").json["news"]
    broken.with_tags(unreadable="no")
    assert ask("/analytics/cycles").json["news"] is None


def test_a_promoted_version_is_no_news(client, ask):
    cycle(client, cycle_tags.STOPPED, as_of=DAY)
    cycle(client, cycle_tags.PROMOTED, "drift", digest="d2", as_of=DAY, version=1)
    assert ask("/analytics/cycles").json["news"] is None


def test_a_version_that_is_newer_than_the_stop_is_no_news(client, ask):
    cycle(client, cycle_tags.STOPPED, as_of=DAY)
    first = client.get_model_version(MODEL, "1")
    client.create_model_version(
        MODEL, first.source, first.run_id, dict(first.tags), model_id=first.source.removeprefix("models:/")
    )
    client.set_registered_model_alias(MODEL, CHAMPION, "2")
    assert mlflow.MlflowClient(client.tracking_uri).get_model_version_by_alias(MODEL, CHAMPION).version == 2
    assert ask("/analytics/cycles").json["news"] is None
