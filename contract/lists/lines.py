"""Lines of a file of comma-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows as lines of CSV."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()
