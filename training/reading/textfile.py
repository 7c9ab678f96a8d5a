"""A delimited text file: what its bytes say about encoding, delimiter, decimal mark and date order."""

from __future__ import annotations

import codecs
import contextlib
import csv
import glob
import gzip
import io
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from training.errors import InputError
from training.reading import bombs
from training.reading.kept import kept

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

SAMPLE = 1 << 16
DELIMITERS = ",;\t|"
TWO_BLANKS = "  "
HEADER_WITHIN = 60  # records
MOST_IN_A_CELL = 2_000_000  # characters; DuckDB reads no longer lines
CONTROLS = "[\x00-\x1f\x7f-\x9f]"

# A number's surroundings: a currency sign, blanks. Digits and marks belong to the number.
AROUND = "[^0-9.,]*"
# Blanks and apostrophes that group thousands whatever the decimal mark is.
BLANKS = " '\u00a0\u202f"


@dataclass(frozen=True)
class Dialect:
    """How a text file is written, its column names, and whether these are its first line and no more.

    `above` counts the records over the header; `header_line` is the line that the header starts on, 0 where there
    is none. The delimiter " " stands for any number of blanks, and TWO_BLANKS for two or more.
    """

    encoding: str
    delimiter: str
    header: list[str]
    header_is_first_line: bool
    above: int = 0
    header_line: int = 1


def sniff(path: Path, has_header: bool = True) -> Dialect:
    """A text file, plain or .gz -> its Dialect, read from its first 64 KB.

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
    delimiter = _delimiter(text)
    reader = _reader(io.StringIO(text, newline=""), delimiter)
    records: list[tuple[int, int, list[str]]] = []  # its first line, the line after it, its cells
    line = 1
    try:
        for record in reader:
            records.append((line, reader.line_num + 1, record))
            line = reader.line_num + 1
            if len(records) > HEADER_WITHIN:
                break
    except csv.Error:  # DuckDB would take all lines for the header, and find none under it
        if not any(any(map(str.strip, record)) for _, _, record in records):
            raise _unclosed(reader.line_num, path) from None
    above = _above([record for _, _, record in records]) if has_header else 0
    if above is None:
        raise InputError(f"{path} holds no names, only quotes and blanks. Expected a header line first.")
    line, next_line, header = records[above]
    if not has_header:
        numbers = [str(position) for position in range(1, len(header) + 1)]
        return Dialect(encoding, delimiter, numbers, False, 0, 0)
    plain = above == 0 and next_line == 2 and len(delimiter) == 1 and delimiter != " "
    return Dialect(encoding, delimiter, _names(header), plain, above, line)


def sample(path: Path, dialect: Dialect) -> list[dict[str, str]]:
    """The whole lines in the first 64 KB of a text file, each as name: text, without blanks around it."""
    head = _head(path)
    text = codecs.getincrementaldecoder(dialect.encoding)("replace").decode(head)
    try:
        first = dialect.above + (dialect.header_line > 0)
        records = list(_reader(io.StringIO(text, newline=""), dialect.delimiter, strict=False))[first:]
    except csv.Error:
        return []
    if len(head) == SAMPLE:
        records = records[:-1]
    width = len(dialect.header)
    return [
        dict(zip(dialect.header, map(str.strip, record), strict=True))
        for record in records
        if len(record) == width
    ]


def load(path: Path, connection: Backend, has_header: bool = True) -> ir.Table:
    """The table of `load_with_remarks`."""
    return load_with_remarks(path, connection, has_header)[0]


def load_with_remarks(
    path: Path, connection: Backend, has_header: bool = True
) -> tuple[ir.Table, tuple[str, ...]]:
    """A text file -> a temporary DuckDB table with its columns and rows, every column text; the remarks below it.

    DuckDB reads a clean UTF-8 file by itself. Any other file, and any file it complains about, is
    first read row by row and written again as plain UTF-8. Raises InputError for a row that has
    more or fewer fields than the header, for a quote that is not closed, and for a .gz that is
    damaged or a bomb (`bombs.check_gzip`).
    """
    import duckdb

    if path.suffix.lower() == ".gz":
        bombs.check_gzip(path)
    dialect = sniff(path, has_header)
    if dialect.encoding == "utf-8-sig" and dialect.header_is_first_line:
        with contextlib.suppress(duckdb.Error):
            return _scan(path, dialect, connection), ()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.csv")
        try:
            remarks = _rewrite(path, copy, dialect)
        except UnicodeDecodeError:
            remarks = _rewrite(path, copy, replace(dialect, encoding=_of_one_byte(path)))
        # In parallel, DuckDB refuses some files with newlines inside quotes. In order, it reads them, but
        # drops what follows an unclosed quote without a word: only a checked copy is read that way.
        return _scan(copy, replace(dialect, delimiter=","), connection, parallel=False), remarks


def numbered(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a text file whose header is its first line, each with the line that it begins on."""
    dialect = sniff(path)
    open_text = gzip.open if path.suffix.lower() == ".gz" else open
    with open_text(path, "rt", encoding=dialect.encoding, errors="replace", newline="") as source:
        reader = _reader(source, dialect.delimiter, strict=False)
        next(reader)
        for record in reader:
            if len(record) == len(dialect.header):
                line = reader.line_num - sum(cell.count("\n") for cell in record)
                yield line, dict(zip(dialect.header, record, strict=True))


