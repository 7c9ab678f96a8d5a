"""Files that are small on disk and without end when unpacked: refused before anything unpacks them."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from training.errors import InputError

MEGABYTE = 1_000_000
BLOCK = 1 << 20

ANY_GZIP = 100 * MEGABYTE  # bytes that every .gz may hold
RATIO = 200  # times its size on disk that a larger one may hold; a shop's export holds 5 to 30 times

# bytes of a workbook's parts; cells of its sheets, from the first to the last; characters in these cells
PARTS, CELLS, CHARACTERS = 1_000 * MEGABYTE, 50_000_000, 4_000 * MEGABYTE
LONGEST_TAG = 1 << 20

# As calamine reads them: <row r="7"> or <row>, <c r="B7"> or <c>, <si> one shared text, <v>12</v> which one.
ROW = re.compile(rb"<(?:\w+:)?row[\s/>]")
CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
PLACE = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]*)([0-9]+)["']""")
TEXT = re.compile(rb"<(?:\w+:)?si[\s/>]")
VALUE = re.compile(rb"<(?:\w+:)?v[^>]*>\s*([0-9]{1,9})\s*<")


def check_gzip(path: Path) -> None:
    """A .gz file -> nothing, if it is whole and not a bomb: at most 100 MB, or 200 times its size on disk.

    It is unpacked once, because DuckDB does not look at its checksum. Raises InputError.
    """
    largest = max(ANY_GZIP, RATIO * path.stat().st_size)
    held = 0
    try:
        with gzip.open(path) as file:
            while block := file.read(BLOCK):
                held += len(block)
                if held > largest:
                    raise InputError(
                        f"{path} unpacks to more than {largest / MEGABYTE:,.0f} MB, {largest // path.stat().st_size:,} "
                        f"times its size. Expected at most {ANY_GZIP // MEGABYTE} MB, or {RATIO} times its size. "
                        "If you trust it, unpack it first and give the unpacked file."
                    )
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> InputError:
    """What to say of a .gz file that cannot be unpacked."""
    return InputError(
        f"{path} is damaged: {error}. Expected a complete .gz file. Copy or download the file again."
    )


def check_workbook(path: Path) -> None:
    """An .xlsx file -> nothing, if it is a whole zip archive that can be held in memory.

    At most 1 GB of parts, 50 million cells (the rectangle to the last cell of each sheet, because that
    is what is held), and 4 GB of text in them, as one text may stand in many. Raises InputError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if (size := sum(part.file_size for part in parts)) > PARTS:
                raise _too_large(path, f"{size / MEGABYTE:,.0f} MB", f"{PARTS // MEGABYTE:,} MB unpacked")
            # zipfile reads no more than file_size, and checks the sum: the size cannot be a lie.
            lengths: list[int] = []
            for part in parts:
                with archive.open(part) as file:
                    if part.filename.lower().endswith("sharedstrings.xml"):
                        lengths += _lengths(file, path)
            cells = characters = 0
            for part in parts:
                with archive.open(part) as file:
                    found, referred = _extent(file, path, lengths)
                cells, characters = cells + found, characters + referred
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{path} cannot be opened as a workbook: {error}. Expected an .xlsx file. Save it again as .xlsx."
        ) from None
    if cells > CELLS:
        raise _too_large(path, f"{cells:,} cells", f"{CELLS:,}, from the first to the last one of each sheet")
    if characters > CHARACTERS:
        raise _too_large(path, f"{characters / MEGABYTE:,.0f} MB of text", f"{CHARACTERS // MEGABYTE:,} MB")


def _too_large(path: Path, given: str, expected: str) -> InputError:
    return InputError(
        f"{path} holds {given}. Expected at most {expected}. "
        "Delete what is far from the table, or save the table as CSV."
    )


def _extent(file: IO[bytes], path: Path, lengths: list[int]) -> tuple[int, int]:
    """A part of a workbook -> at most how many cells its rectangle has, and how many characters are in them."""
    rows = last_row = last_column = in_row = characters = 0
    for piece in _pieces(file, path):
        first, *others = (len(CELL.findall(row)) for row in ROW.split(piece))
        in_row += first
        last_column = max(last_column, in_row, *others)
        in_row = others[-1] if others else in_row
        rows += len(others)
        places = PLACE.findall(piece)
        last_row = max([last_row, *(int(row) for row in {row[:10] for _, row in places})])
        last_column = max([last_column, *map(_column, {letters for letters, _ in places})])
        if lengths:
            characters += sum(lengths[n] for n in map(int, VALUE.findall(piece)) if n < len(lengths))
    return max(rows, last_row) * last_column, characters


def _lengths(file: IO[bytes], path: Path) -> list[int]:
    """The shared texts of a workbook -> at most how many characters each has."""
    lengths = [0]
    for piece in _pieces(file, path):
        first, *others = map(len, TEXT.split(piece))
        lengths[-1] += first
        lengths += others
    return lengths[1:]


def _pieces(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """XML in pieces of about BLOCK bytes that end between two tags."""
    rest = b""
    while block := file.read(BLOCK):
        piece, mark, rest = (rest + block).rpartition(b"<")
        if len(rest) > LONGEST_TAG + BLOCK:
            raise _too_large(path, "a text or tag of more than 1 MB", "32,767 characters in a cell")
        yield piece
        rest = mark + rest
    yield rest


def _column(letters: bytes) -> int:
    """A column's letters -> its number: A is 1, XFD is 16,384."""
    number = 0
    for letter in letters[:8].upper():
        number = 26 * number + letter - 64
    return number
