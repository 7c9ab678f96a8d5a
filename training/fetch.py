"""Obtain the UCI Online Retail data: download, continue after an interruption, unpack, check by count.

Only a file that was checked gets the name of the destination. The archive grows as `<name>.part`, the workbook
is unpacked as `<name>.unchecked`, and a file that is not the data is kept as `<name>.rejected`.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from training.errors import InputError
from training.reading import bombs

if TYPE_CHECKING:
    import requests

UCI_URL = "https://archive.ics.uci.edu/static/public/352/online+retail.zip"

ATTEMPTS = 4
TIMEOUT_SECONDS = (10, 60)  # to connect, and between two pieces of an answer
PIECE_BYTES = 16 * 1024
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Expected:
    """What a file must hold to be accepted as the data set, and how large it may be to be opened."""

    rows: int = 541_909
    missing_customers: int = 135_080
    customers: int = 4_372
    columns: tuple[str, ...] = (
        "InvoiceNo",
        "StockCode",
        "Description",
        "Quantity",
        "InvoiceDate",
        "UnitPrice",
        "CustomerID",
        "Country",
    )
    largest_file: int = 100 * MEGABYTE  # bytes, of the archive and of the file in it (really 23 MB)
    largest_sheet: int = 1_000 * MEGABYTE  # bytes, of a workbook's contents (it is a zip archive, too)


UCI = Expected()


class _TryAgain(Exception):
    """The connection or the server failed in a way that may pass. The message says how."""


class _Note(TypedDict):
    """What is known about a download: its address, its ETag or date, and the size of the whole file in bytes."""

    url: str
    validator: str | None
    total: int | None


def fetch_uci(
    destination: Path,
    url: str = UCI_URL,
    show_progress: bool = True,
    *,
    expected: Expected = UCI,
    pause: float = 1.0,
) -> Path:
    """Address of the zip archive -> the checked data file at `destination`, which is returned.

    The archive's one file with the destination's ending (`.xlsx` or `.csv`) is unpacked. A destination that
    already holds the data stays as it is. A destination that holds something else is moved aside. An interrupted
    download continues where it stopped, now or at the next call, unless the file on the server has changed.
    `pause` is the time in seconds before the second attempt. It doubles with each attempt.

    Raises:
        InputError: no connection, a refusal, an answer that is not the archive, or not the expected data.
    """
    destination = Path(destination)
    if destination.suffix.lower() not in (".xlsx", ".csv") or destination.is_dir():
        raise InputError(
            f"The data was to be written to {destination}. Expected the name of a file that ends in .xlsx or "
            ".csv. Name it data/raw/online_retail.xlsx, for example."
        )
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.exists() and _holds_the_data(destination, expected, show_progress):
            return destination

        archive = _beside(destination, "part")
        unchecked = _beside(destination, "unchecked")
        _download(url, archive, expected.largest_file, show_progress, pause)
        try:
            _unpack(archive, unchecked, destination.suffix.lower(), expected.largest_file)
        except InputError as error:
            rejected = archive.replace(_beside(destination, "rejected"))
            raise InputError(f"{url}: {error} It was moved aside to {rejected}. {_by_hand(url)}") from error
        finally:
            _note_path(archive).unlink(missing_ok=True)

        _show(f"Checking {destination.name} by its known counts ...", show_progress)
        try:
            check(unchecked, expected)
        except InputError as error:
            rejected = unchecked.replace(_beside(destination, "rejected"))
            raise InputError(f"{error} It came from {url} and was moved aside to {rejected}.") from error
        finally:
            archive.unlink(missing_ok=True)
        unchecked.replace(destination)
    except OSError as error:
        raise InputError(
            f"The data could not be written to {destination} ({error.strerror or error}). Expected a folder "
            "with 150 MB free that can be written to. Choose another folder, or free some space."
        ) from error
    _show(f"{destination} holds the {expected.rows:,} rows that were expected.", show_progress)
    return destination


def check(path: Path, expected: Expected = UCI) -> None:
    """Raise InputError unless the column names and counts of a workbook or CSV are those of the data set.

    Three things are counted under the header: rows, rows with an empty CustomerID, and distinct CustomerIDs.

    Raises:
        InputError: the file is missing, cannot be read, or differs; the message lists every difference.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}. Expected {_in_words(expected)}. {_by_hand(UCI_URL)}")
    rows: Iterator[Sequence[object]]
    rows = _workbook_rows(path, expected) if zipfile.is_zipfile(path) else _csv_rows(path)
    columns = tuple(str(cell).strip() for cell in next(rows, []))
    if columns != expected.columns:
        names = ", ".join(columns)[:200] or "nothing"
        raise InputError(
            f"{path} is not the data set: its columns are {names}. Expected {', '.join(expected.columns)}. "
            f"{_by_hand(UCI_URL)}"
        )

    customer_column = columns.index("CustomerID")
    row_count = missing_customers = 0
    customers = set()
    for row in rows:
        if all(cell == "" for cell in row):
            continue
        row_count += 1
        customer = str(row[customer_column]).strip() if len(row) > customer_column else ""
        if customer:
            customers.add(customer)
        else:
            missing_customers += 1

    counts = [
        ("data rows", row_count, expected.rows),
        ("rows without CustomerID", missing_customers, expected.missing_customers),
        ("customers", len(customers), expected.customers),
    ]
    differences = [
        f"{count:,} {name} (expected {expected_count:,})"
        for name, count, expected_count in counts
        if count != expected_count
    ]
    if differences:
        raise InputError(
            f"{path} is not the data set, or not all of it: {', '.join(differences)}. {_by_hand(UCI_URL)}"
        )


