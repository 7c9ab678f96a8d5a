"""Who moved: the customers of two dates under one model, from segment to segment, and who left the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from contract.names import MOST_GONE_LISTED, STATES
from contract.words import amount, counted, listed, percent
from training.profiles import by_value

NEW, GONE = "New", "Gone"
LATE = STATES[-1]


@dataclass(frozen=True)
class Movement:
    """Where the customers of one date were at a later one.

    from_as_of, to_as_of: the two dates; names: one per segment, in their order; best: the segment of the
    highest mean Monetary of ordinary customers at the later date; moves: one row for each two places that
    customers moved between (see `movement_between`); fallen: who left the best segment, one row each, biggest
    spenders first; gone: who took back all they had bought, in the same order; became_late: who is late at the
    later date and was not at the earlier one, in the same order, None where the model knows no states; sentences:
    the same in words.
    """

    from_as_of: datetime
    to_as_of: datetime
    names: Sequence[str]
    best: int
    moves: pd.DataFrame
    fallen: pd.DataFrame
    gone: pd.DataFrame
    became_late: pd.DataFrame | None
    sentences: list[str]

    def table(self, column: str) -> list[list[Any]]:
        """One of the numbers of `moves` as a matrix under its head: a row each segment and New, a column each
        segment and Gone, with their sums."""
        cells = self.moves.pivot_table(column, "from_name", "to_name", "sum")
        cells = cells.reindex(index=[*self.names, NEW], columns=[*self.names, GONE]).fillna(0)
        cells["All"] = cells.sum(axis=1)
        cells.loc["All"] = cells.sum()
        return [list(cells.columns), *([name, *row] for name, *row in cells.itertuples())]

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "from_as_of": self.from_as_of.isoformat(),
            "to_as_of": self.to_as_of.isoformat(),
            "best": self.best,
            "best_name": self.names[self.best],
            "sentences": self.sentences,
            "moves": _records(self.moves),
            "fallen": _records(self.fallen),
            "gone": _records(self.gone.head(MOST_GONE_LISTED)),
            "became_late": None if self.became_late is None else _records(self.became_late),
        }


def movement_between(
    before: pd.DataFrame,
    after: pd.DataFrame,
    names: Sequence[str],
    from_as_of: datetime,
    to_as_of: datetime,
) -> Movement:
    """Two tables of customers (customer_id, Recency, Monetary, segment) under one model to who moved where.

    `after` has is_anomaly, too, because the best segment is told by its ordinary customers. Where both have `state`,
    those who became late are listed. names: one per segment.
    The columns of `moves` are

    | column                  | unit   | meaning                                                      |
    |-------------------------|--------|--------------------------------------------------------------|
    | from_segment, from_name |        | at the earlier date; null and New for no customer yet        |
    | to_segment, to_name     |        | at the later date; null and Gone for no customer any more    |
    | customers               | count  |                                                              |
    | Monetary_before         | money  | what they had spent by the earlier date                      |
    | Monetary_after          | money  | what they had spent by the later date; 0 for those gone      |

    Gone is who took back all they had bought. `fallen` has customer_id, from_name, to_segment, to_name,
    Monetary_before, Monetary_after and Recency (days from the last order to the later date), the last
    two null for those gone. `gone` has customer_id, from_segment, from_name and Monetary_before.
    """
    columns = ["customer_id", "Recency", "Monetary", "segment"]
    both = before[columns].merge(
        after[columns], on="customer_id", how="outer", suffixes=("_before", "_after"), sort=True
    )
    both = both.rename(
        columns={"segment_before": "from_segment", "segment_after": "to_segment", "Recency_after": "Recency"}
    ).astype(dict.fromkeys(["from_segment", "to_segment", "Recency"], "Int64"))
    both["from_name"] = _named(both["from_segment"], names, NEW)
    both["to_name"] = _named(both["to_segment"], names, GONE)
    money = ["Monetary_before", "Monetary_after"]
    moves = (
        both.groupby(["from_segment", "from_name", "to_segment", "to_name"], dropna=False)
        .agg(customers=("customer_id", "size"), **{name: (name, "sum") for name in money})
        .reset_index()
    )
    order = by_value(after, len(names))
    best = order[0]
    was_best = both["from_segment"] == best
    left = both[was_best & (both["to_segment"] != best).fillna(True)]
    fallen = left.sort_values("Monetary_before", ascending=False, kind="stable")[
        ["customer_id", "from_name", "to_segment", "to_name", *money, "Recency"]
    ].reset_index(drop=True)
    gone = both[both["to_segment"].isna()].sort_values("Monetary_before", ascending=False, kind="stable")[
        ["customer_id", "from_segment", "from_name", "Monetary_before"]
    ]
    late = _became_late(before, after, names) if "state" in before and "state" in after else None
    by_worth = [names[number] for number in order]
    sentences = _sentences(moves, fallen, by_worth, f"{from_as_of:%Y-%m-%d}", f"{to_as_of:%Y-%m-%d}")
    if late is not None:
        sentences.append(_late_sentence(late, by_worth))
    return Movement(from_as_of, to_as_of, list(names), best, moves, fallen, gone, late, sentences)


def _became_late(before: pd.DataFrame, after: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Who was there and not late before, and is late after: customer_id, name of the segment, Monetary, Recency."""
    earlier = before.set_index("customer_id").state.reindex(after.customer_id).to_numpy()
    late = after[(after.state == LATE).to_numpy() & pd.notna(earlier) & (earlier != LATE)]
    rows = late.assign(segment_name=_named(late.segment, names, GONE))
    columns = ["customer_id", "segment", "segment_name", "Monetary", "Recency"]
    return rows.sort_values("Monetary", ascending=False, kind="stable")[columns].reset_index(drop=True)