def line_of(path: Path, row: int, has_header: bool = True) -> int:
    """The line of a text file on which its row begins; the first row under the header is 0."""
    dialect = sniff(path, has_header)
    open_text = gzip.open if path.suffix.lower() == ".gz" else open
    encoding = dialect.encoding
    with open_text(path, "rt", encoding=encoding, errors="replace", newline="") as source:
        reader = _reader(source, dialect.delimiter, strict=False)
        before = row + dialect.above + (dialect.header_line > 0)
        for record in reader:
            if any(map(str.strip, record)) or before < dialect.above:
                if before == 0:
                    return reader.line_num - sum(cell.count("\n") for cell in record)
                before -= 1
            elif dialect.above:
                before -= 1 if before > row + 1 else 0
    return 0


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


def sums_of_orders(text: ir.StringValue) -> dict[str, ir.IntegerValue]:
    """How many dates as written are surely day-first, surely month-first, or either, as sums."""
    form = "^([0-9]{1,2})[/-]([0-9]{1,2})[/-][0-9]{2}"
    first, second = (text.re_extract(form, group).try_cast("int64") for group in (1, 2))
    return {
        "day_first": ((first > 12) & (second <= 12)).sum(),
        "month_first": ((first <= 12) & (second > 12)).sum(),
        "either": ((first <= 12) & (second <= 12) & (first != second)).sum(),
    }


def date_order(found: Mapping[str, int]) -> str:
    """The sums of `sums_of_orders` of all dates -> "day-first" or "month-first".

    Only dates like 1/2/2010 ask the question, and the whole column answers it. Raises InputError
    when both orders occur, or when no date has a day above 12.
    """
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


def _rewrite(path: Path, copy: Path, dialect: Dialect) -> tuple[str, ...]:
    """A text file -> the same records as UTF-8, separated by commas, all quoted, header on one line.

    Returns the remarks below the table, which are left out.
    """
    # cp1252 leaves five bytes undefined: one strange character must not cost the file.
    errors = "strict" if dialect.encoding == "utf-8-sig" else "replace"
    open_text = gzip.open if path.suffix.lower() == ".gz" else open
    with (
        open_text(path, "rt", encoding=dialect.encoding, errors=errors, newline="") as source,
        copy.open("w", encoding="utf-8", newline="") as target,
    ):
        writer = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(dialect.header)
        records = _records(source, dialect, path)
        try:
            while True:
                writer.writerow(next(records))
        except StopIteration as end:
            return end.value


def _records(source: IO[str], dialect: Dialect, path: Path) -> Generator[list[str], None, tuple[str, ...]]:
    """The records under the header of a text file, each as wide as the header; returns the remarks below them."""
    width = len(dialect.header)
    reader = _reader(source, dialect.delimiter)
    line = 1
    short: list[tuple[int, list[str]]] = []
    try:
        for _ in range(dialect.above + (dialect.header_line > 0)):
            next(reader)
        line = reader.line_num + 1
        for record in reader:
            if len(record) == width + 1 and not record[-1]:
                record.pop()  # DuckDB, too, forgives a delimiter at the end of a line.
            if len(record) == width:
                if short:
                    raise _ragged(short[0][0], len(short[0][1]), width, path)
                yield record
            elif len(record) > 1 or "".join(record).strip():
                if not _is_footer(record, width):
                    raise _ragged(line, len(record), width, path)
                short.append((line, record))
            line = reader.line_num + 1
    except csv.Error:
        raise _unclosed(line, path) from None
    return tuple(" ".join(filter(None, map(str.strip, record))) for _, record in short)


def _is_footer(record: Sequence[str], width: int) -> bool:
    """Whether a record that is too short may be a remark below the table: words in less than half of the cells."""
    filled = [cell for cell in record if cell.strip()]
    return (
        2 * len(record) < width
        and len(filled) <= 3
        and any(re.search("[^\\W\\d_]{2}", cell) for cell in filled)
    )


def _ragged(line: int, fields: int, width: int, path: Path) -> InputError:
    return InputError(
        f"Line {line} of {path} has {fields} fields. Expected {width}, as in the header. "
        "Correct that line, or put quotes around text that contains the delimiter."
    )


