"""What a campaign brought: the orders since, of those who were written to and of those who were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from contract.lists.audiences import KNOWN_BEFORE, PARTS, TREATED
from contract.words import amount, counted, percent
from training.audience import beside
from training.effect import Effect, effect_of
from training.errors import InputError
from training.score import counted_as_in_training
from training.shop import Reading, customer_table

if TYPE_CHECKING:
    from training.cleaning import Cleaned

NEEDED = ("customer_id", "segment_name", "model_version", "as_of")
GUARD = r"^'(?=[=+\-@\t\r\n＝＋－＠])"  # in front of an id that a spreadsheet would take for a formula
LEAST_GROUP = 2
SMALL_GROUP = 30  # customers held out, below which only large effects can be told apart


@dataclass(frozen=True)
class Lift:
    """What the campaign of an audience brought from a day to another, both included."""

    effect: Effect
    start: date
    end: date

    def as_json(self) -> dict[str, object]:
        """Everything, as plain values; money per customer written to, and in total."""
        effect = self.effect
        ends = {"difference": effect.difference, "low": effect.low, "high": effect.high}
        return {
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            "treated": effect.treated,
            "control": effect.control,
            "spent": effect.spent,
            "per_customer": ends,
            "total": {name: effect.total(value) for name, value in ends.items()},
            "told_apart": effect.is_told_apart,
            "segments": effect.segments.to_dict("records"),
            "sentences": self.sentences(),
        }

    def sentences(self) -> list[str]:
        """The answer in one sentence, and what to know of it."""
        effect = self.effect
        more = "more" if effect.difference >= 0 else "less"
        first = (
            f"The {counted(effect.treated, 'customer')} written to spent {amount(abs(effect.difference))} {more} each "
            f"than they would have, going by the {effect.control:,} held out (95% interval: "
            f"{amount(effect.low)} to {amount(effect.high)}), "
            f"{amount(abs(effect.total(effect.difference)))} {more} in total ({amount(effect.total(effect.low))} to "
            f"{amount(effect.total(effect.high))}): "
            + ("an effect." if effect.is_told_apart else "not told apart from chance.")
        )
        notes = []
        if effect.expected > 0:
            relative = effect.difference / effect.expected
            notes.append(f"That is {percent(abs(relative))} {more} than {amount(effect.expected)} each.")
        if effect.control < SMALL_GROUP:
            notes.append(
                f"Only {effect.control:,} were held out, so only a large effect can be told apart. Hold out more."
            )
        return [first, *notes]


def measure_lift(
    audience: Path,
    sources: Sequence[str],
    reading: Reading,
    start: date | None = None,
    end: date | None = None,
) -> Lift:
    """What an audience's campaign brought, from the orders since.

    audience: the file that `segments audience --holdout` wrote, with its two files beside it; sources: orders, of the
    days since or of all days; start, end: the first and the last day that count, by default the as-of day of the
    audience and the last day of the orders. Raises InputError.
    """
    from training.people.remembered import leaving_out
    from training.store import registry
    from training.store.connection import connect

    groups = read_groups(audience)
    start = start or datetime.fromisoformat(str(groups.as_of.iloc[0])).date()
    version = int(groups.model_version.iloc[0])
    client = connect()
    reading = leaving_out(client, reading)
    if reading.forgotten:
        groups = groups[~np.array(reading.forgotten.among(groups.customer_id), dtype=bool)]
    scorer = registry.load(client, registry.find(client, str(version)))
    reading = counted_as_in_training(reading, scorer, version)
    _, cleaned = customer_table(sources, replace(reading, as_of=None))
    last = (cleaned.as_of - timedelta(days=1)).date()
    end = min(end or last, last)
    if end < start:
        raise InputError(
            f"The orders end on {last}, and the campaign is counted from {start} to {end}. Expected orders on or after "
            f"{start}. Give later orders, or an earlier --from."
        )
    spend = spend_between(cleaned, start, end, reading.returns)
    known = spend.reindex(groups.customer_id)
    if known.isna().all():
        raise InputError(
            f"None of the {len(groups):,} customers of {audience} ordered from {start} to {end}. Expected the ids of "
            "the same shop. Check --column customer=NAME, or give later orders."
        )
    return Lift(_effect(groups, known.fillna(0.0).to_numpy()), start, end)


def spend_between(cleaned: Cleaned, start: date, end: date, returns: str) -> pd.Series:
    """Money that each customer spent in the orders of these days, by customer_id; who ordered nothing is not in it."""
    import ibis

    orders = cleaned.orders
    first, after = (ibis.timestamp(f"{day} 00:00:00") for day in (start, end + timedelta(days=1)))
    own = orders.filter(orders.date >= first, orders.date < after)
    money = own.purchased - own.returned if returns == "net" else own.purchased
    table = own.group_by("customer_id").aggregate(money=money.sum().cast("float64")).to_pandas()
    return table.set_index("customer_id").money


def read_groups(audience: Path) -> pd.DataFrame:
    """Who was written to and who was held out, one row each, with `group`. Raises InputError."""
    parts = [_read_group(beside(audience, part), part) for part in PARTS]
    groups = pd.concat(parts, ignore_index=True)
    for part in PARTS:
        if (count := int((groups.group == part).sum())) < LEAST_GROUP:
            raise InputError(
                f"{beside(audience, part)} holds {counted(count, 'customer')}. Expected at least {LEAST_GROUP} in each "
                "group. Hold out a larger share of a longer list."
            )
    return groups


def _read_group(path: Path, part: str) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(
            f"{path} is not there. Expected the files that `segments audience --holdout SHARE -o FILE` wrote beside "
            "FILE. Name FILE, and keep its two other files with it."
        )
    table = pd.read_csv(path, dtype=dict.fromkeys(("customer_id", "segment_name", "state"), str))
    if lacking := [name for name in NEEDED if name not in table]:
        raise InputError(
            f"{path} has no column {', '.join(lacking)}. Expected a file that `segments audience --holdout` wrote. "
            "Name the list's own file."
        )
    ids = table.customer_id.str.replace(GUARD, "", regex=True)
    return table.assign(customer_id=ids, group=part)


def _effect(groups: pd.DataFrame, spend: np.ndarray) -> Effect:
    before = groups[[name for name in KNOWN_BEFORE if name in groups]].fillna(0.0).to_numpy(dtype=np.float64)
    return effect_of(
        spend, (groups.group == TREATED).to_numpy(), groups.segment_name.to_numpy(object), before
    )
