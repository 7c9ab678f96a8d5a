"""Dates of six digits (240131, 310124, 013124): their order is what all of them allow, or what the user says."""

from __future__ import annotations

from collections.abc import Mapping

from training.errors import InputError
from training.reading.dates import SERIAL, SIX_DIGITS

ORDERS = {"ymd": "year-first", "dmy": "day-first", "mdy": "month-first"}


def decided(forms: Mapping[str, int], asked_for: str | None, before: str) -> tuple[list[str], str]:
    """(The forms of dates, of those of six digits only one; its order, "" where no date is so written).

    `asked_for` is the order that the user says, `before` that of a model's training. Raises InputError where neither
    is known and the dates allow several orders.
    """
    six = {ORDERS[order]: form for form, order in SIX_DIGITS.items() if form in forms}
    if not six:
        return list(forms), ""
    if SERIAL in forms:
        raise InputError(
            "Dates of six digits (010224) stand beside dates of five (10224), so that a spreadsheet may have dropped "
            "a leading zero. Expected six digits each. Format that column as text, and export it again."
        )
    most = max(forms[form] for form in six.values())
    orders = [order for order, form in six.items() if forms[form] == most]
    order = asked_for or (orders[0] if len(orders) == 1 else before)
    if order not in six:
        options = " or ".join(f"--date-order {each}" for each in orders)
        raise InputError(
            "Dates of six digits, such as 240131, can begin with the year, the day or the month, and no date decides. "
            f"Expected one order that all dates fit. Say {options}."
        )
    return [form for form in forms if form not in SIX_DIGITS or form == six[order]], order
