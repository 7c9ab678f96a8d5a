"""A customer taken out of one file: tables, lists, the texts of a training. The rows of others stay."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import escape

from contract.people import ID
from contract.spreadsheets import harmless
from contract.words import amount

ID_COLUMNS = (ID, "External ID", "Customer ID", "id")  # of our lists, and of those for other tools
OTHER_DELIMITERS = (";", "\t")  # of a list that a spreadsheet has saved again
NOBODY = "a forgotten customer"  # in a sentence, in the place of an id


@dataclass(frozen=True)
class Wanted:
    """Who is taken out: ids, their e-mail addresses, and the money that they took back.

    returned: amounts as the report's sentence has them beside an id, by which that sentence is found.
    """

    ids: Collection[str]
    addresses: Collection[str] = ()
    returned: Collection[tuple[str, str]] = ()

    @property
    def cells(self) -> set[str]:
        """What a cell of a list may hold of them beside an id: addresses as they are, and as ad networks take them."""
        small = {address.strip().casefold() for address in self.addresses}
        return {*self.addresses, *small, *(hashlib.sha256(text.encode()).hexdigest() for text in small)}


def erased(name: str, content: bytes, wanted: Wanted) -> bytes:
    """The content of a file without some customers; the same object where they are not in it.

    Raises ValueError when a file that holds customers cannot be read.
    """
    erase = ERASERS.get(Path(name).suffix.lower())
    return erase(content, wanted) if erase else content


def _parquet(content: bytes, wanted: Wanted) -> bytes:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    try:
        table = parquet.read_table(pa.BufferReader(content))
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from None
    if ID not in table.column_names:
        return content
    out = pc.is_in(table[ID].cast(pa.large_string()), pa.array(sorted(wanted.ids), pa.large_string()))
    if not pc.any(out).as_py():
        return content
    buffer = io.BytesIO()
    parquet.write_table(table.filter(pc.invert(out)), buffer, compression="zstd")
    return buffer.getvalue()


def _csv(content: bytes, wanted: Wanted) -> bytes:
    mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    text = content.removeprefix(mark).decode("utf-8")
    lines = list(csv.reader(io.StringIO(text, newline="")))
    if lines and len(lines[0]) == 1 and any(other in lines[0][0] for other in OTHER_DELIMITERS):
        raise ValueError("its cells are not separated by commas, as in the lists that were written")
    ids = [place for place, name in enumerate(lines[0]) if name in ID_COLUMNS] if lines else []
    own = {str(harmless(customer)) for customer in wanted.ids}
    stay = [line for line in lines if not _is_of(line, ids, own, wanted.cells)]
    if len(stay) == len(lines):
        return content
    new = io.StringIO(newline="")
    csv.writer(new, lineterminator="\r\n" if "\r\n" in text else "\n").writerows(stay)
    return mark + new.getvalue().encode()


def _is_of(line: Sequence[str], places: Sequence[int], ids: Collection[str], cells: Collection[str]) -> bool:
    own = {line[place] for place in places if place < len(line)}
    return not own.isdisjoint(ids) or any(cell in cells for cell in line)


def _json(content: bytes, wanted: Wanted) -> bytes:
    try:
        before = json.loads(content)
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    after = _plain_without(before, wanted)
    return content if after == before else json.dumps(after, indent=1).encode()


def _plain_without(value: object, wanted: Wanted) -> object:
    """The same value without records of these customers, and with NOBODY where a sentence names one."""
    if isinstance(value, dict):
        return {name: _plain_without(inner, wanted) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain_without(inner, wanted) for inner in value if not _is_record_of(inner, wanted.ids)]
    if isinstance(value, str):
        return _sentence_without(value, wanted, str)
    return value


def _is_record_of(value: object, ids: Collection[str]) -> bool:
    """Whether a record is of one of the customers: a mapping that says so, or a pair of id and money."""
    if isinstance(value, dict):
        return str(value.get(ID)) in ids
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[0] in ids


def _sentence_without(text: str, wanted: Wanted, written: Callable[[str], str]) -> str:
    """A text in which "ID (money)" of those who returned most is NOBODY's."""
    for customer, money in wanted.returned:
        text = text.replace(written(f"{customer} ({money})"), f"{NOBODY} ({money})")
    return text


def _html(content: bytes, wanted: Wanted) -> bytes:
    """The report: rows of tables that begin with the id go, and the sentence on returns names nobody."""
    before = content.decode("utf-8")
    after = _sentence_without(before, wanted, _escaped)
    for customer in wanted.ids:
        head = re.escape(f'<th scope="row">{_escaped(customer)}</th>')
        after = re.sub(rf"<tr>\s*{head}.*?</tr>\s*", "", after, flags=re.DOTALL)
    return content if after == before else after.encode()


def _escaped(text: str) -> str:
    return str(escape(text))


def returned_by(facts: bytes, ids: Collection[str]) -> list[tuple[str, str]]:
    """Which of the customers the facts of a training name as those who returned most, with the money as written."""
    pairs = json.loads(facts).get("returners", [])
    return [(customer, amount(money)) for customer, money in pairs if customer in ids]


ERASERS: dict[str, Callable[[bytes, Wanted], bytes]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".json": _json,
    ".html": _html,
}
