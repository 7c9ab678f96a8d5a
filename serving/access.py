"""Who may ask, and what a browser may do with the answer: the token, the server's names, and the headers."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask, request
from werkzeug.datastructures import Authorization, WWWAuthenticate
from werkzeug.exceptions import BadRequest, Unauthorized

from contract.hosts import TOKEN_VARIABLE, is_loopback

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOSTS_VARIABLE = "SEGMENTS_HOSTS"
REALM = "customer segments"
CHALLENGES = [
    WWWAuthenticate("basic", {"realm": REALM, "charset": "UTF-8"}),
    WWWAuthenticate("bearer"),
]
OPEN_ENDPOINTS = ("api.health",)
HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
]
NOT_STORED = ("Cache-Control", "no-store")


class Denied(Exception):
    """A request that is not answered: its status and the reason, in words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(frozen=True)
class Access:
    """Who may ask a server: with a `token`, who sends it; without one, whoever calls the server by a known name.

    The name is checked against pages of the web that let their own name stand for 127.0.0.1 (DNS rebinding): a
    browser would give them what it reads here.
    """

    token: str = ""
    hosts: frozenset[str] = frozenset()

    @classmethod
    def from_environment(cls) -> Access:
        """As SEGMENTS_API_TOKEN and SEGMENTS_HOSTS (names, comma-separated) say."""
        names = os.environ.get(HOSTS_VARIABLE, "").split(",")
        return cls(
            os.environ.get(TOKEN_VARIABLE, ""),
            frozenset(name.strip().lower() for name in names if name.strip()),
        )

    def check(self, host: str, authorization: str, is_open: bool) -> None:
        """Raise Denied for a Host and an Authorization header that may not ask. is_open: without a token, too."""
        if self.token:
            if not is_open and not hmac.compare_digest(_token_in(authorization), self.token.encode()):
                raise Denied(
                    401,
                    "A token is needed. Send it as `Authorization: Bearer TOKEN`, or as the password of HTTP Basic.",
                )
        elif host and not is_loopback(name := _name_in(host)) and name not in self.hosts:
            raise Denied(
                400,
                f"The Host header names {name[:100]!r}. Expected localhost or 127.0.0.1. Behind a proxy, set "
                f"{TOKEN_VARIABLE}, or the names of the site in {HOSTS_VARIABLE}.",
            )


def protect(app: Flask, access: Access) -> None:
    """Refuse the requests that `access` refuses; /health is open to who has no token."""

    @app.before_request
    def check() -> None:
        headers = request.headers
        try:
            access.check(
                headers.get("Host", ""),
                headers.get("Authorization", ""),
                request.endpoint in OPEN_ENDPOINTS,
            )
        except Denied as denied:
            if denied.status == 401:
                raise Unauthorized(denied.message, www_authenticate=CHALLENGES) from None
            raise BadRequest(denied.message) from None


def _name_in(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower().rstrip(".")


def _token_in(header: str) -> bytes:
    """The token of an Authorization header, in bytes as they were sent."""
    authorization = Authorization.from_header(header)
    if authorization is None:
        return b""
    if authorization.type == "bearer":
        return (authorization.token or "").encode("latin-1", "replace")
    return (authorization.get("password") or "").encode()


class Guarded:
    """A WSGI application whose answers are not sniffed, framed, cached, or made to load anything from elsewhere."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request with HEADERS; with NOT_STORED where the answer says nothing of its own about caches."""

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None
        ) -> Callable[[bytes], object]:
            is_said = any(name == NOT_STORED[0] for name, _ in headers)
            return start_response(status, [*headers, *HEADERS, *([] if is_said else [NOT_STORED])], exc_info)

        return self.app(environ, start)
