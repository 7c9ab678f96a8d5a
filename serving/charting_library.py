"""The charting library: plotly's JavaScript out of the installed package.

So no copy of it is kept here, and no page asks the internet for it.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound

ONE_YEAR_SECONDS = 365 * 24 * 3600


def register(app: Flask) -> None:
    """Serve the library below /static, with its release in its name: a browser may keep it for good."""

    @app.route("/static/plotly-<release>.min.js")
    def charting_library(release: str) -> Response:
        if release != installed_release():
            raise NotFound(f"Plotly {release[:20]} is not here. Expected {installed_release()}.")
        packed = _packed()
        zipped = "gzip" in request.accept_encodings
        answer = Response(packed if zipped else gzip.decompress(packed), mimetype="text/javascript")
        if zipped:
            answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Vary"] = "Accept-Encoding"
        answer.headers["Cache-Control"] = f"private, max-age={ONE_YEAR_SECONDS}, immutable"
        return answer


@cache
def installed_release() -> str:
    """The installed release of plotly; "0" when it is not installed, and then there are tables only."""
    try:
        return version("plotly")
    except PackageNotFoundError:
        return "0"


@cache
def _packed() -> bytes:
    package = find_spec("plotly")  # looking for it is quick, importing it is not
    if package is None or package.origin is None:
        raise NotFound("The plotly package is not installed.")
    library = Path(package.origin).parent / "package_data" / "plotly.min.js"
    return gzip.compress(library.read_bytes(), 6, mtime=0)
