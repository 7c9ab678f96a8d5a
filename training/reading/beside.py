"""Discounts, taxes and shipping beside the money of a shop's own table: taken off where data show how, else asked."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

from contract.words import counted, verb
from training.errors import InputError
from training.reading import money
from training.reading.amounts import value_of
from training.reading.beside_words import (
    AFTER_DISCOUNT,
    GROUPS,
    WITHOUT_EXTRAS,
    WITHOUT_TAX,
    says,
)
from training.reading.facts import Facts
from training.reading.folding import fold
from training.reading.header_words import names as usual_names
from training.reading.kept import one_row
from training.reading.layout import Money
from training.reading.plan import OTHER, Plan, other_money, says_total
from training.reading.typed import DECIMAL

if TYPE_CHECKING:
    import ibis.expr.types as ir

NEARLY_ALL = 0.9
CENTS = 0.011  # by which sums may differ that were rounded


@dataclass(frozen=True)
class Found:
    """Columns of one group (`discount`, `tax`, `shipping`) with money in them, and the lines that have some."""

    group: str
    columns: tuple[str, ...]
    lines: int


def settled(table: ir.Table, facts: Facts) -> Facts:
    """Money without what is beside it, where names or numbers say how they belong together. Raises InputError."""
    facts = _with_fractions(table, facts)
    groups = _filled(table, facts.plan)
    if facts.plan.money.times:  # a price times a quantity holds no shipping, and its tax is part of the price
        groups = [found for found in groups if found.group == "discount"]
    elif groups:
        facts, groups = _shown_together(table, facts, groups)
    questions = []
    for found in groups:
        way = facts.plan.money
        better = _shown_by_numbers(table, facts, found) if way.times else None
        if note := _said_by_name(way, found):
            facts = facts.noted(note)
        elif better:
            facts = better
        else:
            questions.append(found)
    if questions:
        raise _question(facts.plan, questions)
    return facts


@dataclass(frozen=True)
class Together:
    """What another column of money may be: its value on a line, what is to be subtracted then, and what is settled."""

    value: ir.Value
    subtracted: tuple[str, ...]
    settled: tuple[str, ...]

    @property
    def note(self) -> str:
        """What is in the money, and what is not."""
        left = [name for name in self.settled if name not in self.subtracted]
        taken_out = f"{_are(self.subtracted)} in the money, and taken out" if self.subtracted else ""
        return "; ".join(part for part in (taken_out, f"{_are(left)} not in it" if left else "") if part)


def _shown_together(table: ir.Table, facts: Facts, groups: Sequence[Found]) -> tuple[Facts, list[Found]]:
    """Money that is written as one number, and the groups that no other column of money settles with it."""
    plan = facts.plan
    added = tuple(name for found in groups if found.group != "discount" for name in found.columns)
    off = tuple(name for found in groups if found.group == "discount" for name in found.columns)
    more, less = (_sum(table, plan, names) for names in (added, off))
    ways = _ways_together(value_of(table, plan, plan.money).cast("float64"), added, off, more, less)
    for other in other_money(table.columns):
        total = money.number(table[other], DECIMAL, facts.decimal).cast("float64")
        for way, fits in zip(ways, _fitting_together(table, total, ways, off, more, less), strict=True):
            if fits:
                without = replace(plan.money, minus=(*plan.money.minus, *way.subtracted))
                rest = [group for group in groups if not set(group.columns) <= set(way.settled)]
                note = f"{way.note}, as {other.removeprefix(OTHER)} confirms"
                return _with_money(facts, without).noted(note), rest
    return facts, list(groups)


def _ways_together(
    value: ir.Value, added: tuple[str, ...], off: tuple[str, ...], more: ir.Value, less: ir.Value
) -> list[Together]:
    """The money without what was added to it, or with it, before the discount or after; likeliest first."""
    ways = []
    if added:
        ways += [Together(value - more, added, added), Together(value + more, (), added)]
    if off:
        both = (*added, *off)
        ways += [Together(value - more + less, added, both), Together(value + more - less, off, both)]
    return ways


def _fitting_together(
    table: ir.Table,
    total: ir.Value,
    ways: Sequence[Together],
    off: Sequence[str],
    more: ir.Value,
    less: ir.Value,
) -> list[bool]:
    """Whether a column of money is what each way gives, on nearly all lines that the way would change."""
    each = table.mutate(
        total_=total, more_=more, less_=less, **{f"w_{at}": way.value for at, way in enumerate(ways)}
    )
    counts = {}
    for at, way in enumerate(ways):
        changed = (each.more_ != 0) | (each.less_ != 0) if set(off) & set(way.settled) else each.more_ != 0
        compared = changed & each.total_.notnull()
        counts[f"all_{at}"] = each.count(where=compared)
        counts[f"fit_{at}"] = each.count(where=compared & ((each[f"w_{at}"] - each.total_).abs() < CENTS))
    found = one_row(each.aggregate(**counts)) if ways else {}
    return [_nearly_all(found[f"fit_{at}"], found[f"all_{at}"]) for at in range(len(ways))]


def _are(names: Sequence[str]) -> str:
    """["tax"] -> "tax is"; ["tax", "shipping"] -> "tax, shipping are"."""
    return f"{', '.join(names)} {verb(len(names), 'is', 'are')}"


def _sum(table: ir.Table, plan: Plan, names: Sequence[str]) -> ir.FloatingValue:
    """The sum of columns of numbers, by their size; 0 of none."""
    import ibis

    zero = ibis.literal(0.0)
    return reduce(
        operator.add, (_number(table, plan, name).fill_null(0).cast("float64") for name in names), zero
    )


def _filled(table: ir.Table, plan: Plan) -> list[Found]:
    """The groups of columns beside the money that hold something other than 0."""
    groups = {
        group: [name for role in roles for name in plan.beside.get(role, ())]
        for group, roles in GROUPS.items()
    }
    groups = {group: names for group, names in groups.items() if names}
    if not groups:
        return []
    counts = one_row(
        table.aggregate(
            **{
                f"c_{name}": (_number(table, plan, name) != 0).sum()
                for names in groups.values()
                for name in names
            },
            **{
                f"g_{group}": table.copies.sum(
                    where=reduce(operator.or_, ((_number(table, plan, name) != 0) for name in names))
                )
                for group, names in groups.items()
            },
        )
    )
    return [
        Found(group, tuple(name for name in names if counts[f"c_{name}"]), counts[f"g_{group}"])
        for group, names in groups.items()
        if counts[f"g_{group}"]
    ]


def _number(table: ir.Table, plan: Plan, name: str) -> ir.DecimalValue:
    return table[f"n_{plan.numbers.index(name)}"].abs()


def _with_fractions(table: ir.Table, facts: Facts) -> Facts:
    """Percentages that the user mapped as shares of one, where none is above 1 and none has a percent sign."""
    plan = facts.plan
    if not plan.money.percent:
        return facts
    (name,) = plan.money.percent
    signs = table[f"percent_{plan.numbers.index(name)}"]
    found = one_row(table.aggregate(most=_number(table, plan, name).max(), signs=signs.sum()))
    if found["most"] > 1 or found["signs"]:
        return facts
    return _with_money(facts, replace(plan.money, percent=(), fraction=(name,)))


def _with_money(facts: Facts, way: Money, deducted: Sequence[Money] = ()) -> Facts:
    layout = replace(facts.plan.layout, money=(way,), deducted=(*facts.plan.layout.deducted, *deducted))
    return replace(facts, plan=replace(facts.plan, layout=layout))


def _said_by_name(way: Money, found: Found) -> str:
    """A note where the name of the money says that it is without a group of columns; else ""."""
    name = way.times[1] if way.times else way.plus[0]
    is_after = {
        "discount": says(name, AFTER_DISCOUNT)
        or (not way.times and says_total(name) and fold(name) not in PLAIN_TOTALS),
        "tax": says(name, (*WITHOUT_TAX, *WITHOUT_EXTRAS)),
        "shipping": says(name, WITHOUT_EXTRAS),
    }[found.group]
    role = next(iter(GROUPS[found.group][-1:]))
    return (
        f"{_are(found.columns)} not subtracted, because {name} is taken to be without "
        f'it (--column "{role}={found.columns[0]}" subtracts it)'
        if is_after
        else ""
    )


PLAIN_TOTALS = frozenset(word for group in usual_names("total")[1:] for word in group)


def _shown_by_numbers(table: ir.Table, facts: Facts, found: Found) -> Facts | None:
    """The money that another column of money confirms, in nearly all lines or orders; None where none does."""
    ways = _ways(table, facts, found)
    for other in other_money(table.columns):
        total = money.number(table[other], DECIMAL, facts.decimal)
        for name, fits in _fitting(table, facts.plan, total, ways, found).items():
            if fits:
                way, deducted = _meant(facts.plan.money, found, name)
                return _with_money(facts, way, deducted).noted(
                    f"{', '.join(found.columns)}: {MEANINGS[name]}, as {other.removeprefix(OTHER)} confirms"
                )
    return None


MEANINGS = {
    "minus": "subtracted from each line",
    "percent": "percent, taken off each line",
    "fraction": "a share, taken off each line",
    "order": "off the whole order, subtracted once",
}


def _ways(table: ir.Table, facts: Facts, found: Found) -> dict[str, ir.Value]:
    """What another column of money would be on a line, by what a discount may mean."""
    value = value_of(table, facts.plan, facts.plan.money).cast("float64")
    extra = _sum(table, facts.plan, found.columns)
    ways = {"minus": value - extra}
    if len(found.columns) == 1:
        ways |= {"percent": value * (1 - extra / 100), "fraction": value * (1 - extra)}
    return ways


def _fitting(
    table: ir.Table,
    plan: Plan,
    total: ir.DecimalValue,
    ways: Mapping[str, ir.Value],
    found: Found,
) -> dict[str, bool]:
    """Whether a column of money is what each of the ways gives, line by line or summed by order."""
    extra = _sum(table, plan, found.columns)
    each = table.mutate(
        total_=total.cast("float64"), extra_=extra, **{f"w_{name}": way for name, way in ways.items()}
    ).filter(lambda t: t.extra_ != 0)
    by_line = one_row(
        each.aggregate(
            all=each.total_.count(),
            **{name: ((each[f"w_{name}"] - each.total_).abs() < CENTS).sum() for name in ways},
        )
    )
    fits = {name: _nearly_all(by_line[name], by_line["all"]) for name in ways}
    if any(fits.values()) or not plan.layout.order:
        return fits
    return _fitting_orders(table, plan, total, ways, extra)


def _fitting_orders(
    table: ir.Table, plan: Plan, total: ir.Value, ways: Mapping[str, ir.Value], extra: ir.Value
) -> dict[str, bool]:
    value = value_of(table, plan, plan.money).cast("float64")
    each = table.mutate(
        total_=total.cast("float64"),
        extra_=extra,
        value_=value,
        **{f"w_{name}": way for name, way in ways.items()},
    )
    orders = each.group_by("invoice").aggregate(
        total_=each.total_.max(), extra_=each.extra_.max(), value_=each.value_.sum(), lines_=each.count(),
        **{f"w_{name}": each[f"w_{name}"].sum() for name in ways},
    ).filter(lambda t: t.extra_ != 0)  # fmt: skip
    orders = orders.mutate(w_order=orders.value_ - orders.extra_)
    names = [*ways, "order"]
    counts = one_row(
        orders.aggregate(
            all=orders.total_.count(),
            several=(orders.lines_ > 1).sum(),
            **{name: ((orders[f"w_{name}"] - orders.total_).abs() < CENTS).sum() for name in names},
        )
    )
    return {name: _nearly_all(counts[name], counts["all"]) for name in names}


def _nearly_all(fitting: int, all_of_them: int) -> bool:
    return all_of_them > 0 and fitting >= NEARLY_ALL * all_of_them


def _meant(way: Money, found: Found, meaning: str) -> tuple[Money, tuple[Money, ...]]:
    """(The money of a line, what is off the whole order) by what the columns of a group mean."""
    if meaning == "minus":
        return replace(way, minus=(*way.minus, *found.columns)), ()
    if meaning == "percent":
        return replace(way, percent=found.columns), ()
    if meaning == "fraction":
        return replace(way, fraction=found.columns), ()
    return way, (Money("order", plus=found.columns),)


def _question(plan: Plan, groups: Sequence[Found]) -> InputError:
    """All open groups in one question, each with the options that answer it."""
    way = plan.money
    made = " × ".join(way.times) if way.times else " + ".join(way.plus)
    columns = ", ".join(
        f"{', '.join(found.columns)} ({counted(found.lines, 'line')} with other than 0)" for found in groups
    )
    options = "; and ".join(_options(plan, found, made) for found in groups)
    return InputError(
        f"Beside {made} stand {columns}, and nothing says whether the money is with or without them. Expected to know "
        f"what customers paid for goods. Say {options}."
    )


def _options(plan: Plan, found: Found, made: str) -> str:
    name = found.columns[0]
    if found.group != "discount":
        return (
            f'--column "{found.group}={name}" if {made} holds it and it is to be subtracted, or --column '
            f"{found.group}=none if not"
        )
    options = [
        f'--column "discount={name}" if it is money off {"the line" if plan.money.per == "line" else "the order"}'
    ]
    if plan.money.times:
        options += [
            f'--column "order_discount={name}" if it is money off the whole order',
            f'--column "discount_percent={name}" if it is a percentage',
        ]
    return ", ".join(options) + f", or --column discount=none if {made} is already after it"
