"""Who may ask, and what a browser may do with the answer: the optional token and the headers."""

from __future__ import annotations

import hmac

from flask import Flask, Response, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

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


def require(app: Flask, token: str) -> None:
    """Refuse requests without the token, except to /health.

    It is taken as `Authorization: Bearer`, or as the password of HTTP Basic, which a browser asks for.
    """
    expected = token.encode()

    @app.before_request
    def check() -> None:
        if request.endpoint not in OPEN_ENDPOINTS and not hmac.compare_digest(_given(), expected):
            raise Unauthorized(
                "A token is needed. Send it as `Authorization: Bearer TOKEN`, or as the password of HTTP Basic.",
                www_authenticate=[
                    WWWAuthenticate("basic", {"realm": "customer segments", "charset": "UTF-8"}),
                    WWWAuthenticate("bearer"),
                ],
            )


def _given() -> bytes:
    authorization = request.authorization
    if authorization is None:
        return b""
    if authorization.type == "bearer":
        return (authorization.token or "").encode(
            "latin-1", "replace"
        )  # a header's bytes, as WSGI gives them
    return (authorization.get("password") or "").encode()


def add_headers(response: Response) -> Response:
    """Headers that keep an answer from being sniffed, framed, cached, or made to load anything from elsewhere."""
    response.headers.extend(HEADERS)
    if "Cache-Control" not in response.headers:
        response.headers.add("Cache-Control", "no-store")
    return response
