"""Twins of a training: they do the work, and end with their parent, however it ends."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from contract.names import FEATURES
from training.report.artist import Artist, draw_for
from training.twin import can_fork, twin

CUSTOMERS = pd.DataFrame(np.random.default_rng(0).lognormal(2, 1, (60, 5)), columns=FEATURES)
PARENT = """
import sys, time
from training.twin import end_with_parent, twin
def work(connection):
    if sys.argv[1] == "busy":
        end_with_parent(connection)
        time.sleep(600)
    connection.recv()
made = twin(work)
print(made.process.pid, flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Twins are made on Linux.")


def gone(pid):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("state", ["waiting", "busy"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_twin_ends_when_its_parent_is_killed(state, number):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, state], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    time.sleep(0.2)
    assert psutil.pid_exists(pid)
    parent.send_signal(number)
    parent.wait()
    assert gone(pid)


def drawn(artist):
    artist.draw("concentration", CUSTOMERS)
    artist.draw("correlations", CUSTOMERS)
    return artist.pictures(["correlations", "months", "concentration"])


def test_a_twin_draws_the_same_bytes():
    with twin(draw_for) as made:
        of_twin = drawn(Artist(made))
    assert list(of_twin) == ["correlations", "concentration"]
    assert of_twin == drawn(Artist())
    assert gone(made.process.pid)


def test_what_a_killed_twin_should_have_drawn_is_drawn_here():
    with twin(draw_for) as made:
        os.kill(made.process.pid, signal.SIGKILL)
        assert drawn(Artist(made)) == drawn(Artist())


def test_a_figure_that_cannot_be_drawn_is_an_error_where_it_is_wanted():
    with twin(draw_for) as made:
        artist = Artist(made)
        artist.draw("correlations", CUSTOMERS.drop(columns="Tenure"))
        with pytest.raises(KeyError, match="Tenure"):
            artist.pictures(["correlations"])
        assert drawn(artist) == drawn(Artist())


def test_no_twin_is_made_beside_another_thread():
    import threading

    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    assert not can_fork()
    stop.set()
    thread.join()
