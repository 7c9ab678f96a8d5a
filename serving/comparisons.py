"""Any two versions of the registry beside each other, and the lists of customers that come of it; kept in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar, cast

from contract.lists.customers import CustomerTable, customer_table
from contract.people import with_kept
from serving.archive import Archive, Training
from serving.champion import Unreadable
from serving.moves import Moves, moves_between
from serving.snapshot import Snapshot

MOST_KEPT = 2  # comparisons or lists of them; of a large shop each takes some hundred megabytes
Value = TypeVar("Value")


class NotHeld(ValueError):
    """The registry does not hold what was asked for. The message says what was given and what was expected."""


@dataclass(eq=False)
class Comparisons:
    """Comparisons of versions out of an archive."""

    archive: Archive
    _kept: OrderedDict[tuple[str, int, int], Any] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def training(self, snapshot: Snapshot, given: str) -> Training:
        """The version of a number, or the latest one of an as-of date. Raises NotHeld."""
        trainings = self.archive.trainings(snapshot.version)
        return named(trainings, given)

    def moves(self, snapshot: Snapshot, before: Training, after: Training) -> Moves:
        """Who moved between two versions. Raises NotHeld where a table of customers cannot be read."""
        return self._once(
            ("moves", before.version, after.version),
            lambda: moves_between(
                before, after, self._customers(snapshot, before), self._customers(snapshot, after)
            ),
        )

    def table(self, snapshot: Snapshot, since: Training, version: Training) -> CustomerTable:
        """The customers of `version`, each with where they were in the version `since`, ready to be asked."""
        moves = self.moves(snapshot, since, version)
        forecast = snapshot.forecast if version.version == snapshot.version else None

        def table() -> CustomerTable:
            own = self._customers(snapshot, version)
            customers, summary = with_kept(own, version.summary, version.run, self.archive.address)
            return customer_table(version.version, customers, version.profiles, summary, forecast, moves.rows)

        return self._once(("table", since.version, version.version), table)

    def clear(self) -> None:
        """Forget what was compared, and the archive what it read."""
        self.archive.clear()
        with self._lock:
            self._kept = OrderedDict()

    def _customers(self, snapshot: Snapshot, training: Training) -> Any:
        try:
            return self.archive.customers(snapshot.version, training.version)
        except Unreadable as problem:
            raise NotHeld(f"Version {training.version} cannot be compared: {problem}.") from None

    def _once(self, key: tuple[str, int, int], make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast("Value", self._kept[key])
            kept = self._kept
        value = make()
        with self._lock:
            kept[key] = value
            while len(kept) > MOST_KEPT:
                kept.popitem(last=False)
        return value


def named(trainings: Sequence[Training], given: str) -> Training:
    """The version of a number, or the latest one of an as-of date. Raises NotHeld, which says what there is."""
    for training in trainings:
        if given == str(training.version) or (_is_date(given) and training.as_of[:10] == given):
            return training
    held = ", ".join(f"{own.version} ({own.as_of[:10]})" for own in trainings[:20])
    raise NotHeld(
        f"{given[:40]!r} is no version and no as-of date that the registry holds. Expected one of: {held}."
    )


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
