"""The forms in which customers come to be scored, as MLflow's protocol has them: JSON, CSV and Parquet.

Each becomes (n, 5) values in the order of FEATURES. Sizes are checked before the rows are read, and no refusal
repeats more of a body than the first cells that are wrong.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from contract.names import FEATURES
from serving.checks import OPTIONAL, cell_problem, first_of, quotients, shown

if TYPE_CHECKING:
    from pyarrow import Schema
    from pyarrow.parquet import FileMetaData

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
MAX_ROWS = 500_000
MAX_PARQUET_BYTES = 64 * 1024 * 1024  # of the five columns, before compression
COLUMNS_NAMED = 5
NEEDED = tuple(name for name in FEATURES if name != OPTIONAL)
ORDERS, MONEY = NEEDED.index("Frequency"), NEEDED.index("Monetary")
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)
NAME_THEM = f"Name the columns: {{'dataframe_split': {{'columns': {list(FEATURES)}, 'data': [...]}}}}."

Values = NDArray[np.float64]
Row = Mapping[str, object]
Cell = TypeVar("Cell")


class Refused(ValueError):
    """A body that cannot be scored: the HTTP status, and what is wrong in words."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


def values_of(body: bytes, content_type: str) -> Values:
    """(n, 5) the customers in a body. Raises Refused."""
    kind, _, parameters = content_type.lower().partition(";")
    kind = kind.strip()
    if kind not in (JSON, CSV, PARQUET):
        raise Refused(415, f"Content type {shown(kind)}. Expected {JSON}, {CSV} or {PARQUET}.")
    if kind == PARQUET:
        return parquet_values(body)
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    if charset not in ("", "utf-8", "utf8"):
        raise Refused(415, f"Charset {shown(charset)}. Expected utf-8.")
    try:
        text = body.decode("utf-8-sig")
        return csv_values(text) if kind == CSV else json_values(json.loads(text))
    except UnicodeDecodeError as error:
        raise Refused(400, f"The body is not UTF-8: byte {error.start}.") from None
    except json.JSONDecodeError as error:
        place = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise Refused(400, f"The body is not JSON: {place}.") from None
    except Refused:
        raise
    except csv.Error as error:
        raise Refused(400, f"The body is not CSV: {error}.") from None
    except (RecursionError, ValueError):  # nested too deeply, or a number of too many digits
        raise Refused(400, f"The body cannot be read. Expected rows of {', '.join(FEATURES)}.") from None


def form_of(payload: object) -> str | None:
    """Which of MLflow's forms a JSON body has, None when it has none of them."""
    forms = [name for name in FORMS if name in payload] if isinstance(payload, dict) else []
    return forms[0] if len(forms) == 1 else None


def json_values(payload: object) -> Values:
    """(n, 5) the customers of a JSON body in one of MLflow's forms. Raises Refused."""
    form = form_of(payload)
    if form is None or not isinstance(payload, dict):
        raise Refused(400, f"Expected a JSON object with exactly one of {', '.join(FORMS)}.")
    content = payload[form]
    if form == "dataframe_split":
        return _split_values(content)
    if form == "inputs" and isinstance(content, dict):
        return _columns_values(content)
    if not isinstance(content, list):
        raise Refused(400, f"{form}: given {shown(content)}, expected a list of customers as objects.")
    return _records_values(content)


def csv_values(text: str) -> Values:
    """(n, 5) the customers of a CSV text with a header. Raises Refused."""
    lines = [cells for cells in csv.reader(io.StringIO(text)) if cells]
    header = [name.strip() for name in lines[0]] if lines else []
    rows = lines[1:]
    _check_count(len(rows))
    for number, cells in enumerate(rows):
        if len(cells) != len(header):
            raise Refused(
                400,
                f"Row {number} has {len(cells):,} cells. Expected {len(header):,}, as the header has. "
                "Rows are counted from 0. No row was scored.",
            )
    if not rows:
        _check_count(0)
    names = _features_in(header)
    return _table_values(names, _csv_rows(list(chain.from_iterable(_picked(header, rows))), len(names)))


