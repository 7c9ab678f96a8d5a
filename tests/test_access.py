"""Who may ask: the token, the names of the server, and hosts that others reach."""

import asyncio
import json

import pytest

from contract.hosts import is_loopback
from serving.access import Access, Denied
from serving.scoring import Endpoint

TOKEN = "a token of a test"
BEARER = f"Bearer {TOKEN}"
REBOUND = "evil.example:5000"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machines_own_names_are_loopback(name):
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name", ["0.0.0.0", "::", "192.168.0.7", "localhost.evil.example", "127.0.0.1.evil.example", ""]
)
def test_every_other_name_is_not(name):
    assert not is_loopback(name)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:5000", "127.0.0.1:5000", "[::1]:5000", "localhost.", ""]
)
def test_without_a_token_this_machines_names_may_ask(host):
    Access().check(host, "", is_open=False)


@pytest.mark.parametrize("host", [REBOUND, "127.0.0.1.evil.example", "[::2]", "0.0.0.0:5000"])
def test_a_page_that_lets_its_name_stand_for_this_machine_reads_nothing(host):
    with pytest.raises(Denied, match="Expected localhost") as denied:
        Access().check(host, "", is_open=True)
    assert denied.value.status == 400


def test_the_sites_own_names_may_ask(monkeypatch):
    monkeypatch.setenv("SEGMENTS_HOSTS", "segments.example, Shop.example")
    monkeypatch.delenv("SEGMENTS_API_TOKEN", raising=False)
    access = Access.from_environment()
    access.check("segments.example", "", is_open=False)
    access.check("shop.example:443", "", is_open=False)
    with pytest.raises(Denied):
        access.check(REBOUND, "", is_open=False)


def test_with_a_token_its_holder_may_ask_by_any_name():
    Access(TOKEN).check(REBOUND, BEARER, is_open=False)
    Access(TOKEN).check(REBOUND, "", is_open=True)
    with pytest.raises(Denied, match="A token is needed") as denied:
        Access(TOKEN).check("localhost", "Bearer another", is_open=False)
    assert denied.value.status == 401


class NoModel:
    """What the scoring endpoint follows before there is a model."""

    snapshot, problem, name, stale = None, "There is no model.", "champion", ""


def asked(access, path, **headers):
    """Status, headers and JSON of the scoring endpoint's answer."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET" if path != "/invocations" else "POST", "path": path}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(Endpoint(NoModel(), access=access)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


def test_the_scoring_endpoint_asks_for_the_token_everywhere_but_where_its_health_is_asked():
    for path in ("/", "/metrics", "/version", "/invocations", "/nothing"):
        status, headers, body = asked(Access(TOKEN), path, host="localhost")
        assert (status, headers[b"www-authenticate"]) == (401, b"Bearer"), path
        assert "A token is needed" in body["message"]
    assert asked(Access(TOKEN), "/health", host="localhost")[0] == 503
    assert asked(Access(TOKEN), "/", host="localhost", authorization=BEARER)[0] == 200


def test_the_scoring_endpoint_refuses_a_name_that_is_not_its_own():
    assert asked(Access(), "/", host=REBOUND)[0] == 400
    assert asked(Access(), "/", host="localhost:5001")[0] == 200


def test_the_analytics_api_refuses_a_name_that_is_not_its_own(client):
    refused = client.get("/analytics/overview", headers={"Host": REBOUND})
    assert refused.status_code == 400
    assert "evil.example" in refused.json["error"]["message"]
    assert client.get("/analytics/overview", headers={"Host": "127.0.0.1:5000"}).status_code == 200


@pytest.mark.parametrize("command", ["serve", "api", "up"])
def test_no_server_is_opened_to_others_without_a_token(store, command):
    done = store.process(command, "--host", "0.0.0.0", check=False, SEGMENTS_API_TOKEN="")
    assert done.returncode == 2
    assert "SEGMENTS_API_TOKEN" in done.stderr
    assert "openssl rand" in done.stderr


def test_the_mlflow_ui_is_never_opened_to_others(store):
    done = store.process("ui", "--host", "0.0.0.0", check=False, SEGMENTS_API_TOKEN=TOKEN)
    assert done.returncode == 2
    assert "asks for no password" in done.stderr
