"""A list that is acted on: with a control group that is left out, or only with who joined or left it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from contract.lists.files import STAMPS
from contract.lists.hold_out import held_out
from contract.lists.lines import csv_lines
from contract.lists.problems import ListError, shown, unknown
from contract.lists.selections import Selection
from contract.spreadsheets import harmless

TREATED, CONTROL = "treated", "control"
JOINED, LEFT = "joined", "left"
PARTS, CHANGES = (TREATED, CONTROL), (JOINED, LEFT)
KNOWN_BEFORE = ("Monetary", "expected_spend")  # of each customer, by which the comparison is made sharper
GROUP_COLUMNS = ("customer_id", "segment", "segment_name", "state", *KNOWN_BEFORE)
GROUP_HEAD = (*GROUP_COLUMNS, "group", "holdout", "seed", *STAMPS)


@dataclass(frozen=True)
class HoldOut:
    """How a control group is chosen: its share of the list, and the seed of the hash."""

    share: float
    seed: int = 0


def part_of(selection: Selection, hold_out: HoldOut | None, part: str = TREATED) -> Selection:
    """Those of a list who are written to (treated), or those who are held out (control)."""
    if part not in PARTS:
        raise unknown("holdout_part", part, PARTS)
    if hold_out is None:
        return selection
    control = held_out(selection.ids, hold_out.share, hold_out.seed)
    return replace(selection, indices=selection.indices[control if part == CONTROL else ~control])


def changed(now: Selection, then: Selection, change: str) -> Selection:
    """Who joined a list since `then`, as they are now, or who left it, as they were then; in the list's order.

    `then` is the same filter, asked of an earlier version.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if change not in CHANGES:
        raise unknown("change", change, CHANGES)
    one, other = (now, then) if change == JOINED else (then, now)
    others = pc.is_in(pa.array(one.ids, pa.large_string()), value_set=pa.array(other.ids, pa.large_string()))
    return replace(one, indices=one.indices[~np.asarray(others.to_numpy(zero_copy_only=False), dtype=bool)])


def version_before(text: str, versions: Sequence[tuple[int, str]], now: int) -> int:
    """The version that `since` means: its number, or the last whose data end on a day or before it.

    versions: number and as-of date of each that is registered. Raises ListError when there is none.
    """
    known = ", ".join(f"{number} ({as_of[:10]})" for number, as_of in versions if number != now) or "none"
    if re.fullmatch(r"[0-9]{1,9}", text):
        if int(text) in dict(versions):
            return int(text)
    elif re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        earlier = [(as_of[:10], number) for number, as_of in versions if as_of[:10] <= text and number != now]
        if earlier:
            return max(earlier)[1]
    else:
        raise ListError(
            f"since {shown(text)} cannot be used. Expected a version's number, or a day as YYYY-MM-DD."
        )
    raise ListError(f"since {shown(text)}: there is no such version. Registered beside {now}: {known}.")


def group_lines(selection: Selection, hold_out: HoldOut, part: str) -> Iterator[str]:
    """The customers of one group of an experiment as lines of CSV: id, segment, and how the group was chosen."""
    table, group = selection.table, part_of(selection, hold_out, part)
    columns = [name for name in GROUP_COLUMNS if name in table.texts or name in table.numbers]
    yield csv_lines([[name for name in GROUP_HEAD if name in columns or name not in GROUP_COLUMNS]])
    rows = zip(*(table.values(name, group.indices) for name in columns), strict=True)
    how = (part, hold_out.share, hold_out.seed, table.version, table.as_of)
    yield csv_lines([*map(harmless, row), *how] for row in rows)