def _csv_rows(cells: Sequence[str], width: int) -> Sequence[Sequence[object]]:
    """Rows of `width` cells: numbers where they are written as numbers."""
    try:
        plain = "_" not in (text := "".join(cells)) and text.isascii()  # Python would read 1_000, too
        numbers: Sequence[object] = list(map(float, cells)) if plain else list(map(_csv_cell, cells))
    except ValueError:
        numbers = list(map(_csv_cell, cells))
    return list(zip(*[iter(numbers)] * width, strict=True))


def parquet_values(body: bytes) -> Values:
    """(n, 5) the customers of a Parquet file, whose sizes are looked at before a row is read. Raises Refused."""
    import pyarrow as pa
    from pyarrow import compute, parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(body))
        names = _parquet_columns(file.schema_arrow, file.metadata)
        columns = [column.combine_chunks() for column in file.read(names, use_threads=False).columns]
        cells = [compute.cast(column, pa.float64(), safe=False) for column in columns]
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(
            400,
            f"The body cannot be read as Parquet. Expected a file with the columns {', '.join(FEATURES)}.",
        ) from None
    problems = [
        f"Row {row}, column {name}: given null, expected a number."
        for name, column in zip(names, cells, strict=True)
        if column.null_count
        for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))
    ]
    if problems:
        raise Refused(400, first_of(problems))
    return _completed(names, np.column_stack([column.to_numpy() for column in cells]))


