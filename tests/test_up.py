"""`segments up`: three servers that come together and go together."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests
from conftest import BIN, with_usual_signals

PATHS = {"api": "/health", "scoring": "/ping", "ui": "/health"}


@pytest.fixture
def ports(free_port):
    return {name: free_port() for name in PATHS}


def start(store, ports):
    options = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
    return subprocess.Popen(
        [BIN / "segments", "up", *options],
        cwd=store.folder,
        env=store.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=with_usual_signals,
    )


def answers(port, path):
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code == 200
    return False


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def process_of(word, port):
    """The id of the process with both words in its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode().split("\0")
                if word in line and str(port) in line:
                    return int(entry.name)
    return None


def with_port(port):
    """Command lines of all processes that were given this port."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode().split("\0")
                if any(str(port) in word for word in line):
                    found.append(" ".join(line))
    return found


def everything_is_gone(ports):
    return not any(listening(port) or with_port(port) for port in ports.values())


def test_three_servers_answer_and_all_are_gone_after_ctrl_c(store, ports):
    up = start(store, ports)
    try:
        for name, path in PATHS.items():
            wait_until(lambda port=ports[name], path=path: answers(port, path), 240, f"{name} is silent")
        shown = os.read(up.stdout.fileno(), 4096).decode()
        assert f"http://127.0.0.1:{ports['api']}/ui" in shown
        assert f"http://127.0.0.1:{ports['scoring']}/invocations" in shown
        assert f"http://127.0.0.1:{ports['ui']}" in shown
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=60) == 0
    finally:
        up.kill()
    assert everything_is_gone(ports)


def test_when_one_ends_by_itself_the_others_are_stopped(store, ports):
    up = start(store, ports)
    try:
        up.stdout.readline()
        wait_until(lambda: process_of("serve", ports["scoring"]), 120, "the scoring endpoint does not start")
        os.kill(process_of("serve", ports["scoring"]), signal.SIGKILL)
        assert up.wait(timeout=60) == 1
    finally:
        up.kill()
    assert everything_is_gone(ports)


def test_a_port_in_use_is_a_clear_error_and_nothing_is_started(store, ports):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports["ui"]))
        taken.listen()
        options = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
        done = store.process("up", *options, check=False)
    assert done.returncode == 2
    assert f"Port {ports['ui']} on 127.0.0.1 cannot be used" in done.stderr
    assert not listening(ports["api"])


def test_without_a_champion_up_says_what_to_run(new_folder):
    done = new_folder("nothing").process("up", check=False)
    assert done.returncode == 2
    assert "segments train" in done.stderr
