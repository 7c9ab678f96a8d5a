"""Answers from the champion model: the scoring endpoint and the analytics API.

Reading order: champion (loads it from MLflow) -> snapshot -> queries, lists -> app -> pages (for people; the map is
drawn with the charting_library). archive (the other versions of the registry) -> moves -> comparisons (any two of
them). `scoring` stands alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def create_app() -> Flask:
    """The analytics API as a WSGI application: `flask --app serving run`, `gunicorn 'serving:create_app()'`."""
    from serving.app import create_app

    return create_app()
