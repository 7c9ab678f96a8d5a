"""The customers in a body of POST /score: one, a list of them, or a body as /invocations takes it.

A body in which all is well is read in a few passes, each over all rows. Any other body is read again, by Python's json
and row by row, so that it is told in words which row and column are wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Literal, NamedTuple

import orjson
from werkzeug.exceptions import BadRequest

from contract.names import OUTPUTS
from serving import checks, forms
from serving.snapshot import as_json

NAMES = tuple(name for _, name in OUTPUTS)
Shape = Literal["object", "list", "predictions"]


class Customers(NamedTuple):
    """(n, 5) values in the order of FEATURES, and the shape of the answer: that of the body."""

    values: forms.Values
    shape: Shape


def customers_in(body: bytes, is_json: bool) -> Customers:
    """The customers of a body. Raises BadRequest or UnsupportedMediaType, which say what is wrong."""
    checks.check_is_json(is_json)
    return _at_a_glance(body) or _row_by_row(checks.parsed(body))


def answer_of(columns: Mapping[str, list[Any]], shape: Shape) -> bytes:
    """Columns of answers, one cell per customer, as JSON. Raises ValueError rather than write NaN."""
    rows = list(map(_row, *columns.values())) if tuple(columns) == NAMES else _rows_of_old_version(columns)
    answer = rows[0] if shape == "object" else {"predictions": rows} if shape == "predictions" else rows
    if not all(map(_is_finite, columns.values())):
        return as_json(answer)
    return orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE)


def _at_a_glance(body: bytes) -> Customers | None:
    """The customers, where all of them are written with the same columns and with numbers in these; else None."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    rows = payload if isinstance(payload, list) else [payload]
    values = forms.values_of_uniform(rows) if 0 < len(rows) <= checks.MAX_ROWS else None
    return None if values is None else Customers(values, "list" if rows is payload else "object")


def _row_by_row(payload: object) -> Customers:
    if not forms.form_of(payload):
        values, is_single = checks.customers(payload)
        return Customers(values, "object" if is_single else "list")
    try:
        values = forms.json_values(payload)
    except forms.Refused as refused:
        raise BadRequest(str(refused)) from None
    checks.check_count(len(values))
    return Customers(values, "predictions")


def _row(
    segment: int,
    segment_name: str,
    state: str,
    is_anomaly: bool,
    anomaly_score: float,
    anomaly_reason: str,
    distance: float,
    expected_orders: float | None,
    expected_spend: float | None,
    spend_low: float | None,
    spend_high: float | None,
    likely_to_buy: float | None,
) -> dict[str, object]:
    """An answer by the names of OUTPUTS; written out, it is made in a third of the time of `dict(zip(...))`."""
    return {
        "segment": segment,
        "segment_name": segment_name,
        "state": state,
        "is_anomaly": is_anomaly,
        "anomaly_score": anomaly_score,
        "anomaly_reason": anomaly_reason,
        "distance": distance,
        "expected_orders": expected_orders,
        "expected_spend": expected_spend,
        "spend_low": spend_low,
        "spend_high": spend_high,
        "likely_to_buy": likely_to_buy,
    }


def _rows_of_old_version(columns: Mapping[str, list[Any]]) -> list[dict[str, object]]:
    """Answers of a version from before there were states or forecasts, which has fewer columns."""
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _is_finite(cells: list[Any]) -> bool:
    """Whether a column has no nan and no infinity, in whose place orjson would write null."""
    return not isinstance(cells[0], float) or isfinite(sum(cells))
