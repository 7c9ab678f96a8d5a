"""A delimited text file: what its bytes say about encoding, delimiter, decimal mark and date order."""

from __future__ import annotations

import codecs
import contextlib
import csv
import glob
import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from training.errors import InputError
from training.reading import bombs

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

SAMPLE = 1 << 16
DELIMITERS = ",;\t|"

# A number's surroundings: a currency sign, blanks. Digits and marks belong to the number.
AROUND = "[^0-9.,]*"
# Blanks and apostrophes that group thousands whatever the decimal mark is.
BLANKS = " '\u00a0\u202f"


@dataclass(frozen=True)
class Layout:
    """How a text file is written, its column names, and whether these are its first line and no more."""

    encoding: str
    delimiter: str
    header: list[str]
    header_is_first_line: bool


def sniff(path: Path) -> Layout:
    """A text file, plain or .gz -> its Layout, read from its first 64 KB.

    Raises InputError for an empty file, a web page, and anything that is not text.
    """
    head = _head(path)
    encoding = _encoding(head)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    if not text.strip():
        raise InputError(f"{path} is empty. Expected a header line and one line a purchase.")
    if text.lstrip().startswith("<"):
        raise InputError(
            f"{path} is a web page or XML, not a table. Expected delimited text. "
            "Download the file itself, not the page that links to it."
        )
    control = sum(character < " " and character not in "\t\n\r\f\v" for character in text)
    if control > len(text) / 100:
        raise InputError(
            f"{path} is a binary file, not text. Expected delimited text. "
            "Export it as CSV, or give the file its own ending (.gz, .parquet, .xlsx)."
        )
    delimiter = max(DELIMITERS, key=lambda candidate: _fit(text, candidate))
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next((record for record in records if any(map(str.strip, record))), None)
    except csv.Error:  # DuckDB would take all lines for the header, and find none under it
        raise _unclosed(records.line_num, path) from None
    if header is None:
        raise InputError(f"{path} holds no names, only quotes and blanks. Expected a header line first.")
    return Layout(encoding, delimiter, _names(header, path), records.line_num == 1)


def sample(path: Path, layout: Layout) -> list[dict[str, str]]:
    """The whole lines in the first 64 KB of a text file, each as name: text, without blanks around it."""
    head = _head(path)
    text = codecs.getincrementaldecoder(layout.encoding)("replace").decode(head)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter))[1:]
    except csv.Error:
        return []
    if len(head) == SAMPLE:
        records = records[:-1]
    width = len(layout.header)
    return [
        dict(zip(layout.header, map(str.strip, record), strict=True))
        for record in records
        if len(record) == width
    ]


def load(path: Path, connection: Backend) -> ir.Table:
    """A text file -> a temporary DuckDB table with its columns and rows, every column text.

    DuckDB reads a clean UTF-8 file by itself. Any other file, and any file it complains about, is
    first read row by row and written again as plain UTF-8. Raises InputError for a row that has
    more or fewer fields than the header, for a quote that is not closed, and for a .gz that is
    damaged or a bomb (`bombs.check_gzip`).
    """
    import duckdb

    if path.suffix.lower() == ".gz":
        bombs.check_gzip(path)
    layout = sniff(path)
    if layout.encoding == "utf-8-sig" and layout.header_is_first_line:
        with contextlib.suppress(duckdb.Error):
            return _scan(path, layout, connection)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.csv")
        try:
            _rewrite(path, copy, layout)
        except UnicodeDecodeError:
            _rewrite(path, copy, replace(layout, encoding="cp1252"))
        # In parallel, DuckDB refuses some files with newlines inside quotes. In order, it reads them, but
        # drops what follows an unclosed quote without a word: only a checked copy is read that way.
        return _scan(copy, replace(layout, delimiter=","), connection, parallel=False)


def decimal_mark(texts: ir.Table) -> str:
    """Numbers as written (one column `text`, any number of rows) -> "point" or "comma".

    The whole column decides. Raises InputError when both marks occur, or when every comma could as
    well separate thousands.
    """
    found = _count(
        texts,
        point=texts.text.re_search(surely_decimal(".", ",")),
        comma=texts.text.re_search(surely_decimal(",", ".")),
        either=texts.text.re_search(f"^{AROUND}[1-9][0-9]{{0,2}}[.,][0-9]{{3}}{AROUND}$"),
    )
    if found["point"] and found["comma"]:
        raise InputError(
            "Numbers are written both with a decimal point and with a decimal comma. Expected one of them. "
            "Say --decimal point or --decimal comma; numbers written the other way then count as unreadable."
        )
    if found["either"] and not found["point"] and not found["comma"]:
        raise InputError(
            "Numbers like 1,234 or 1.234 can be a thousand or a little more than one, and no other number in the "
            "data decides. Expected one that does. Say --decimal point or --decimal comma."
        )
    return "comma" if found["comma"] else "point"


