"""The outlook in sentences: what is expected of all customers, and how it held on the past."""

from __future__ import annotations

from collections.abc import Mapping

from contract.forecast_words import shop_sentence
from contract.words import counted, listed, percent
from training.outlook import Outlook
from training.value.backtest import OURS


def outlook_line(outlook: Outlook, shop: Mapping[str, float | None] | None) -> str:
    """The outcome as one line; `shop` is the total of all customers, None where the forecast does not hold."""
    days = outlook.horizon_days
    if shop is None:
        return f"No forecast of the next {days} days is shown. {outlook.state}"
    spend, low, high = (shop[name] for name in ("expected_spend", "expected_low", "expected_high"))
    return shop_sentence(shop["expected_orders"], spend, low, high, days)


def outlook_sentences(outlook: Outlook, shop: Mapping[str, float | None] | None) -> list[str]:
    """The same line, then how the forecast was tested, and what to be careful with."""
    return [outlook_line(outlook, shop), *tested_sentences(outlook), *_careful(outlook)]


def tested_sentences(outlook: Outlook) -> list[str]:
    """How the forecast held at the cut-offs; nothing where there was none."""
    if not outlook.tests:
        return []
    days, level = outlook.horizon_days, outlook.level()
    dates = [test.day for test in outlook.tests]
    when = f"at {dates[0]}" if len(dates) == 1 else f"at {len(dates)} cut-offs, {dates[-1]} to {dates[0]}"
    ranks = {way: spend for way, (spend, _) in outlook.ranks().items()}
    ours = ranks.pop(OURS)
    best = max(ranks, key=lambda way: ranks[way])
    return [
        f"It was tested {when}{outlook.sample_note}: made from what was known then alone, and held against the "
        f"{days} days after.",
        f"It puts customers in the order of what they then spent with a rank correlation of {ours:.2f}; the best plain "
        f"way ({best}) has {ranks[best]:.2f}.",
        f"Expected orders were {percent(level['orders'])} and expected spend {percent(level['spend'])} of what came, "
        "over all cut-offs.",
        f"The spend of {percent(outlook.covered())} of customers was in the range given for each; four in five "
        "are meant to be.",
    ]


def _careful(outlook: Outlook) -> list[str]:
    cautions = len(outlook.verdict.cautions)
    if not (outlook.holds and cautions):
        return []
    off = [
        test.day
        for test in outlook.tests
        if abs(test.backtest.expected_orders - test.backtest.orders)
        > outlook.limits.level_within * test.backtest.orders
    ]
    return [
        f"At {counted(cautions, 'cut-off')} ({listed(off)}) the orders of all customers were more than "
        f"{percent(outlook.limits.level_within)} from what came: trust the order of customers more than the sums."
    ]
