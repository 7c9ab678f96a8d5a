"""What comes over the wire to both servers: clients that stop halfway hold no thread, and raw bytes are no accident."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import pytest
import requests

HEAD = "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
SLOW_CLIENTS = 40
SECONDS_GIVEN = 10  # serving.patience: to the end of a head, and between two parts of a body
FAST_SECONDS = 2


@pytest.fixture(scope="module", params=[("api", "/score"), ("serve", "/invocations")], ids=["api", "serve"])
def server(request, served, store):
    """The address of a server with one worker, and what takes a body there."""
    command, path = request.param
    with served(["segments", command, "--workers", "1", "--port", "{port}"], store, "/health") as address:
        yield address, path


@contextlib.contextmanager
def slow_clients(address, sent):
    place = urlsplit(address)
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection((place.hostname, place.port), timeout=60))
            for _ in range(SLOW_CLIENTS)
        ]
        for one in sockets:
            one.sendall(sent)
        yield sockets


def test_slow_clients_hold_nobody_up_and_are_given_up(server):
    address, path = server
    halves = {
        "nothing": "",
        "half a head": HEAD.format(method="GET", path="/health"),
        "half a body": HEAD.format(method="POST", path=path) + "Content-Length: 1000\r\n\r\n[",
    }
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        slow = {
            name: stack.enter_context(slow_clients(address, sent.encode())) for name, sent in halves.items()
        }
        for _ in range(13):
            assert requests.get(f"{address}/health", timeout=FAST_SECONDS).status_code == 200
        lines = {name: {_first_line(one) for one in sockets} for name, sockets in slow.items()}
        assert lines == {
            "nothing": {b""},
            "half a head": {b""},
            "half a body": {b"HTTP/1.1 408 Request Timeout"},
        }
        assert time.monotonic() - started < 3 * SECONDS_GIVEN


def _first_line(connection):
    """What a server says first, or nothing when it only closes."""
    with contextlib.suppress(ConnectionResetError):
        return connection.recv(4096).split(b"\r\n")[0]
    return b""


@pytest.mark.parametrize("path", [b"/\xff?page=\xff\xfe", b"/\xc3\xa9//1%2F2?a=b%20c"])
def test_raw_bytes_in_an_address_are_answered_in_words(server, path):
    place = urlsplit(server[0])
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert int(answer.split()[1]) in (400, 404), answer
