"""Which column of a shop's table is which: roles, recognised by the usual names or mapped by the user."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from training.errors import InputError
from training.reading.beside_words import BESIDE
from training.reading.folding import fold
from training.reading.header_words import HEADERS
from training.reading.header_words import names as usual_names

ROLES = (*HEADERS, *BESIDE)
OPTIONAL = ("email", "time", "status", "currency", "refunded", "stock_code", "country")
NO_COLUMN = "none"  # in place of a name: no column has this role
CELLS = 200  # of a column are looked at, to see what may be in it
AGAIN = re.compile(r" \(\d+\)$")  # the mark of the second column of a name
OF_SOMETHING_ELSE = [
    "store",
    "shop",
    "branch",
    "warehouse",
    "product",
    "item",
    "employee",
    "cashier",
    "region",
    "seller",
    "vendor",
    "staff",
]
OF_A_CUSTOMER = [
    "cust",
    "client",
    "member",
    "account",
    "user",
    "kund",
    "buyer",
    "person",
    "card",
    "guest",
    "shopper",
    "household",
]


def recognise(
    names: Sequence[str],
    columns: Mapping[str, str],
    where: str,
    sample: Sequence[Mapping[str, str]] = (),
) -> dict[str, str]:
    """Column names, and the user's own mapping -> the name of the column for each role that has one.

    The line total (`amount`) and the order's (`total`) are looked for only where quantity and price are not
    both there, or when they are mapped. Where no column is called a customer, an e-mail is one.
    Raises InputError, naming `where`, for a mapped column that does not exist, for all roles without a column at once
    (with what may serve, judged by names and by the cells of `sample`), and for two columns that are equally good.
    """
    check_mapping(names, columns, where)
    roles = {role: name for role, name in columns.items() if name != NO_COLUMN}
    free = [name for name in names if name not in columns.values()]
    for role in HEADERS:
        if role in columns or (role in ("amount", "total") and has_money(roles)):
            continue
        if name := _usual(role, free, where):
            roles[role] = name
    if "customer" not in roles and "email" in roles:
        roles["customer"] = roles.pop("email")
    if missing := _missing(roles):
        raise _without(missing, names, free, where, sample)
    for role, name in roles.items():
        if role not in columns and any(
            AGAIN.search(other) and fold(AGAIN.sub("", other)) == fold(name) for other in names
        ):
            raise InputError(
                f"{where} has more than one column named {name}, which would be {role}. Expected every name once. "
                f"Rename one of them, or say --column {role}={name} for the first."
            )
    return roles


def check_mapping(names: Sequence[str], columns: Mapping[str, str], where: str) -> None:
    """Raise InputError for a mapped column that does not exist."""
    for role, name in columns.items():
        if name not in (*names, NO_COLUMN):
            raise InputError(
                f'No column "{name}" in {where}, mapped to {role}. {_found(names)}{_hint([name], names)} '
                f"Map it with --column {role}=NAME."
            )


def known(names: Sequence[str], columns: Mapping[str, str]) -> dict[str, list[str]]:
    """The names that are mapped or usual, with the roles that each may have."""
    by_role = {
        role: [columns[role]] if role in columns else all_usual(role, names)
        for role in {**HEADERS, **columns}
    }
    roles = {name: [role for role, likely in by_role.items() if name in likely] for name in names if name}
    return {name: likely for name, likely in roles.items() if likely}


def has_money(roles: Mapping[str, str]) -> bool:
    """Whether money can be made of these roles."""
    return {"quantity", "price"} <= roles.keys() or "amount" in roles or "total" in roles


def all_usual(role: str, names: Sequence[str]) -> list[str]:
    """All columns whose name is usual for a role, the most telling first."""
    keys = {name: fold(AGAIN.sub("", name)) for name in names}
    return [name for group in usual_names(role) for name in names if keys[name] in group]


def _usual(role: str, names: Sequence[str], where: str) -> str | None:
    """The column for a role; of two equally good ones the first for roles that are not needed, else InputError."""
    for group in usual_names(role):
        fitting = [name for name in names if fold(name) in group]
        if len(fitting) > 1 and role not in OPTIONAL:
            raise InputError(
                f"Two columns of {where} could be {role}: {' and '.join(fitting[:2])}. Expected one. "
                f"Say which with --column {role}={fitting[0]} or --column {role}={fitting[1]}."
            )
        if fitting:
            return fitting[0]
    return None


def _missing(roles: Mapping[str, str]) -> list[str]:
    missing = [role for role in ("customer", "date") if role not in roles]
    if not has_money(roles):
        factors = [role for role in ("quantity", "price") if role not in roles]
        missing += factors if len(factors) == 1 else ["amount"]
    return missing


def _without(
    missing: Sequence[str],
    names: Sequence[str],
    free: Sequence[str],
    where: str,
    sample: Sequence[Mapping[str, str]],
) -> InputError:
    """All missing roles in one message, which ends in what to add to the command."""
    left, best = list(free), {}
    for role in missing:
        if name := candidate(role, left, sample):
            best[role] = name
            left.remove(name)
    questions = " ".join(f'Did you mean "{name}"?' for name in dict.fromkeys(best.values()))
    option = " ".join(f"--column {role}={_quoted(best.get(role, 'NAME'))}" for role in missing)
    other = ", and none for amount (the line total)" if missing[-1] in ("quantity", "price") else ""
    also = " or --column amount=NAME" if other else ""
    return InputError(
        f"No column for {' and '.join(missing)} in {where}{other}. {_found(names)}"
        f"{' ' + questions if questions else ''} Map {'them' if len(missing) > 1 else 'it'} with {option}{also}."
    )


def candidate(role: str, names: Sequence[str], sample: Sequence[Mapping[str, str]]) -> str | None:
    """The column that most likely has a role, by its name and its cells; None when none is likely."""
    points = {name: _likely(role, name, [row.get(name) or "" for row in sample[:CELLS]]) for name in names}
    best = max(points, key=lambda name: points[name], default=None)
    enough = 0.6 if sample else 0.8
    return best if best is not None and points[best] >= enough else None


def _likely(role: str, name: str, cells: Sequence[str]) -> float:
    key = fold(name)
    usual = [word for group in usual_names(role) for word in group]
    by_name = max((difflib.SequenceMatcher(None, key, word).ratio() for word in usual), default=0.0)
    filled = [cell.strip() for cell in cells if cell.strip()]
    by_cells = _content(role, filled) if filled else 0.0
    if role == "customer":
        by_name += 0.4 * any(word in key for word in OF_A_CUSTOMER)
        by_name -= 0.9 * any(word in key for word in OF_SOMETHING_ELSE)
    return by_name - 0.2 + by_cells if filled else by_name


def _content(role: str, cells: Sequence[str]) -> float:
    """How well cells fit a role: from -1 (not at all) to 0.6."""

    def share(pattern: str) -> float:
        return sum(bool(re.search(pattern, cell)) for cell in cells) / len(cells)

    dates = share(
        r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|^\d{8}$|^1\d{9}(\d{3})?$|^[A-Z][a-z]{2,8} \d{1,2},? \d{4}"
    )
    decimals = share(r"\d[.,]\d{1,4}\D*$")
    if role == "date":
        return 0.6 if dates > 0.8 else -1
    if role in ("amount", "price", "total"):
        numbers = share(r"\d") * (1 - share(r"[A-Za-z]{4}"))
        return -1 if dates > 0.5 or numbers < 0.8 else 0.6 * decimals
    if role == "quantity":
        return 0.3 if share(r"^-?\d{1,5}([.]0+)?$") > 0.9 else -1
    if role == "customer":
        different = len(set(cells))
        if dates > 0.5 or decimals > 0.5:
            return -1
        return 0.6 if 1 < different < len(cells) else (0.1 if different > 1 else -0.5)
    return 0.0


def _found(names: Sequence[str]) -> str:
    return f"Found: {', '.join(filter(None, names))}."


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _hint(wanted: Sequence[str], names: Sequence[str]) -> str:
    """The name that looks most like one that was wanted, as a question; "" when none does."""
    keys = {fold(name): name for name in names}
    close = list(_close(wanted, keys))
    return f' Did you mean "{keys[close[0]]}"?' if close else ""


def _close(wanted: Sequence[str], keys: Mapping[str, str]) -> Iterator[str]:
    for want in wanted:
        yield from difflib.get_close_matches(fold(want), keys, n=1)
