"""Servers end with the command that started them, whatever ends it. `checks/orphans.py` has all signals and moments."""

import signal

import pytest
from orphans import Watched, has_started, is_serving


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM], ids=lambda number: number.name
)
def test_nothing_is_left_of_up_while_it_starts(store, free_port, number):
    ports = [word for name in ("api", "scoring", "ui") for word in (f"--{name}-port", free_port())]
    up = Watched(store, "up", *ports)
    up.wait_for(lambda: has_started("serving.server")(up))
    assert up.end(number) == []


def test_nothing_is_left_of_a_promotion_that_is_killed_while_the_gate_asks_its_server(api_store, tmp_path):
    promote = Watched(api_store.copy(tmp_path), "promote", "2", "--force", "a test")
    promote.wait_for(lambda: has_started("serving.server")(promote))
    assert promote.end(signal.SIGKILL) == []


def test_nothing_is_left_of_a_training_that_is_killed_while_the_gate_s_server_runs(api_store, tmp_path):
    training = Watched(api_store.copy(tmp_path), "train", "--promote", "--trials", "10", "--seed", "5")
    training.wait_for(lambda: is_serving(training))
    assert training.end(signal.SIGKILL) == []