def _workbook_rows(path: Path, expected: Expected) -> Iterator[Sequence[object]]:
    """The rows of a workbook's first sheet, header first; empty cells are ''."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > expected.largest_sheet:
            raise InputError(
                f"{path} would unpack to {size / MEGABYTE:,.0f} MB. Expected at most "
                f"{expected.largest_sheet / MEGABYTE:,.0f} MB. Do not open it. {_by_hand(UCI_URL)}"
            )
        bombs.check_workbook(path)
        with path.open("rb") as file, CalamineWorkbook.from_filelike(file) as workbook:
            yield from workbook.get_sheet_by_index(0).iter_rows()
    except (CalamineError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as a workbook ({error}). Expected {_in_words(expected)}. "
            f"{_by_hand(UCI_URL)}"
        ) from error


def _csv_rows(path: Path) -> Iterator[list[str]]:
    """The rows of a comma-separated file in UTF-8, header first."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            yield from csv.reader(file)
        except csv.Error as error:
            raise InputError(
                f"{path} cannot be read as a table ({error}). Expected a workbook or a comma-separated file. "
                f"{_by_hand(UCI_URL)}"
            ) from error


def _holds_the_data(destination: Path, expected: Expected, show_progress: bool) -> bool:
    """Whether the destination already holds the data. A file that is something else is moved aside."""
    _show(f"{destination} exists. Checking it ...", show_progress)
    try:
        check(destination, expected)
    except InputError as error:
        rejected = destination.replace(_beside(destination, "rejected"))
        _show(f"{error}\nIt was moved aside to {rejected}. Downloading it again.", show_progress)
        return False
    _show(f"{destination} already holds the data. Nothing was downloaded.", show_progress)
    return True


def _download(url: str, archive: Path, largest: int, show_progress: bool, pause: float) -> None:
    """Address -> the complete file `archive`, continuing what an earlier attempt left there."""
    import requests

    failure = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            _show(f"{failure}. Attempt {attempt + 1} of {ATTEMPTS} ...", show_progress)
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            return _attempt(url, archive, largest, show_progress)
        except _TryAgain as error:
            failure = str(error)
        except requests.Timeout:
            failure = "The server did not answer in time"
        except requests.exceptions.SSLError:
            failure = "No secure connection could be made"
        except requests.exceptions.ChunkedEncodingError:
            failure = "The connection broke off"
        except requests.ConnectionError:
            failure = "No connection could be made"
        except requests.RequestException as error:
            raise InputError(f"The address {url} cannot be used ({error}). {_by_hand(url)}") from error
    size, _ = _so_far(url, archive)
    resume = f" The {size:,} bytes that arrived are kept: the next attempt continues there." if size else ""
    raise InputError(
        f"{url} could not be downloaded in {ATTEMPTS} attempts. {failure}. Expected a zip archive.{resume} "
        f"Is there an internet connection? {_by_hand(url)}"
    )


def _attempt(url: str, archive: Path, largest: int, show_progress: bool) -> None:
    """One request: append to `archive` if the server continues the same file; otherwise start over."""
    import requests
    from tqdm import tqdm

    size, note = _so_far(url, archive)
    if size and size == note["total"]:
        return
    headers = {"Accept-Encoding": "identity"}  # a Range counts the bytes of the file itself
    if size:
        headers["Range"] = f"bytes={size}-"
        if note["validator"]:
            headers["If-Range"] = note["validator"]
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        if answer.status_code in (408, 416, 429) or answer.status_code >= 500:
            if answer.status_code == 416:  # the bytes that arrived are no part of the server's file
                archive.unlink(missing_ok=True)
            raise _TryAgain(f"The server answered {answer.status_code} {answer.reason}")
        if answer.status_code not in (200, 206):
            raise InputError(
                f"{url} answered {answer.status_code} {answer.reason}. Expected a zip archive. "
                f"{_by_hand(url)}"
            )
        current: _Note = {"url": url, "validator": _validator(answer), "total": _total(answer)}
        if answer.status_code == 206 and (_start(answer) != size or _differ(current, note)):
            archive.unlink(missing_ok=True)
            raise _TryAgain("The file on the server has changed, so the download starts over")
        if answer.status_code == 200:
            size, note = 0, current
            archive.unlink(missing_ok=True)
            _note_path(archive).write_text(json.dumps(note))

        total = note["total"]
        with (
            archive.open("ab") as file,
            tqdm(
                desc=archive.stem,
                total=total,
                initial=size,
                unit="B",
                unit_scale=True,
                disable=not show_progress,
            ) as bar,
        ):
            for piece in answer.iter_content(PIECE_BYTES):
                size += len(piece)
                if size > largest:
                    break
                file.write(piece)
                bar.update(len(piece))
    if size > largest:
        archive.unlink()
        _note_path(archive).unlink()
        raise InputError(
            f"{url} sends more than {largest / MEGABYTE:,.0f} MB. Expected an archive of 23 MB. "
            f"{_by_hand(url)}"
        )
    if total is not None and size != total:
        raise _TryAgain(f"The connection broke off after {size:,} of {total:,} bytes")


