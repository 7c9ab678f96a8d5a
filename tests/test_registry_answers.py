"""A registry that does not answer costs a server no request that it could answer before."""

import threading
import time

import pytest
from werkzeug.exceptions import ServiceUnavailable

from serving import registry_answers
from serving.registry_answers import RegistryAnswer


def silent():
    raise ConnectionError("refused")


@pytest.fixture
def old(monkeypatch):
    """An answer to the question 1 that is to be asked for again."""
    monkeypatch.setattr(registry_answers, "NEW_SECONDS", 0)
    monkeypatch.setattr(registry_answers, "SILENT_SECONDS", 0)
    answer = RegistryAnswer()
    assert answer.get(1, lambda: "before") == "before"
    return answer


def test_a_new_answer_is_not_asked_for_again():
    answer = RegistryAnswer()
    assert answer.get(1, lambda: "before") == "before"
    assert answer.get(1, silent) == "before"


def test_an_old_answer_is_asked_for_again_and_stays_while_the_registry_is_silent(old):
    assert old.get(1, silent) == "before"
    assert old.get(1, lambda: "now") == "now"


def test_an_answer_to_another_question_is_none(old):
    with pytest.raises(ServiceUnavailable, match=r"registry does not answer \(ConnectionError\)"):
        old.get(2, silent)


def test_where_there_is_no_answer_yet_a_silent_registry_is_said_and_left_alone_for_a_while():
    answer = RegistryAnswer()
    with pytest.raises(ServiceUnavailable):
        answer.get(1, silent)
    with pytest.raises(ServiceUnavailable):
        answer.get(1, lambda: pytest.fail("asked again at once"))


def test_while_one_thread_waits_for_the_registry_the_others_have_the_answer_of_before(old):
    is_asked, may_end = threading.Event(), threading.Event()

    def hang():
        is_asked.set()
        assert may_end.wait(20)
        return "now"

    waiting = threading.Thread(target=old.get, args=(1, hang))
    waiting.start()
    try:
        assert is_asked.wait(20)
        begun = time.monotonic()
        assert old.get(1, hang) == "before"
        assert time.monotonic() - begun < 5
    finally:
        may_end.set()
        waiting.join()
