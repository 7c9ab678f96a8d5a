"""The parts of an advice that count the customers of today: a training writes them, a server may have to anew."""

from __future__ import annotations

import re

from contract.words import amount, counted

BEST_FIRST = re.compile(r"; [^;]* the shop's median customer[^;]*\.\Z")
EXPECTED_OF_LEAVERS = re.compile(r"so \S+ may be expected from .*? if nothing changes")


def best_first(customers: int, above_median: int) -> str:
    """Whom of so many customers to begin with, if so many of them spent more than the shop's median customer."""
    if above_median == 0:
        return "; none of them spent more than the shop's median customer."
    if above_median == customers:
        return "; all of them spent more than the shop's median customer."
    who = "the one" if above_median == 1 else f"the {above_median:,}"
    comes = "comes" if above_median == 1 else "come"
    return f"; {who} who spent more than the shop's median customer {comes} first."


def expected_of_leavers(mean_spend: float, customers: int) -> str:
    """What to expect of so many customers who left the best segment, where each brings `mean_spend`."""
    money = amount(mean_spend * customers)
    return f"so {money} may be expected from {counted(customers, 'such customer')} if nothing changes"