def _late_sentence(late: pd.DataFrame, by_worth: Sequence[str]) -> str:
    if late.empty:
        return "Nobody became late: longer since the last order than twice their own usual gap."
    sizes = late.segment_name.value_counts().reindex(by_worth).dropna()
    where = listed([f"{int(count):,} of {name}" for name, count in sizes.items()])
    return (
        f"{counted(len(late), 'customer')} became late (longer since the last order than twice their own usual gap): "
        f"{where}. They have brought {amount(late.Monetary.sum())} so far."
    )


def _named(segment: pd.Series, names: Sequence[str], missing: str) -> pd.Series:
    return segment.map(dict(enumerate(names))).astype(object).fillna(missing)


def _sentences(
    moves: pd.DataFrame, fallen: pd.DataFrame, names: Sequence[str], start: str, end: str
) -> list[str]:
    """`names` are the segments', most valuable first."""
    best, *others = names
    were, are = moves[moves.from_name == best], moves[moves.to_name == best]
    first = f"Nobody left {best} from {start} to {end}."
    if len(fallen):
        places = fallen.to_name.value_counts(sort=False).reindex([*others, GONE]).dropna()
        went = [f"to {name}" if name != GONE else "gone" for name in places.index]
        where = f", all {went[0]}"
        if len(went) > 1:
            where = ": " + listed([f"{count:,.0f} {way}" for count, way in zip(places, went, strict=True)])
        money, share = fallen.Monetary_before.sum(), len(fallen) / were.customers.sum()
        first = (
            f"{counted(len(fallen), 'customer')}, {percent(share)} of {best}, left it from {start} to {end}{where}. "
            f"They had brought {amount(money)}, {percent(money / were.Monetary_before.sum())} of its revenue."
        )
    risen = are[are.from_name.isin(others)].customers.sum()
    started = are[are.from_name == NEW].customers.sum()
    kept = moves[moves["from_segment"].notna()]
    stayed = kept[kept.from_name == kept.to_name].customers.sum() / kept.customers.sum()
    new = moves[moves.from_name == NEW]
    return [
        first,
        f"{counted(risen, 'customer')} rose to {best} and {counted(started, 'new customer')} began there: it had "
        f"{were.customers.sum():,} customers and has {are.customers.sum():,}.",
        f"{percent(stayed)} of all customers stayed in their segment; {counted(new.customers.sum(), 'new customer')} "
        f"brought {amount(new.Monetary_after.sum())}.",
    ]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A dict a row, with None for what is missing."""
    values = table.astype(object)
    return values.where(values.notna(), None).to_dict("records")
