"""All customers of one model version as columns, ready to be filtered, searched and sorted without a copy of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from contract.lists.columns import COLUMNS, FLAG, ID, KEPT, NOT_LISTED, TEXT, Column, column_of
from contract.lists.problems import NotInVersion, unknown
from contract.lists.search import SearchTexts
from contract.lists.value_at_risk import (
    LEFT_OFF,
    differences_from_active,
    spend_when_active,
    value_of_group,
)
from contract.names import FORECAST_OUTPUTS
from contract.people import KEPT as KEPT_NAMES
from contract.people import WITHOUT_KEPT

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LATE = LEFT_OFF[-1]
NOBODY_BEFORE = "New"  # the segment before of who was no customer then
SEPARATOR = "\n"  # between the texts in which people search
MOVEMENT_COLUMNS = ("from_segment", "from_name", "from_state", "moved")

Numbers = NDArray[np.float64]
Indices = NDArray[np.int32] | NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts: each row's place among the different `values`, which are sorted; -1 where there is none."""

    codes: NDArray[np.int32]
    values: pa.Array

    @classmethod
    def of(cls, texts: pa.Array | pa.ChunkedArray) -> Texts:
        """A column of Arrow."""
        import pyarrow as pa
        import pyarrow.compute as pc

        whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        encoded = whole.dictionary_encode()
        order = pc.sort_indices(encoded.dictionary)
        places = np.empty(len(order) + 1, dtype=np.int32)
        places[order.to_numpy()] = np.arange(len(order))
        places[-1] = -1
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return cls(places[codes], encoded.dictionary.take(order))

    def at(self, indices: Indices) -> list[str | None]:
        """The texts of some rows."""
        import pyarrow as pa

        codes = self.codes[indices]
        texts: list[str | None] = self.values.take(pa.array(codes, mask=codes < 0)).to_pylist()
        return texts

    def ranks(self, falling: bool) -> NDArray[np.int64] | NDArray[np.int32] | NDArray[np.int16]:
        """(n,) numbers in the order of the texts; rows without a text have the largest."""
        codes = (len(self.values) - 1 - self.codes) if falling else self.codes
        ranks = np.where(self.codes < 0, len(self.values), codes)
        return (
            ranks.astype(np.int16) if len(self.values) < np.iinfo(np.int16).max else ranks
        )  # sorted by radix

    def equal_to(self, texts: Iterable[str]) -> Mask:
        """(n,) whether each row's text is one of `texts`; an empty one stands for rows without."""
        import pyarrow.compute as pc

        wanted = np.zeros(len(self.values) + 1, dtype=bool)  # the last is at -1, where there is no text
        for text in texts:
            place = pc.index(self.values, text).as_py()
            wanted[place] |= place >= 0 or not text
            wanted[-1] |= not text
        mask: Mask = wanted[self.codes]
        return mask


