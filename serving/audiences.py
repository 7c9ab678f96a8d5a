"""Lists as files: which customers a download holds, in which form, and under which name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from werkzeug.exceptions import ServiceUnavailable

from contract.lists.audiences import (
    CHANGES,
    CONTROL,
    PARTS,
    TREATED,
    HoldOut,
    changed,
    part_of,
    version_before,
)
from contract.lists.customers import CustomerTable
from contract.lists.file_names import file_name
from contract.lists.files import PLAIN, check_form, lines_of, reachable
from contract.lists.hold_out import share_of
from contract.lists.problems import ListError, unknown
from contract.lists.selections import select
from serving import champion
from serving.lists import filters_of
from serving.registry_answers import registry_asked
from serving.snapshot import Snapshot

NAMES = ("form", "holdout", "holdout_part", "seed", "since", "change")
MOST_SEED = 2**31 - 1


@dataclass
class EarlierTables:
    """Customers of earlier versions, of which the last one that was asked for is held in memory."""

    address: str
    _table: dict[int, CustomerTable] = field(default_factory=dict, repr=False)

    def clear(self) -> None:
        """Forget what was read."""
        self._table = {}

    def table(self, number: int) -> CustomerTable:
        """The customers of a version. Raises ServiceUnavailable when its run does not keep them any more."""
        tables = self._table
        held = tables.get(number)
        if held is None:
            try:
                held = champion.load_table(self.address, number)
            except champion.Unreadable as problem:
                raise ServiceUnavailable(f"Version {number} cannot be compared with: {problem}.") from None
            tables.clear()
            tables[number] = held
        return held

    def before(self, text: str, snapshot: Snapshot) -> CustomerTable:
        """The customers of the version that `since` means. Raises ListError."""
        with registry_asked():
            versions = champion.registered_versions(self.address, snapshot.data)
        number = version_before(text, versions, snapshot.version)
        return snapshot.all_customers if number == snapshot.version else self.table(number)


def audience(
    snapshot: Snapshot, pairs: Iterable[tuple[str, str]], earlier: EarlierTables
) -> tuple[str, Iterator[str]]:
    """A file's name and its lines. Raises ListError before the first line."""
    pairs = list(pairs)
    asked, wanted = _asked(pairs), filters_of(pairs, NAMES)
    form = check_form(asked.get("form", PLAIN))
    selection = select(snapshot.all_customers, wanted)
    chosen, parts = reachable(selection, form), [] if form == PLAIN else [form]
    if since := asked.get("since", ""):
        then = earlier.before(since, snapshot)
        change = asked.get("change", CHANGES[0])
        chosen = changed(chosen, reachable(select(then, wanted, selection.table.segments), form), change)
        parts.append(f"{change}-since-v{then.version}")
    hold_out, part = _hold_out(asked)
    own = part_of(chosen, hold_out, part)
    if part == CONTROL:
        parts.append(part)
    fields = selection.fields if any(name == "fields" for name, _ in wanted) else ()
    return file_name(selection, *parts), lines_of(own.table, own.indices, form, fields)


def _asked(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is asked of the file. Raises ListError where it contradicts itself."""
    asked: dict[str, str] = {}
    for name, value in pairs:
        if name in NAMES and name in asked:
            raise ListError(f"{name} was given more than once. Expected it once.")
        if name in NAMES:
            asked[name] = value
    for name, other in (("holdout_part", "holdout"), ("seed", "holdout"), ("change", "since")):
        if name in asked and other not in asked:
            raise ListError(
                f"{name} was given without {other}. Expected both. Add {other}, or leave {name} out."
            )
    return asked


def _hold_out(asked: Mapping[str, str]) -> tuple[HoldOut | None, str]:
    """How a control group is chosen, None for no such group, and which part of the list is wanted."""
    part, seed = asked.get("holdout_part", TREATED), asked.get("seed", "0")
    if part not in PARTS:
        raise unknown("holdout_part", part, PARTS)
    if not re.fullmatch(r"[0-9]{1,10}", seed) or int(seed) > MOST_SEED:
        raise ListError(f"seed is no whole number from 0 to {MOST_SEED:,}. Expected one, such as 1.")
    if "holdout" not in asked:
        return None, part
    return HoldOut(share_of(asked["holdout"]), int(seed)), part