def _unclosed(line: int, path: Path) -> InputError:
    return InputError(
        f"Line {line} of {path} has a quote that is not closed. Expected quotes in pairs, and at most "
        f"{MOST_IN_A_CELL:,} characters in a cell. Correct that line."
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
        return _western(head)
    return "utf-8-sig"


def _western(head: bytes) -> str:
    """Windows' or the old Macintosh's letters: é is 0xE9 in the one and 0x8E in the other, beside plain letters."""
    windows = len(re.findall(rb"[a-zA-Z][\xc0-\xff]|[\xc0-\xff][a-zA-Z]", head))
    macintosh = len(re.findall(rb"[a-zA-Z][\x80-\x9f\xa7]|[\x80-\x9f\xa7][a-zA-Z]", head))
    return "mac_roman" if macintosh > windows else "cp1252"


def _of_one_byte(path: Path) -> str:
    """The encoding of a file that is not UTF-8, whose first lines do not show it."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        for line in file:
            if not line.isascii():
                return _western(line)
    return "cp1252"


def _reader(source: Iterable[str], delimiter: str, strict: bool = True) -> Reader:
    """The records of a text: csv's own reader, or one that splits at blanks."""
    csv.field_size_limit(MOST_IN_A_CELL)
    if delimiter in (" ", TWO_BLANKS):
        return _Blanks(source, delimiter)
    return csv.reader(source, delimiter=delimiter, strict=strict)


class Reader(Protocol):
    """Records, one after the other, and the number of lines that were read for them."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class _Blanks:
    """The records of a table whose columns are parted by blanks."""

    def __init__(self, source: Iterable[str], delimiter: str) -> None:
        self.line_num = 0
        self._lines = iter(source)
        self._between = re.compile(r"\s+" if delimiter == " " else r"\s{2,}|\t")

    def __iter__(self) -> _Blanks:
        return self

    def __next__(self) -> list[str]:
        line = next(self._lines)
        self.line_num += 1
        return self._between.split(line.strip())


def _delimiter(text: str) -> str:
    """What parts the columns: what a line `sep=` says, else the mark that explains most lines, else blanks."""
    if said := re.match(r'\s*"?sep=(.)"?\s*[\r\n]', text, flags=re.IGNORECASE):
        return said.group(1)
    best = max(DELIMITERS, key=lambda candidate: _fit(text, candidate))
    if _fit(text, best)[0] < 2:
        lines = [line.strip() for line in text.splitlines() if line.strip()][:50]
        for delimiter, between in ((TWO_BLANKS, r"\s{2,}"), (" ", r"\s+")):
            widths = {len(re.split(between, line)) for line in lines}
            if len(lines) > 1 and len(widths) == 1 and widths.pop() > 2:
                return delimiter
    return best


def _above(records: Sequence[list[str]]) -> int | None:
    """How many records stand above the header: blank ones, titles and periods narrower than the table."""
    filled = [number for number, record in enumerate(records) if any(map(str.strip, record))]
    if not filled:
        return None
    width = _usual_width(records)
    for number in filled:
        names = sum(1 for cell in records[number] if cell.strip())
        if len(records[number]) >= width and 2 * names > width:
            return number
    return filled[0]


def _usual_width(records: Sequence[list[str]]) -> int:
    """The width that most records have; of two, the larger. 0 where no two records agree."""
    widths = Counter(len(record) for record in records if any(map(str.strip, record)))
    width = max(widths, key=lambda each: (widths[each], each), default=0)
    return width if widths[width] > 1 and width > 1 else 0


def _fit(text: str, delimiter: str) -> tuple[int, int]:
    """How well a delimiter explains a text: rows as wide as the header, then the header's width."""
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        return 0, 0
    records = [record for record in records if any(map(str.strip, record))]
    width = len(records[0]) if records else 0
    fitting = sum(len(record) == width for record in records) if width > 1 else 0
    if fitting > 1:
        return fitting, width
    usual = _usual_width(records)  # a title may stand above the table
    return (sum(len(record) == usual for record in records), usual) if usual else (fitting, width)


def _names(header: list[str]) -> list[str]:
    """Column names on one line, without blanks around them; a column without a name is called by its position.

    The second column of a name is called `name (2)`. Control characters, with which no program can name a column, are
    left out.
    """
    plain = [re.sub(CONTROLS, "", " ".join(name.split())) for name in header]
    names = [name or f"column_{position}" for position, name in enumerate(plain, 1)]
    lowered = [name.lower() for name in names]
    before = [lowered[:position].count(name) for position, name in enumerate(lowered)]
    return [f"{name} ({times + 1})" if times else name for name, times in zip(names, before, strict=True)]


def _scan(path: Path, dialect: Dialect, connection: Backend, parallel: bool = True) -> ir.Table:

    view = connection.read_csv(
        # DuckDB takes a path for a pattern: sales[1].csv must mean itself.
        glob.escape(str(path)),
        columns=dict.fromkeys(dialect.header, "VARCHAR"),
        delim=dialect.delimiter,
        quote='"',
        escape='"',
        header=True,
        compression="gzip" if path.suffix.lower() == ".gz" else "none",
        parallel=parallel,
    )
    try:
        return kept(view)
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
