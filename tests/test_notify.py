"""What a cycle tells: signed webhooks, lines of a file, a command; at least once, and under one id."""

import base64
import contextlib
import hashlib
import hmac
import json
import shlex
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import with_database

from training.cycle import channels
from training.cycle.channels import Command, EventFile, Undelivered, Webhook, channels_of
from training.cycle.events import Event
from training.errors import InputError

EVENT = Event(
    "run.promoted", "promoted", "2026-01-01", 1, 2, "drift – über", "m", "run", "digest", "2026-01-01"
)
SECRET = b"a secret of both"


@contextlib.contextmanager
def receiver(*statuses):
    """A web server that answers with these statuses, then with 200: (its address, what it got)."""
    requests, answers = [], iter(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            requests.append((dict(self.headers.items()), body))
            self.send_response(next(answers, 200))
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def is_signed(headers, body, secret=SECRET):
    content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return headers["webhook-signature"] == f"v1,{expected}"


def test_a_webhook_is_signed_over_its_id_its_time_and_its_body():
    with receiver() as (url, requests):
        Webhook(url, SECRET, ()).send(EVENT)
    ((headers, body),) = requests
    assert is_signed(headers, body)
    assert not is_signed(headers, body, b"another secret")
    assert not is_signed(headers, body + b" ")
    assert json.loads(body) == EVENT.__dict__
    assert headers["webhook-id"] == "run.promoted"


def test_a_receiver_that_fails_is_asked_again_with_the_same_id():
    with receiver(500, 503) as (url, requests):
        Webhook(url, SECRET, (0.01, 0.01)).send(EVENT)
    assert [headers["webhook-id"] for headers, _ in requests] == ["run.promoted"] * 3


@pytest.mark.parametrize("status", [302, 401, 500])
def test_only_a_success_is_delivered(status):
    with receiver(status, status) as (url, requests), pytest.raises(Undelivered, match=str(status)):
        Webhook(url, SECRET, (0.01,)).send(EVENT)
    assert len(requests) == 2


def test_a_server_that_is_down_is_undelivered():
    with receiver() as (url, _):
        pass
    with pytest.raises(Undelivered, match="ConnectionError"):
        Webhook(url, SECRET, ()).send(EVENT)


def test_a_file_gets_whole_lines_also_after_half_a_one(tmp_path):
    path = tmp_path / "new" / "events.jsonl"
    EventFile(path).send(EVENT)
    with path.open("a") as file:
        file.write('{"id": "ru')
    EventFile(path).send(EVENT)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(lines[0]), json.loads(lines[2])] == [EVENT.__dict__] * 2


def test_a_command_gets_the_event_and_its_exit_code_counts(tmp_path):
    program = f"import sys; open({str(tmp_path / 'got')!r}, 'w').write(sys.stdin.read())"
    Command(shlex.join([sys.executable, "-c", program])).send(EVENT)
    assert Event.from_json((tmp_path / "got").read_text()) == EVENT
    with pytest.raises(Undelivered, match="exit code 3"):
        Command(shlex.join([sys.executable, "-c", "raise SystemExit(3)"])).send(EVENT)
    with pytest.raises(Undelivered, match="FileNotFoundError"):
        Command("no-such-program").send(EVENT)


def test_a_secret_in_base64_is_taken_as_the_standard_writes_it(monkeypatch):
    monkeypatch.setenv(channels.SECRET_VARIABLE, "whsec_" + base64.b64encode(SECRET).decode())
    (webhook,) = channels_of(("https://example.com/T0K3N", ""), "", "")
    assert webhook.secret == SECRET
    assert "T0K3N" not in webhook.name
    assert SECRET.decode() not in repr(webhook)
    monkeypatch.setenv(channels.SECRET_VARIABLE, "whsec_no base64!")
    with pytest.raises(InputError, match="base64"):
        channels_of(("https://example.com/",), "", "")


def test_what_did_not_arrive_is_sent_by_the_next_cycle_under_the_same_id(
    empty_database, tmp_path, monkeypatch
):
    monkeypatch.setattr(channels, "WAITS_SECONDS", ())
    store = with_database(tmp_path, empty_database)
    (tmp_path / "orders.csv").write_text("<html></html>")
    with receiver(500, 500) as (url, requests):
        words = ("cycle", "orders.csv", "--notify", url, "--notify-file", "events.jsonl")
        for _ in range(3):
            done = store.run(*words, check=False, SEGMENTS_WEBHOOK_SECRET=SECRET.decode())
            assert done.returncode == 1
    assert len(requests) == 3  # two failed, one arrived, and then there was nothing left to send
    assert len({body for _, body in requests}) == 1
    assert all(is_signed(headers, body) for headers, body in requests)
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 1