def _so_far(url: str, archive: Path) -> tuple[int, _Note]:
    """How many bytes of `archive` can be continued, and the note of when its download began."""
    nothing: tuple[int, _Note] = 0, {"url": url, "validator": None, "total": None}
    try:
        size, content = archive.stat().st_size, json.loads(_note_path(archive).read_text())
    except (OSError, ValueError):
        return nothing
    if not isinstance(content, dict) or content.get("url") != url:
        return nothing
    note: _Note = {"url": url, "validator": content.get("validator"), "total": content.get("total")}
    # Without an ETag, date or size nobody can know whether the server still has the same file.
    return (size, note) if note["validator"] or note["total"] else nothing


def _differ(current: _Note, note: _Note) -> bool:
    """Whether ETag (or date) or size are known in both notes and are not the same."""
    pairs = (current["validator"], note["validator"]), (current["total"], note["total"])
    return any(now and before and now != before for now, before in pairs)


def _validator(answer: requests.Response) -> str | None:
    """The value for If-Range: the ETag, if it is a strong one, or else the date."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")


def _total(answer: requests.Response) -> int | None:
    """The size of the whole file in bytes, or None when the server does not say it."""
    if answer.status_code == 206:
        size = answer.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        size = answer.headers.get("Content-Length", "")
    return int(size) if size.isdecimal() else None


def _start(answer: requests.Response) -> int | None:
    """The first byte of a partial answer (`Content-Range: bytes 100-199/200`)."""
    first = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else None


def _unpack(archive: Path, target: Path, suffix: str, largest: int) -> None:
    """The archive's one file with this suffix -> `target`. Names inside the archive never become paths."""
    if not zipfile.is_zipfile(archive):
        raise InputError(f"The answer is {_likeness(archive)}. Expected a whole zip archive.")
    try:
        with zipfile.ZipFile(archive) as contents:
            names = contents.namelist()
            fitting = [name for name in names if name.lower().endswith(suffix) and _plain(name)]
            if len(fitting) != 1:
                content = ", ".join(names[:5]) or "nothing"
                raise InputError(
                    f"The archive holds {content}. Expected exactly one {suffix} file, in no folder."
                )
            part = contents.getinfo(fitting[0])
            if part.file_size > largest:
                raise InputError(
                    f"{part.filename} would unpack to {part.file_size / MEGABYTE:,.0f} MB. Expected at most "
                    f"{largest / MEGABYTE:,.0f} MB."
                )
            # zipfile reads no more than file_size, so a false size does no harm.
            with contents.open(part) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        target.unlink(missing_ok=True)
        raise InputError(f"The archive is damaged ({error}). Expected a zip archive.") from error


def _plain(name: str) -> bool:
    """Whether a name has no folders, no drive and no leading dot."""
    return not any(mark in name for mark in "/\\:") and not name.startswith(".")


def _likeness(path: Path) -> str:
    """What a file that is no zip archive seems to be."""
    with path.open("rb") as file:
        start = file.read(512).lstrip()
    if not start:
        return "empty"
    if start.startswith(b"PK"):
        return "a zip archive that was cut off"
    if start.startswith(b"<"):
        return "a web page, not a file"
    return "not a zip archive"


def _beside(destination: Path, state: str) -> Path:
    return destination.with_name(f"{destination.name}.{state}")


def _note_path(archive: Path) -> Path:
    """The file that keeps the note of an unfinished download."""
    return archive.with_name(f"{archive.name}.json")


def _in_words(expected: Expected) -> str:
    return f"a workbook or CSV of {expected.rows:,} rows and {len(expected.columns)} columns"


def _by_hand(url: str) -> str:
    return (
        f"Download {url} by hand in a browser and put its .xlsx or .csv file in data/raw; or run "
        "`segments demo` for a made-up shop."
    )


def _show(message: str, show_progress: bool) -> None:
    if show_progress:
        print(message, file=sys.stderr)