@dataclass(frozen=True, eq=False)
class CustomerTable:
    """The customers of a model version, one row each; the order of rows is that of the training.

    version, as_of: of the model; numbers, texts: columns of n, nan and -1 where there is no value; segments: name by
    number; reasons: why a column that another version has is not in this one; active: what a customer of each segment
    brought while active (see `spend_when_active`); search: id and kept columns of each customer in one text.
    """

    version: int
    as_of: str
    numbers: Mapping[str, Numbers]
    texts: Mapping[str, Texts]
    segments: Mapping[int, str]
    reasons: Mapping[str, str]
    active: Mapping[int, float]
    search: SearchTexts
    _orders: dict[str, NDArray[np.int32]] = field(default_factory=dict, repr=False)
    _totals: dict[str, float] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.numbers["segment"])

    @property
    def columns(self) -> list[Column]:
        """The columns that there are: those of every shop in their order, then those that this one kept."""
        names = {*self.numbers, *self.texts}
        ours = [column for name, column in COLUMNS.items() if name in names]
        return ours + [column_of(name) for name in self.texts if name not in COLUMNS]

    @property
    def kept(self) -> list[str]:
        """The columns that the shop kept; country is one of them."""
        return [column.name for column in self.columns if column.kind == KEPT]

    @property
    def without_kept(self) -> str:
        """Why columns that the shop kept are not here, in a sentence; empty where all are."""
        return next((self.reasons[name] for name in self.reasons if name not in COLUMNS), "")

    def column(self, name: str, what: str) -> Column:
        """A column by its name, `what` being where it was named. Raises ListError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        if name in self.reasons:
            raise NotInVersion(f"{what} {name}: this version does not have it. {self.reasons[name]}")
        if name in COLUMNS:
            raise NotInVersion(
                f"{what} {name}: version {self.version} does not have it. Train anew: `segments train --promote`."
            )
        raise unknown(what, name, [column.name for column in self.columns])

    def values(self, name: str, indices: Indices) -> Sequence[object]:
        """A column's values for some rows, as plain Python values; None where there is none."""
        if name in self.texts:
            return self.texts[name].at(indices)
        column, numbers = column_of(name), self.numbers[name][indices].tolist()
        if column.kind == FLAG:
            return [None if value != value else bool(value) for value in numbers]
        if column.is_whole:
            return [
                None if value != value else int(value) if value.is_integer() else value for value in numbers
            ]
        return [None if value != value else value for value in numbers]

    def rows(self, indices: Indices, names: Sequence[str]) -> list[dict[str, object]]:
        """Some customers, as one mapping each of the columns of these `names`."""
        columns = [self.values(name, indices) for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def sorted(self, mask: Mask | None, name: str, falling: bool) -> Indices:
        """Indices of the customers that `mask` marks (None: of all) by a column; who has no value comes last."""
        order = self._order(name, falling)
        return order if mask is None else order[mask[order]]

    def containing(self, text: str) -> Mask:
        """(n,) whether id or a kept column holds `text`, in small or large letters."""
        return self.search.containing(text)

    def in_segments(self, name: str, segments: Collection[int]) -> Mask:
        """(n,) whether the column `name` holds one of these segments; where it holds none, no."""
        numbers = self.numbers[name]
        known = np.isfinite(numbers)
        codes = np.where(known, numbers, -1).astype(np.int64)
        wanted = np.zeros(max([int(codes.max(initial=0)), *segments], default=0) + 2, dtype=bool)
        wanted[list(segments)] = True
        wanted[-1] = False
        mask: Mask = wanted[codes]
        return mask

    def total(self, name: str, mask: Mask | None) -> float | None:
        """The sum of a column over the customers that `mask` marks; None of a column that is not there."""
        if name not in self.numbers:
            return None
        if mask is not None:
            return float(np.nansum(self.numbers[name][mask]))
        if name not in self._totals:
            self._totals[name] = float(np.nansum(self.numbers[name]))
        return self._totals[name]

    def at_risk(self, mask: Mask | None) -> float | None:
        """Money at risk with those that `mask` marks together, see `value_of_group`; None where it is not known."""
        if "value_at_risk" not in self.numbers:
            return None
        state, segment, expected = (
            self.texts["state"],
            self.numbers["segment"],
            self.numbers["expected_spend"],
        )
        late = state.equal_to([LATE])
        left_off = state.equal_to(LEFT_OFF)
        places = np.flatnonzero(left_off if mask is None else left_off & mask)
        every = np.ones(len(places), dtype=bool)
        own = segment[places].astype(np.int64)
        return value_of_group(
            own, late[places], differences_from_active(own, every, expected[places], self.active)
        )

    def _order(self, name: str, falling: bool) -> NDArray[np.int32]:
        """(n,) all rows by a column, equal ones in the order of the table; worked out once."""
        key = f"-{name}" if falling else name
        if key not in self._orders:
            if name in self.texts:
                order = np.argsort(self.texts[name].ranks(falling), kind="stable")
            else:
                numbers = self.numbers[name]
                order = np.argsort(-numbers if falling else numbers, kind="stable")
            self._orders[key] = order.astype(np.int32)
        return self._orders[key]


def customer_table(
    version: int,
    customers: pd.DataFrame,
    profiles: Sequence[Mapping[str, object]],
    summary: Mapping[str, object],
    forecast: Mapping[str, object] | None = None,
    moves: pd.DataFrame | None = None,
) -> CustomerTable:
    """What a training left of its customers to a table that can be asked.

    customers: one row each, scored; profiles: one record per segment; moves: customer_id with MOVEMENT_COLUMNS, None
    where it is not known who moved; forecast: None of a version from before there was one.
    """
    segments = {int(str(profile["segment"])): str(profile["name"]) for profile in profiles}
    if moves is not None:
        customers = customers.merge(moves, on="customer_id", how="left")
    names = [name for name in customers if name not in NOT_LISTED]
    texts = {name: _texts(customers[name]) for name in names if column_of(name).kind in (ID, TEXT, KEPT)}
    numbers = {name: _numbers(customers[name]) for name in names if name not in texts}
    numbers = {name: own for name, own in numbers.items() if name not in FORECAST_OUTPUTS or _any(own)}
    groups = cast("Sequence[Mapping[str, object]]", (forecast or {}).get("groups", ()))
    active = spend_when_active(groups) if "expected_spend" in numbers and "state" in texts else {}
    if active:
        left_off = texts["state"].equal_to(LEFT_OFF)
        differences = differences_from_active(
            numbers["segment"].astype(np.int64), left_off, numbers["expected_spend"], active
        )
        numbers["value_at_risk"] = np.maximum(differences, 0.0)
    search = _search_texts([own for name, own in texts.items() if column_of(name).kind in (ID, KEPT)])
    reasons = _reasons(summary, forecast or {})
    return CustomerTable(version, str(summary["as_of"]), numbers, texts, segments, reasons, active, search)


def _reasons(summary: Mapping[str, object], forecast: Mapping[str, object]) -> dict[str, str]:
    """Why columns may be missing, in the words of the training: column -> sentence."""
    reasons = {}
    missing = cast("Mapping[str, str]", summary.get("missing") or {})
    if "movement" in missing:
        reasons = dict.fromkeys(MOVEMENT_COLUMNS, missing["movement"])
    if sentences := cast("Sequence[str]", forecast.get("reasons", ())):
        reasons |= dict.fromkeys((*FORECAST_OUTPUTS, "value_at_risk"), " ".join(sentences))
    if without_kept := summary.get(WITHOUT_KEPT):
        reasons |= dict.fromkeys(cast("Sequence[str]", summary[KEPT_NAMES]), str(without_kept))
    return reasons


def _any(numbers: Numbers) -> bool:
    """Whether one of them is a number; a version whose shop can carry no forecast has none."""
    return not np.isnan(numbers).all()


def _numbers(values: pd.Series) -> Numbers:
    """A column of numbers or flags as numbers; what is not finite is nan."""
    numbers: Numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    finite = np.isfinite(numbers)
    return numbers if finite.all() else np.where(finite, numbers, np.nan)


def _texts(values: pd.Series) -> Texts:
    """A column of texts; a kept column may hold anything."""
    import pyarrow as pa

    texts = values if values.dtype == "str" else values.map(str, na_action="ignore").astype("str")
    return Texts.of(pa.array(texts, pa.large_string(), from_pandas=True))


def _search_texts(columns: Sequence[Texts]) -> SearchTexts:
    """(n,) the texts of several columns in one, in small letters."""
    import pyarrow as pa
    import pyarrow.compute as pc

    folded = [
        pa.array([text.casefold() for text in own.values.to_pylist()], pa.large_string()) for own in columns
    ]
    places = [pa.array(own.codes, mask=own.codes < 0) for own in columns]
    whole = [values.take(place) for values, place in zip(folded, places, strict=True)]
    between = pa.scalar(SEPARATOR, pa.large_string())
    joined: pa.Array = pc.binary_join_element_wise(
        *whole, between, null_handling="replace", null_replacement=""
    )
    return SearchTexts.of(joined)
