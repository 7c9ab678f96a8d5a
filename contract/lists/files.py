"""A list as a file for people and for the tools that write to customers or show them advertisements.

The columns are those that each tool's import recognises by their names: Mailchimp's and Klaviyo's contacts, Google
Customer Match and Meta Custom Audiences. For the last two, what identifies a person is hashed with SHA-256 here, after
the tool's own rules of writing it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from contract.lists.columns import KEPT, column_of
from contract.lists.contacts import (
    COUNTRY,
    EMAIL,
    FIRST_NAME,
    LAST_NAME,
    PHONE,
    ZIP,
    contact_columns,
    contacts,
)
from contract.lists.countries import country_code
from contract.lists.customers import CustomerTable, Indices
from contract.lists.lines import csv_lines
from contract.lists.problems import NotInVersion, unknown
from contract.lists.selections import Selection
from contract.spreadsheets import harmless

PLAIN, MAILCHIMP, KLAVIYO, GOOGLE, META = "plain", "mailchimp", "klaviyo", "google", "meta"
FORMS = (PLAIN, MAILCHIMP, KLAVIYO, GOOGLE, META)
CHUNK_ROWS = 2_000
STAMPS = ("model_version", "as_of")
TOOLS_COLUMNS = (
    "segment_name",
    "state",
    "Recency",
    "Frequency",
    "Monetary",
    "expected_spend",
    "likely_to_buy",
)
TAG_COLUMNS = ("segment_name", "state")

Writing = Callable[[str], str]


@dataclass(frozen=True)
class Form:
    """What a tool's import takes.

    contacts: (kind of contact, name of the tool's column, how it is written there); needed: kinds of which one must be
    there, and each row must have; together: kinds that are of use only all together; customer_id: the tool's name for
    the id, "" where it takes none; tags: the name of its column of tags, "" for none; properties: whether it takes
    other columns.
    """

    name: str
    tool: str
    contacts: Sequence[tuple[str, str, Writing]]
    needed: Sequence[str]
    together: Sequence[str] = ()
    customer_id: str = ""
    tags: str = ""
    properties: bool = False


def _as_it_is(text: str) -> str:
    return text


def _hashed(write: Writing) -> Writing:
    """The hash of a text as `write` writes it; of an empty one nothing."""

    def write_hash(text: str) -> str:
        written = write(text)
        return hashlib.sha256(written.encode()).hexdigest() if written else ""

    return write_hash


def _small(text: str) -> str:
    return text.strip().lower()


def _without_blanks(text: str) -> str:
    return re.sub(r"\s+", "", text).lower()


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def _digits(text: str) -> str:
    return text.removeprefix("+")


def _small_code(text: str) -> str:
    return country_code(text).lower()


TOOLS = {
    MAILCHIMP: Form(
        MAILCHIMP,
        "Mailchimp",
        (
            (EMAIL, "Email Address", _as_it_is),
            (FIRST_NAME, "First Name", _as_it_is),
            (LAST_NAME, "Last Name", _as_it_is),
            (PHONE, "Phone Number", _as_it_is),
        ),
        needed=(EMAIL,),
        customer_id="Customer ID",
        tags="Tags",
        properties=True,
    ),
    KLAVIYO: Form(
        KLAVIYO,
        "Klaviyo",
        (
            (EMAIL, "Email", _as_it_is),
            (PHONE, "Phone Number", _as_it_is),
            (FIRST_NAME, "First Name", _as_it_is),
            (LAST_NAME, "Last Name", _as_it_is),
            (COUNTRY, "Country", _as_it_is),
            (ZIP, "Zip Code", _as_it_is),
        ),
        needed=(EMAIL, PHONE),
        customer_id="External ID",
        properties=True,
    ),
    GOOGLE: Form(
        GOOGLE,
        "Google Customer Match",
        (
            (EMAIL, "Email", _hashed(_without_blanks)),
            (PHONE, "Phone", _hashed(_as_it_is)),
            (FIRST_NAME, "First Name", _hashed(_small)),
            (LAST_NAME, "Last Name", _hashed(_small)),
            (COUNTRY, "Country", country_code),
            (ZIP, "Zip", _as_it_is),
        ),
        needed=(EMAIL, PHONE),
        together=(FIRST_NAME, LAST_NAME, COUNTRY, ZIP),
    ),
    META: Form(
        META,
        "Meta Custom Audiences",
        (
            (EMAIL, "email", _hashed(_small)),
            (PHONE, "phone", _hashed(_digits)),
            (FIRST_NAME, "fn", _hashed(_letters)),
            (LAST_NAME, "ln", _hashed(_letters)),
            (ZIP, "zip", _hashed(_without_blanks)),
            (COUNTRY, "country", _hashed(_small_code)),
        ),
        needed=(EMAIL, PHONE),
    ),
}
PROPERTY_NAMES = {
    "segment_name": "Segment",
    "state": "Customer State",
}  # Klaviyo's own State is a part of a country


def check_form(name: str) -> str:
    """The name of a form. Raises ListError for an unknown one."""
    if name not in FORMS:
        raise unknown("form", name, FORMS)
    return name


def lines_of(table: CustomerTable, indices: Indices, form: str, fields: Sequence[str] = ()) -> Iterator[str]:
    """Customers as the lines of a file in a form, in pieces; one row each.

    fields: the columns, all where it is empty; of a tool's form the other columns that it gets, and those that take
    none get none. See `reachable`.
    """
    if form == PLAIN:
        return _plain(table, indices, fields or [column.name for column in table.columns])
    return _of_tool(table, indices, TOOLS[form], contact_columns(table), fields or TOOLS_COLUMNS)


def reachable(selection: Selection, form: str) -> Selection:
    """Those of a list whom a form's tool can find: who have a usable e-mail address, or what else it goes by.

    Raises NotInVersion when the version keeps no such column.
    """
    if form == PLAIN:
        return selection
    table, tool = selection.table, TOOLS[form]
    known = contact_columns(table)
    check_reachable(table, tool, known)
    kinds = [contacts(table, kind, known[kind], selection.indices) for kind in tool.needed if kind in known]
    mask = np.array([any(own) for own in zip(*kinds, strict=True)], dtype=bool)
    return replace(selection, indices=selection.indices[mask])


def check_reachable(table: CustomerTable, tool: Form, known: dict[str, str]) -> None:
    """Raise NotInVersion unless the version keeps one of the contacts that a tool needs."""
    if not any(kind in known for kind in tool.needed):
        if table.without_kept:
            raise NotInVersion(
                f"{tool.tool} finds customers by what the shop kept of them. {table.without_kept}"
            )
        lacking = " and no ".join(
            {EMAIL: "e-mail address", PHONE: "phone number"}[kind] for kind in tool.needed
        )
        raise NotInVersion(
            f"Version {table.version} keeps no {lacking} of its customers, by which {tool.tool} finds them. Kept "
            f"columns: {', '.join(table.kept) or 'none'}. Train with `--keep email`, or what the column is called in "
            "your data; `--keep email,first_name,last_name` keeps more."
        )


def _plain(table: CustomerTable, indices: Indices, fields: Sequence[str]) -> Iterator[str]:
    yield csv_lines([[*fields, *STAMPS]])
    for part in _parts(indices):
        columns = [_rounded(table, name, part) for name in fields]
        yield csv_lines(
            [*map(harmless, row), table.version, table.as_of] for row in zip(*columns, strict=True)
        )


def _of_tool(
    table: CustomerTable, indices: Indices, tool: Form, known: dict[str, str], fields: Sequence[str]
) -> Iterator[str]:
    alone = [kind for kind in tool.together if not all(other in known for other in tool.together)]
    used = [entry for entry in tool.contacts if entry[0] in known and entry[0] not in alone]
    properties = [name for name in fields if _is_property(table, name, known)] if tool.properties else []
    head = [name for _, name, _ in used] + [name for name in (tool.customer_id, tool.tags) if name]
    yield csv_lines([head + [PROPERTY_NAMES.get(name, column_of(name).label) for name in properties]])
    for part in _parts(indices):
        cleaned = {kind: contacts(table, kind, known[kind], part) for kind, _, _ in used}
        cells: list[Sequence[object]] = [[write(text) for text in cleaned[kind]] for kind, _, write in used]
        if tool.customer_id:
            cells.append(table.texts["customer_id"].at(part))
        if tool.tags:
            cells.append(_tags(table, part))
        cells += [_rounded(table, name, part) for name in properties]
        yield csv_lines(
            [*map(_tool_cell, row[: len(used)]), *map(harmless, row[len(used) :])]
            for row in zip(*cells, strict=True)
        )


def _tool_cell(text: object) -> object:
    """A contact; a phone number keeps its plus sign, without which the tool cannot read it."""
    return text if re.fullmatch(r"\+[0-9]+", str(text)) else harmless(text)


def _is_property(table: CustomerTable, name: str, known: dict[str, str]) -> bool:
    there = name in table.numbers or name in table.texts
    return there and name != "customer_id" and not (column_of(name).kind == KEPT and name in known.values())


def _tags(table: CustomerTable, indices: Indices) -> list[str]:
    """Segment and state of each customer as tags, with commas between them."""
    columns = [table.texts[name].at(indices) for name in TAG_COLUMNS if name in table.texts]
    return [", ".join(text for text in row if text) for row in zip(*columns, strict=True)]


def _rounded(table: CustomerTable, name: str, indices: Indices) -> Sequence[object]:
    """A column's values, numbers as people read them: money to its cents."""
    values = table.values(name, indices)
    if name not in table.numbers:
        return values
    decimals = column_of(name).decimals
    return [round(value, decimals) if isinstance(value, float) else value for value in values]


def _parts(indices: Indices) -> Iterator[Indices]:
    for first in range(0, len(indices), CHUNK_ROWS):
        yield indices[first : first + CHUNK_ROWS]
