"""From transaction lines to orders, with a funnel that accounts for every line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from training.errors import InputError

if TYPE_CHECKING:
    import ibis

CANCELLED_INVOICE = r"^\s*C\d"


@dataclass(frozen=True)
class Funnel:
    """What became of the lines. The counts of all steps sum to `read`.

    `customers` counts those with a readable line; `gross` and `returned` are money, exact.
    """

    read: int
    missing_customer: int
    unreadable: int
    after_as_of: int
    duplicates: int
    worthless: int
    cancellations: int
    purchases: int
    customers: int
    gross: Decimal
    returned: Decimal

    STEPS = (
        ("missing_customer", "no customer id"),
        ("unreadable", "unreadable date or number"),
        ("after_as_of", "on or after the as-of date"),
        ("duplicates", "exact duplicate of another line"),
        ("worthless", "price <= 0 or quantity 0"),
        ("cancellations", "cancellation"),
        ("purchases", "purchase"),
    )

    def rows(self) -> list[tuple[str, int, int]]:
        """(step, its lines, lines left after it), in order; the last step is what is left."""
        left, rows = self.read, []
        for name, title in self.STEPS:
            lines = getattr(self, name)
            left -= lines if name != "purchases" else 0
            rows.append((title, lines, left))
        return rows


@dataclass(frozen=True)
class Cleaned:
    """Orders (one row a customer and order), the funnel, and the moment everything is seen from."""

    orders: ibis.Table
    funnel: Funnel
    as_of: datetime


def clean(lines: ibis.Table, as_of: date | None = None, keep_duplicates: bool = False) -> Cleaned:
    """Transaction lines (as `reading.read.read_lines` gives them) to orders, one row a customer and order.

    Lines are looked at in a fixed order: no customer; unreadable date or number; on or after
    `as_of`; exact duplicates of another line (kept on request); price <= 0 or quantity 0; then
    cancellations (an invoice number of `C` and digits, or a negative quantity or amount) and
    purchases. Without an invoice a customer's lines of one day are one order.

    The result's `orders` has the columns customer_id, order_id, country, date (its earliest),
    first_date, last_date (of the purchases in it, null when it has none), purchased and returned
    (money, exact decimals, both >= 0) and the number of lines of each kind. `as_of` is by default the
    latest date plus one day; a given date stands for the end of that day, and lines of that day or
    later are not used: so the last purchase is always at least one day back. A given datetime is that
    moment, and lines less than a day before it are not used.

    Raises InputError when no line is left.
    """
    return seen_from(moments(lines, keep_duplicates), as_of)


def moments(lines: ibis.Table, keep_duplicates: bool = False) -> ibis.Table:
    """Transaction lines to a row for each customer, invoice and date; the lines are read here, once, and not again.

    The columns are customer_id, invoice, date, country, purchased and returned (money), the number of `lines` and,
    without exact duplicates unless they are kept, of each kind of line. Lines without a customer are in rows
    without customer_id, unreadable ones in rows without a date.
    """
    import ibis

    readable = lines.date.notnull() & lines.amount.notnull()
    if keep_duplicates:
        distinct = lines.mutate(date=readable.ifelse(lines.date, None), copies=ibis.literal(1, "int64"))
    else:
        # Of a line that cannot be used only its customer is kept, so that all of them are few rows.
        useful = readable & lines.customer_id.notnull()
        known = {name: useful.ifelse(lines[name], None).cast(kind) for name, kind in lines.schema().items()}
        table = lines.select(**(known | {"customer_id": lines.customer_id}))
        distinct = table.group_by(table.columns).aggregate(copies=table.count())
    worthless = (distinct.price.fill_null(1) <= 0) | (distinct.amount == 0)
    cancelled = ~worthless & (
        distinct.invoice.cast("string").re_search(CANCELLED_INVOICE).fill_null(False)
        | (distinct.quantity.fill_null(1) < 0)
        | (distinct.amount < 0)
    )
    distinct = distinct.mutate(worthless=worthless, cancelled=cancelled, bought=~(worthless | cancelled))
    return _kept(
        distinct.group_by("customer_id", "invoice", "date").aggregate(
            country=distinct.country.max(),
            purchased=distinct.amount.sum(where=distinct.bought).fill_null(0),
            returned=distinct.amount.abs().sum(where=distinct.cancelled).fill_null(0),
            lines=distinct.copies.sum(),
            purchase_lines=distinct.bought.sum().fill_null(0),
            cancellation_lines=distinct.cancelled.sum().fill_null(0),
            worthless_lines=distinct.worthless.sum().fill_null(0),
        )
    )


def seen_from(moments: ibis.Table, as_of: date | None = None) -> Cleaned:
    """What `moments` gives, to orders and funnel as `clean` describes them. Raises InputError when no line is left."""
    import ibis

    missing = moments.customer_id.isnull()
    counted = moments.aggregate(
        read=moments.lines.sum(),
        missing=moments.lines.sum(where=missing),
        unreadable=moments.lines.sum(where=~missing & moments.date.isnull()),
        latest=moments.date.max(where=~missing),
    )
    *counts, latest = _only_row(counted)
    read, missing_count, unreadable_count = (count or 0 for count in counts)
    funnel = {"read": read, "missing_customer": missing_count, "unreadable": unreadable_count}
    if latest is None:
        raise InputError(_nothing_left(funnel))
    end = end_of(as_of) if as_of else latest + timedelta(days=1)
    used = moments.filter(~missing & moments.date.notnull())
    if as_of:
        used = used.filter(used.date < ibis.timestamp(end - timedelta(days=1) + timedelta(seconds=1)))

    used = used.mutate(order_id=ibis.coalesce(used.invoice, used.date.strftime("%Y-%m-%d")))
    bought = used.purchase_lines > 0
    sums = ["purchased", "returned", "lines", "purchase_lines", "cancellation_lines", "worthless_lines"]
    orders = _kept(
        used.group_by("customer_id", "order_id").aggregate(
            country=used.country.max().strip().nullif(""),
            date=used.date.min(),
            first_date=used.date.min(where=bought),
            last_date=used.date.max(where=bought),
            **{name: used[name].sum() for name in sums},
        )
    )
    totals = orders.aggregate(
        used=orders.lines.sum(),
        worthless=orders.worthless_lines.sum(),
        cancellations=orders.cancellation_lines.sum(),
        purchases=orders.purchase_lines.sum(),
        customers=orders.customer_id.nunique(),
        gross=orders.purchased.sum(),
        returned=orders.returned.sum(),
    )
    used_count, worthless, cancellations, purchases, customers, gross, returned = (
        value or 0 for value in _only_row(totals)
    )
    funnel |= {
        "after_as_of": read - missing_count - unreadable_count - used_count,
        "duplicates": used_count - worthless - cancellations - purchases,
        "worthless": worthless,
        "cancellations": cancellations,
        "purchases": purchases,
        "customers": customers,
    }
    if not purchases:
        raise InputError(_nothing_left(funnel))
    return Cleaned(orders, Funnel(gross=Decimal(gross), returned=Decimal(returned), **funnel), end)


def _kept(table: ibis.Table) -> ibis.Table:
    """A table, run once and kept by its engine."""
    import ibis

    backend = table.get_backend()
    if backend.name == "pyspark":  # has no temporary tables, but keeps one in memory and on disk
        return table.cache()
    return backend.create_table(ibis.util.gen_name("kept"), table, temp=True)


def end_of(day: date) -> datetime:
    """The moment that an as-of day stands for: its last second, from which whole days back are calendar days.

    A datetime stands for itself, to the second.
    """
    if isinstance(day, datetime):
        return day.replace(microsecond=0)
    return datetime.combine(day, time(23, 59, 59))


def _only_row(table: ibis.Table) -> Sequence:
    return list(table.to_pyarrow().to_pylist()[0].values())


def _nothing_left(funnel: dict[str, int]) -> str:
    reasons = ", ".join(
        f"{funnel[name]:,} {title}"
        for name, title in Funnel.STEPS
        if funnel.get(name) and name != "purchases"
    )
    return (
        f"No purchase is left of {funnel['read']:,} lines ({reasons or 'the table is empty'}). "
        "Expected lines with a customer, a date, and a price and quantity above zero. "
        "Check the column mapping (--column) and the date and decimal forms."
    )
