"""How customers can be reached: which kept columns hold e-mail addresses and the like, and these as tools want them."""

from __future__ import annotations

import re

from contract.lists.customers import CustomerTable, Indices

EMAIL, PHONE, FIRST_NAME, LAST_NAME, ZIP, COUNTRY = (
    "email",
    "phone",
    "first name",
    "last name",
    "zip",
    "country",
)
# Folded names of columns, the likely ones first; a shop's own words around them do not matter.
KNOWN_AS = {
    EMAIL: ("email", "mail"),
    PHONE: ("phone", "mobile", "telefon", "telephone", "handy"),
    FIRST_NAME: ("firstname", "vorname", "prenom", "givenname"),
    LAST_NAME: ("lastname", "nachname", "surname", "familyname"),
    ZIP: ("zip", "postcode", "postalcode", "plz"),
}
NOT_A_LETTER = re.compile(r"[\W_]+")
ADDRESS = re.compile(r"[A-Za-z0-9][^\s@,;<>\"']*@[^\s@,;<>\"']+\.[^\s@,;<>\"'.]{2,}")
INTERNATIONAL = re.compile(r"(?:\+|00)([1-9][0-9]{6,14})")
SAMPLED_IDS = 1_000


def contact_columns(table: CustomerTable) -> dict[str, str]:
    """The column of a table that holds each kind of contact, of those that it has.

    Where the shop knows its customers by their e-mail addresses, these are in customer_id.
    """
    found = {COUNTRY: "country"} if "country" in table.texts else {}
    for kind, words in KNOWN_AS.items():
        for word in words:
            named = [name for name in table.kept if word in NOT_A_LETTER.sub("", name).casefold()]
            if named:
                found[kind] = named[0]
                break
    ids = table.texts["customer_id"].values.slice(0, SAMPLED_IDS).to_pylist()
    if EMAIL not in found and ids and sum(bool(ADDRESS.fullmatch(text)) for text in ids) > len(ids) / 2:
        found[EMAIL] = "customer_id"
    return found


def contacts(table: CustomerTable, kind: str, column: str, indices: Indices) -> list[str]:
    """A kind of contact of some customers, cleaned; empty where there is none that a tool can use."""
    texts = table.texts[column].at(indices)
    return [cleaned(kind, text) for text in texts]


def cleaned(kind: str, text: str | None) -> str:
    """One contact as tools want it before any hash: an address without blanks, a phone number as +491701234567."""
    bare = (text or "").strip()
    if kind == EMAIL:
        return bare if ADDRESS.fullmatch(bare) else ""
    if kind == PHONE:
        number = INTERNATIONAL.fullmatch(re.sub(r"[^0-9+]", "", bare.replace("(0)", "")))
        return f"+{number[1]}" if number else ""
    return bare