def _parquet_columns(schema: Schema, metadata: FileMetaData) -> list[str]:
    """The columns to be read. Raises Refused when they are missing, too many, too large, or no numbers."""
    import pyarrow as pa

    _check_count(metadata.num_rows)
    names = _features_in(schema.names)
    for name in names:
        kind = schema.field(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            raise Refused(400, f"Column {name} holds {kind}. Expected numbers. No row was scored.")
    size = sum(
        column.total_uncompressed_size
        for group in range(metadata.num_row_groups)
        for column in map(metadata.row_group(group).column, range(metadata.num_columns))
        if column.path_in_schema in names
    )
    if size > MAX_PARQUET_BYTES:
        raise Refused(
            413,
            f"The columns have {size:,} bytes before compression. Expected at most {MAX_PARQUET_BYTES:,}. "
            "Send fewer rows.",
        )
    return names


def _split_values(content: object) -> Values:
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise Refused(400, "dataframe_split: expected an object with columns and data, both lists.")
    names, rows = content.get("columns"), content["data"]
    if not isinstance(names, list):
        raise Refused(400, f"dataframe_split has no list of columns. {NAME_THEM}")
    if not rows:
        _check_count(0)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            given = f"{len(row):,} cells" if isinstance(row, list) else shown(row)
            raise Refused(400, f"Row {number}: given {given}, expected {len(names):,} cells, one per column.")
    return _table_values(names, list(_picked(names, rows)))


def _columns_values(columns: Row) -> Values:
    """A mapping of columns, or of one customer."""
    names = _features_in(list(columns))
    cells = [columns[name] for name in names]
    if not any(isinstance(column, list) for column in cells):
        return _records_values([columns])
    lengths = {len(column) if isinstance(column, list) else 1 for column in cells}
    if len(lengths) > 1:
        raise Refused(
            400, "inputs: the columns are of different lengths. Expected one cell per customer in each."
        )
    lists = [column if isinstance(column, list) else [column] for column in cells]
    return _table_values(names, list(zip(*lists, strict=True)))


def _records_values(rows: list[object]) -> Values:
    _check_count(len(rows))
    values = _values_at_a_glance(rows)
    return _careful_values(rows) if values is None else values


def values_of_uniform(rows: Sequence[object]) -> Values | None:
    """(n, 5) the customers, where all rows are objects of the same features, and of numbers alone; else None.

    The rows come from a reader of JSON that knows no nan and no infinity.
    """
    first = rows[0]
    if not isinstance(first, dict) or not set(FEATURES).issuperset(first):
        return None
    try:
        if set(map(len, rows)) != {len(first)}:  # type: ignore[arg-type]  # else TypeError
            return None
    except TypeError:
        return None
    return _values_at_a_glance(rows)


def _values_at_a_glance(rows: Sequence[object]) -> Values | None:
    """(n, 5) the customers, where each row has the features of the first one, all numbers; else None."""
    first = rows[0]
    names = [name for name in FEATURES if name in first] if isinstance(first, dict) else []
    if not set(NEEDED).issubset(names):
        return None
    try:
        values = _matrix(list(map(itemgetter(*names), rows)))  # type: ignore[arg-type]  # else TypeError
    except (KeyError, TypeError):
        return None
    return None if values is None else _completed(names, values)


def _table_values(names: Sequence[object], rows: Sequence[Sequence[object]]) -> Values:
    """(n, 5) from rows of the features of `names`, in the order of FEATURES."""
    features = _features_in(names)
    _check_count(len(rows))
    values = _matrix(rows)
    if values is not None:
        return _completed(features, values)
    return _careful_values([dict(zip(features, row, strict=True)) for row in rows])


def _careful_values(rows: Sequence[object]) -> Values:
    """(n, 5) cell by cell, where a glance does not show that all is well. Raises Refused with what is wrong."""
    problems = list(chain.from_iterable(map(_row_problems, range(len(rows)), rows)))
    if problems:
        names_none = f" {NAME_THEM}" if not any(isinstance(row, dict) for row in rows) else ""
        raise Refused(400, first_of(problems) + names_none)
    records = [row for row in rows if isinstance(row, dict)]
    values = np.array([[row[name] for name in NEEDED] for row in records], dtype=np.float64)
    quotient = quotients(values[:, MONEY], values[:, ORDERS])
    given = [row.get(OPTIONAL, exact) for row, exact in zip(records, quotient, strict=True)]
    return np.insert(values, FEATURES.index(OPTIONAL), np.array(given, dtype=np.float64), axis=1)


def _row_problems(number: int, row: object) -> Iterable[str]:
    if not isinstance(row, dict):
        return [f"Row {number}: given {shown(row)}, expected an object with the names of the columns."]
    problems = [f"Row {number}, column {name}: missing." for name in NEEDED if name not in row]
    cells = ((name, row[name]) for name in FEATURES if name in row)
    return problems + [
        f"Row {number}, column {name}: {problem}" for name, cell in cells if (problem := cell_problem(cell))
    ]


def _completed(names: Sequence[str], values: Values) -> Values:
    """(n, 5) with AverageOrderValue, where it was left out."""
    if len(names) == len(FEATURES):
        return values
    return np.insert(values, FEATURES.index(OPTIONAL), quotients(values[:, MONEY], values[:, ORDERS]), axis=1)


def _matrix(rows: Sequence[Sequence[object]]) -> Values | None:
    """(n, d) the cells, by passes in C; None where one of them is no number of JSON that a double can hold."""
    cells = list(chain.from_iterable(rows))
    if not {int, float}.issuperset(map(type, cells)):
        return None
    try:
        return np.array(cells, dtype=np.float64).reshape(len(rows), -1)
    except OverflowError:
        return None


def _picked(names: Sequence[object], rows: Iterable[Sequence[Cell]]) -> Iterable[Sequence[Cell]]:
    """The cells of the features, in the order of FEATURES; all rows have as many cells as there are names."""
    return map(itemgetter(*(list(names).index(name) for name in _features_in(names))), rows)


def _features_in(names: Sequence[object]) -> list[str]:
    """Which features are there. Raises Refused when one is missing or there twice."""
    names = list(names)
    if missing := [name for name in NEEDED if name not in names]:
        listed = ", ".join(shown(name) for name in names[:COLUMNS_NAMED])
        raise Refused(400, f"Missing column {', '.join(missing)}. Found: {listed}. {NAME_THEM}")
    if repeated := [name for name in FEATURES if names.count(name) > 1]:
        raise Refused(400, f"Column {', '.join(repeated)} was given more than once. Expected it once.")
    return [name for name in FEATURES if name in names]


def _check_count(rows: int) -> None:
    if not rows:
        raise Refused(400, "No rows were given. Expected at least one customer.")
    if rows > MAX_ROWS:
        raise Refused(
            413,
            f"{rows:,} rows were given. Expected at most {MAX_ROWS:,}. Send them in parts, or use `segments score`.",
        )


def _csv_cell(text: str) -> object:
    """A cell as a number, where it is written as one; None when it is empty."""
    if NUMBER.fullmatch(text):
        return float(text)
    return text if text.strip() else None
