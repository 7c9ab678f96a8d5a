"""The address of a database: its parts, and how it is shown, which is without its password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from training.errors import InputError

SERVERS = {"postgresql": 5432, "postgres": 5432, "mysql": 3306, "mariadb": 3306}  # and their usual ports
SCHEMES = ("duckdb", "sqlite", *SERVERS)
SECRETS = ("password", "passwd", "pwd", "sslpassword")
# Greedy: a password may itself hold @, : and /, so everything up to the last @ is hidden.
CREDENTIALS = re.compile(r"([a-zA-Z][\w+.-]*://[^:/?@\s]*):.*@", re.DOTALL)
SECRET_OPTION = re.compile(rf"(?i)([?&](?:{'|'.join(SECRETS)})=)[^&\s]*")
HOST_AND_PORT = re.compile(r"(?P<host>\[[^]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True)
class Address:
    """The parts of `scheme://user@host:port/database?option=value`, percent-decoded, and the password."""

    scheme: str
    host: str
    port: int
    database: str
    user: str = ""
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)


def is_address(source: object) -> bool:
    """Whether a source is an address, and not the name of a file."""
    return "://" in str(source)


def scheme(address: str) -> str:
    """What stands before `://`, in lower case."""
    return address.partition("://")[0].lower()


def shown(text: str) -> str:
    """An address, or a text that holds one, without its password: this is what may be printed and logged."""
    return SECRET_OPTION.sub(r"\1***", CREDENTIALS.sub(r"\1@", text))


def without_password(text: str, address: str) -> str:
    """A text from a driver, from which the password of `address` is removed, however it is written there."""
    for secret in sorted(_passwords(address), key=len, reverse=True):
        text = text.replace(secret, "***")
    return shown(text)


def parts(address: str) -> Address:
    """The parts of a server's address. Raises InputError when it is not written like one."""
    _, _, rest = address.partition("://")
    place, _, options = rest.partition("?")
    credentials, _, place = place.rpartition("@")
    user, _, password = credentials.partition(":")
    server, _, database = place.partition("/")
    match = HOST_AND_PORT.fullmatch(server)
    if match is None:
        raise InputError(
            f"{shown(address)} is not the address of a server. Expected {scheme(address)}://USER@HOST:PORT/DATABASE. "
            "Write @ / ? # in a user or password as %40 %2F %3F %23."
        )
    given = dict(parse_qsl(options, keep_blank_values=True))
    password = unquote(password) or next((given[name] for name in SECRETS[:3] if name in given), "")
    return Address(
        scheme(address),
        unquote(match["host"].strip("[]")),
        int(match["port"] or SERVERS[scheme(address)]),
        unquote(database),
        unquote(user),
        password,
        {name: value for name, value in given.items() if name not in SECRETS[:3]},
    )


def file(address: str) -> Path:
    """The file that `duckdb://FILE`, `sqlite://FILE` or `sqlite:///FILE` names.

    A third slash may begin an absolute path or, as is usual for SQLite, a relative one: the path that exists is meant.
    Raises InputError when none does.
    """
    _, _, name = address.partition("://")
    absolute, relative = name, name.removeprefix("/")
    order = (relative, absolute) if scheme(address) == "sqlite" else (absolute, relative)
    for path in (Path(spelling) for text in order for spelling in (text, unquote(text)) if text.strip("/")):
        if path.is_file():
            return path
    raise InputError(
        f"No such database: {Path(name)}. Expected an existing file. Check the address {shown(address)}."
    )


def _passwords(address: str) -> set[str]:
    hidden = CREDENTIALS.search(address)
    raw = [hidden.group().removeprefix(hidden.group(1))[1:-1]] if hidden else []
    raw += [match.group().removeprefix(match.group(1)) for match in SECRET_OPTION.finditer(address)]
    return {spelling for text in raw for spelling in (text, unquote(text)) if spelling}
