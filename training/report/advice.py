"""What to do with a group of customers: a sentence that follows from what such customers did next, and says it."""

from __future__ import annotations

from contract.advice_words import best_first, expected_of_leavers
from contract.words import amount, percent
from training.report.evidence import Evidence

MOST_COME_BACK = 0.6  # share who bought again from which nothing has to be paid for the next order
FEW_COME_BACK = 0.25  # ... and below which only the best of them are worth a message
TOO_SHORT = "the past of the data is too short"
NO_SUCH_SEGMENT = "the past had no such segment"
TOO_FEW = "the past had too few of them"
TEST = "Send one message to a part of them, leave the others alone, and compare."


def unknown(why: str) -> str:
    """What to do where it is not known what such customers do next, and `why` it is not known."""
    return f"What such customers do next is not known: {why}. {TEST}"


def advice(
    evidence: Evidence, customers: int, above_median: int, *, below_shop: bool = False, late: bool = False
) -> str:
    """What to do with a group of `customers` today, of whom `above_median` spent more than the shop's median customer.

    below_shop: whether such customers spend less per head than the shop's do on average; late: whether they have
    been away for longer than twice their usual time.
    """
    done = (
        f"{percent(evidence.bought_again)} bought again within {evidence.days} days as things were, "
        f"{amount(evidence.spend_of_buyers)} each"
    )
    order = best_first(customers, above_median)
    if evidence.bought_again >= MOST_COME_BACK and late:
        return f"{done}: most come back without a discount, only later. Ask what is missing{order}"
    if evidence.bought_again >= MOST_COME_BACK:
        offer = "a look at what is new" if below_shop else "early access and a personal contact"
        return f"{done}: they come back without a discount. Offer {offer}{order}"
    if evidence.bought_again >= FEW_COME_BACK:
        return f"{done}: a mail costs little{order}"
    if evidence.bought_again > 0:
        return f"Only {done}: one automatic reminder pays, a discount for all of them does not{order}"
    return f"None of them bought again within {evidence.days} days: leave them out of paid campaigns."


def advice_on_leavers(evidence: Evidence | None, customers: int) -> str:
    """What to do with those who have just left the best segment."""
    if evidence is None:
        return (
            "What customers who left the best segment do next is not known: there were too few in the past. Ask the "
            "biggest spenders among them first what is missing."
        )
    return (
        f"Of those who left it before, {percent(evidence.bought_again)} bought again within {evidence.days} days and "
        f"spent {amount(evidence.spend_of_buyers)} each, {expected_of_leavers(evidence.mean_spend, customers)}. "
        "Ask the biggest spenders first what is missing."
    )