def date_order(texts: ir.Table) -> str:
    """Dates as written (one column `text`, any number of rows) -> "day-first" or "month-first".

    Only dates like 1/2/2010 ask the question, and the whole column answers it. Raises InputError
    when both orders occur, or when no date has a day above 12.
    """
    form = "^([0-9]{1,2})[/-]([0-9]{1,2})[/-][0-9]{2}"
    first, second = (texts.text.re_extract(form, group).try_cast("int64") for group in (1, 2))
    found = _count(
        texts,
        day_first=(first > 12) & (second <= 12),
        month_first=(first <= 12) & (second > 12),
        either=(first <= 12) & (second <= 12) & (first != second),
    )
    if found["day_first"] and found["month_first"]:
        raise InputError(
            "Dates are written both day-first (31/12/2010) and month-first (12/31/2010). Expected one order. "
            "Say --date-order day-first or --date-order month-first; "
            "dates that only fit the other order then count as unreadable."
        )
    if found["either"] and not found["day_first"] and not found["month_first"]:
        raise InputError(
            "Dates like 1/2/2010 can be the first of February or January the second, "
            "and no date in the data has a day above 12. "
            "Say --date-order day-first or --date-order month-first."
        )
    return "month-first" if found["month_first"] else "day-first"


def _head(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return file.read(SAMPLE)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise bombs.damaged(path, error) from None


def _rewrite(path: Path, copy: Path, layout: Layout) -> None:
    """A text file -> the same records as UTF-8, separated by commas, all quoted, header on one line."""
    # cp1252 leaves five bytes undefined: one strange character must not cost the file.
    errors = "strict" if layout.encoding == "utf-8-sig" else "replace"
    open_text = gzip.open if path.suffix.lower() == ".gz" else open
    with (
        open_text(path, "rt", encoding=layout.encoding, errors=errors, newline="") as source,
        copy.open("w", encoding="utf-8", newline="") as target,
    ):
        writer = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(layout.header)
        writer.writerows(_records(source, layout, path))


def _records(source: IO[str], layout: Layout, path: Path) -> Iterator[list[str]]:
    """The records under the header of a text file, each as wide as the header."""
    width = len(layout.header)
    reader = csv.reader(source, delimiter=layout.delimiter, strict=True)
    line = 1
    try:
        next(record for record in reader if any(map(str.strip, record)))
        line = reader.line_num + 1
        for record in reader:
            if len(record) == width + 1 and not record[-1]:
                record.pop()  # DuckDB, too, forgives a delimiter at the end of a line.
            if len(record) == width:
                yield record
            elif len(record) > 1 or "".join(record).strip():
                raise InputError(
                    f"Line {line} of {path} has {len(record)} fields. Expected {width}, as in the header. "
                    "Correct that line, or put quotes around text that contains the delimiter."
                )
            line = reader.line_num + 1
    except csv.Error:
        raise _unclosed(line, path) from None


def _unclosed(line: int, path: Path) -> InputError:
    return InputError(
        f"Line {line} of {path} has a quote that is not closed. Expected quotes in pairs. Correct that line."
    )


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Latin letters in UTF-16 are a byte and a NUL, in the machine's order.
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) > len(head) / 4 and min(even, odd) < len(head) / 50:
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _fit(text: str, delimiter: str) -> tuple[int, int]:
    """How well a delimiter explains a text: rows as wide as the header, then the header's width."""
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        return 0, 0
    records = [record for record in records if any(map(str.strip, record))]
    width = len(records[0]) if records else 0
    return sum(len(record) == width for record in records) if width > 1 else 0, width


def _names(header: list[str], path: Path) -> list[str]:
    """Column names on one line, without blanks around them; a column without a name is called by its position."""
    names = [" ".join(name.split()) or f"column_{position}" for position, name in enumerate(header, 1)]
    lowered = [name.lower() for name in names]
    if twice := [name for name in names if lowered.count(name.lower()) > 1]:
        raise InputError(
            f"{path} has more than one column named {twice[0]}. Expected every name once. Rename one of them."
        )
    return names


def _scan(path: Path, layout: Layout, connection: Backend, parallel: bool = True) -> ir.Table:
    import ibis

    view = connection.read_csv(
        # DuckDB takes a path for a pattern: sales[1].csv must mean itself.
        glob.escape(str(path)),
        columns=dict.fromkeys(layout.header, "VARCHAR"),
        delim=layout.delimiter,
        quote='"',
        escape='"',
        header=True,
        compression="gzip" if path.suffix.lower() == ".gz" else "none",
        parallel=parallel,
    )
    try:
        return connection.create_table(ibis.util.gen_name("text"), view, temp=True)
    finally:
        connection.drop_view(view.op().name)


def surely_decimal(mark: str, other: str) -> str:
    """A pattern for the numbers in which `mark` can only be the decimal mark, `other` only a separator."""
    group = f"[{other}{BLANKS}][0-9]{{3}}"
    return (
        f"^{AROUND}([0-9]*[{mark}]([0-9]{{0,2}}|[0-9]{{4,}})"  # 2.5 and 2.5500
        f"|(0[0-9]*|[0-9]{{4,}}|)[{mark}][0-9]{{3}}"  # 0.123, 1234.567 and .123
        f"|[0-9]{{1,3}}({group})+[{mark}][0-9]*"  # 1,234.5
        f"|[0-9]{{1,3}}([{other}][0-9]{{3}}){{2,}}){AROUND}$"  # 1,234,567
    )


def _count(texts: ir.Table, **conditions: ir.BooleanValue) -> dict[str, int]:
    sums = texts.aggregate(**{name: condition.sum() for name, condition in conditions.items()})
    return {name: count or 0 for name, count in sums.to_pyarrow().to_pylist()[0].items()}
