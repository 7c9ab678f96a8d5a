"""What was asked, checked: page numbers, segment numbers, and the customers that POST /score is given.

Whatever is wrong becomes a 4xx that says what was given, what was expected, and where.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from werkzeug.exceptions import BadRequest, NotFound, UnsupportedMediaType

from contract.names import FEATURES, STATES

MAX_BYTES = 2 * 1024 * 1024
MAX_ROWS = 10_000
MAX_PAGE = 1_000_000
MAX_LIMIT = 500
DEFAULT_LIMIT = 50
OPTIONAL = "AverageOrderValue"
OPTIONAL_TOLERANCE = 0.01  # share by which it may be off, and money, because shops round to cents
PROBLEMS_NAMED = 5


def page_and_limit(query: Mapping[str, str]) -> tuple[int, int]:
    """`page` and `limit` of a query string, 1 and 50 where they are not given."""
    return _between(query, "page", 1, MAX_PAGE), _between(query, "limit", DEFAULT_LIMIT, MAX_LIMIT)


def page_and_per_page(query: Mapping[str, str]) -> tuple[int, int]:
    """`page` and `per_page` of a query string, 1 and 50 where they are not given."""
    return _between(query, "page", 1, MAX_PAGE), _between(query, "per_page", DEFAULT_LIMIT, MAX_LIMIT)


def segment(text: str, known: Collection[int]) -> int:
    """A segment's number from a path. Raises NotFound when there is no such segment."""
    number = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None
    if number is None or number not in known:
        names = ", ".join(str(number) for number in sorted(known))
        raise NotFound(f"There is no segment {shown(text)}. Expected one of: {names}.")
    return number


def state(query: Mapping[str, str]) -> str | None:
    """`state` of a query string, None where it is not given."""
    text = query.get("state")
    if text is not None and text not in STATES:
        raise BadRequest(f"state {shown(text)} is not known. Expected one of: {', '.join(STATES)}.")
    return text


def customers(payload: object) -> tuple[NDArray[np.float64], bool]:
    """Rows of a JSON body to (n, 5) values in the order of FEATURES, and whether the body was one object.

    AverageOrderValue may be left out; it is then Monetary / Frequency.
    """
    rows = [payload] if isinstance(payload, dict) else payload
    if not isinstance(rows, list):
        raise BadRequest(f"Given {shown(payload)}, expected one customer as an object, or a list of them.")
    if not rows:
        raise BadRequest("The list is empty. Expected at least one customer.")
    check_count(len(rows))
    problems: list[str] = []
    for number, row in enumerate(rows):
        problems += _problems(number, row)
    if problems:
        raise BadRequest(first_of(problems))
    columns = {name: [float(row[name]) for row in rows] for name in FEATURES if name != OPTIONAL}
    exact = quotients(np.array(columns["Monetary"]), np.array(columns["Frequency"])).tolist()
    columns[OPTIONAL] = [float(row.get(OPTIONAL, value)) for row, value in zip(rows, exact, strict=True)]
    return np.column_stack([columns[name] for name in FEATURES]), isinstance(payload, dict)


def check_is_json(is_said: bool) -> None:
    """Raise UnsupportedMediaType where a request does not say that its body is JSON."""
    if not is_said:
        raise UnsupportedMediaType("Expected a JSON body. Send it with Content-Type: application/json.")


def check_count(rows: int) -> None:
    """Raise BadRequest when these are too many rows for POST /score."""
    if rows > MAX_ROWS:
        raise BadRequest(f"{rows:,} rows were given. Expected at most {MAX_ROWS:,}. Send them in parts.")


def quotients(money: NDArray[np.float64], orders: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) Monetary / Frequency; 0 where one of them is impossible, which the model tells by its name."""
    possible = (money >= 0) & (money < np.inf) & (orders >= 1)
    return np.where(possible, money, 0.0) / np.where(possible, orders, 1.0)


def quotient_problem(columns: Mapping[str, NDArray[np.float64]]) -> str | None:
    """Which rows have an AverageOrderValue that is not Monetary / Frequency; models of 0.1.0 do not look at it."""
    given = columns[OPTIONAL]
    exact = quotients(columns["Monetary"], columns["Frequency"])
    off = np.flatnonzero(np.abs(given - exact) > OPTIONAL_TOLERANCE * (exact + 1.0))
    if not len(off):
        return None
    return first_of(
        [f"Row {row}, column {OPTIONAL}: given {given[row]:g}, expected Monetary / Frequency." for row in off]
    )


def cell_problem(value: object) -> str | None:
    """What is wrong with a cell of JSON that should be a number, None when it is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"given {shown(value)}, expected a number."
    return None if is_finite(value) else f"given {shown(value)}, expected a finite number."


def _between(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    number = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    if not 1 <= number <= most:
        raise BadRequest(f"{name} {shown(text)} is out of range. Expected a whole number from 1 to {most:,}.")
    return number


def parsed(body: bytes) -> Any:
    """The JSON of a body. Raises BadRequest, which says what is wrong and where."""
    try:
        return json.loads(body.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        problem = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
    except UnicodeDecodeError as error:
        problem = f"The body is not UTF-8: byte {error.start}."
    except RecursionError:
        problem = "The body is nested too deeply."
    except ValueError:  # Python's limit on the digits of a whole number
        problem = "The body holds a number with too many digits."
    raise BadRequest(f"{problem} Expected one customer as an object, or a list of them.")


def _problems(number: int, row: object) -> list[str]:
    if not isinstance(row, dict):
        return [f"Row {number}: given {shown(row)}, expected an object."]
    problems = [
        f"Row {number}, column {name}: missing." for name in FEATURES if name not in row and name != OPTIONAL
    ]
    for name, value in row.items():
        if name not in FEATURES:
            problems.append(
                f"Row {number}, column {shown(name)}: not known. Expected {', '.join(FEATURES)} only."
            )
        elif problem := cell_problem(value):
            problems.append(f"Row {number}, column {name}: {problem}")
    return problems


def first_of(problems: Sequence[str]) -> str:
    """What is wrong with rows, the first few of it in full."""
    more = f" And {len(problems) - PROBLEMS_NAMED:,} more." if len(problems) > PROBLEMS_NAMED else ""
    return f"{' '.join(problems[:PROBLEMS_NAMED])}{more} Rows are counted from 0. No row was scored."


def is_finite(value: float) -> bool:
    """Whether a number of JSON is one that a double can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no double can hold
        return False


def shown(value: object, dumps: Callable[[object], str] = json.dumps) -> str:
    """A value as JSON, short enough for a message."""
    try:
        text = dumps(value)
    except ValueError:  # too many digits to write down
        return "a very long number"
    return text if len(text) <= 40 else f"{text[:37]}..."
