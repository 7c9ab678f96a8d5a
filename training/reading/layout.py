"""What is written down about one known export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Columns = tuple[str, ...]


@dataclass(frozen=True)
class Money:
    """One way to make money of columns: the product of `times` or the sum of `plus`, less each of `minus`.

    A deduction counts by its size: systems write discounts as 4.00 and as -4.00. An empty cell is zero.
    `percent` are percentages (20) that are taken off, `fraction` such shares of one (0.2).
    `per` says what one value stands for: the line, or the whole order, which may repeat it on each of its
    lines or write it on the first line only, and which counts once either way.
    A file can be read in this way if it has all the columns that are named.
    """

    per: Literal["line", "order"]
    plus: Columns = ()
    times: Columns = ()
    minus: Columns = ()
    percent: Columns = ()
    fraction: Columns = ()


@dataclass(frozen=True)
class Kinds:
    """The column that says what a row is, and its values: sales, refunds (money is negative), and what is neither.

    A value that stands in none of the three is asked about. With `sales_are_positive` a sale of negative money
    is something that the shop itself bought.
    """

    column: str
    sales: Columns
    refunds: Columns = ()
    others: Columns = ()
    sales_are_positive: bool = False


@dataclass(frozen=True)
class Layout:
    """One known export.

    It fits a header that has all columns of `needs`, at least one of `any_of` (where it names some) and none
    of `without`.

    `customer` is in order of preference; a name of a person is never in it. If the file has none of these columns,
    it cannot be used and the user is told so. `money` and `refunded` are in order of preference too.
    `deducted` is money off the whole order, on its first line or on each, which counts once.
    A row does not count if one of the columns of `status` says so (`counts` and `does_not_count` are words that mean
    this in this system only), if one of `against` is filled with anything but 0, "false" or "no", or if
    `paid` is empty in the whole order. A row that leaves `line` empty is a summary of its order and not a line.
    `refund_customer` is the customer's column in rows that are refunds, where it is another one; `refund_of` names the
    order that a refund is of.
    `keep` are columns that a user may want to see beside a customer.

    `refuses` says why files of this layout cannot be used at all; `unknown` says what they cannot tell.
    """

    name: str
    source: str
    needs: Columns
    any_of: Columns = ()
    without: Columns = ()
    customer: Columns = ()
    order: Columns = ()
    date: Columns = ()
    time: Columns = ()
    money: tuple[Money, ...] = ()
    refunded: tuple[Money, ...] = ()
    deducted: tuple[Money, ...] = ()
    status: Columns = ()
    counts: Columns = ()
    does_not_count: Columns = ()
    against: Columns = ()
    paid: Columns = ()
    line: Columns = ()
    kinds: Kinds | None = None
    refund_customer: Columns = ()
    refund_of: Columns = ()
    currency: Columns = ()
    country: Columns = ()
    item: Columns = ()
    keep: Columns = ()
    unknown: str = ""
    refuses: str = ""
