"""Commands that start servers, ended by a signal at some moment; who is left afterwards."""

import os
import subprocess
import time

import psutil
from conftest import BIN, with_usual_signals

MARK = "WATCHED_BY_A_TEST"  # in the environment of a command, and so of whoever it starts
SECONDS_TO_START = 240
SECONDS_TO_END = 30


class Watched:
    """`segments ARGUMENTS` in a store's folder, and every process that comes of it."""

    def __init__(self, store, *arguments):
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [BIN / "segments", *map(str, arguments)],
            cwd=store.folder,
            env=store.environment | {MARK: self.mark},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=with_usual_signals,
        )

    def others(self):
        """All living processes that came of the command, but itself."""
        living = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    living.append(process)
            except psutil.Error:
                continue
        return [process for process in living if process.pid != self.process.pid]

    def wait_for(self, condition):
        deadline = time.monotonic() + SECONDS_TO_START
        while not condition():
            assert self.process.poll() is None, "The command ended before it was to be ended."
            assert time.monotonic() < deadline, "The moment to end the command did not come."
            time.sleep(0.05)

    def end(self, number):
        """Send the signal; the processes that are left when there was time to end them, which are then killed."""
        self.process.send_signal(number)
        self.process.wait(timeout=SECONDS_TO_END)
        deadline = time.monotonic() + SECONDS_TO_END
        while (left := self.others()) and time.monotonic() < deadline:
            time.sleep(0.1)
        names = [" ".join(process.cmdline()) for process in left]
        for process in left:
            process.kill()
        return names


def has_started(word):
    """The condition that a process with this word in its command line came of a command."""

    def look(watched):
        return any(word in argument for process in watched.others() for argument in _arguments(process))

    return look


def is_serving(watched):
    """Whether a process that came of a command listens: the gate's server in a training has no command line of its own."""
    return any(
        connection.status == psutil.CONN_LISTEN
        for process in watched.others()
        for connection in _ports(process)
    )


def _ports(process):
    try:
        return process.net_connections("tcp")
    except psutil.Error:
        return []


def _arguments(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []
