"""From transaction lines to orders, with a funnel that accounts for every line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from training.errors import InputError
from training.reading.forgotten import STEP
from training.reading.header_words import names_article
from training.reading.kept import kept, one_row, rows_of
from training.reading.money import GIFT_CARD

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
    placeholders: int = 0
    set_aside: int = 0
    status: int = 0
    other_currency: int = 0
    payments: int = 0
    deductions: int = 0
    forgotten: int = 0

    STEPS = (
        ("missing_customer", "no customer id"),
        ("placeholders", "placeholder, guest without e-mail, or total line"),
        ("unreadable", "unreadable date or number"),
        ("set_aside", "date set aside: far from all others"),
        ("status", "status or kind that does not count"),
        ("other_currency", "in another currency"),
        ("forgotten", "of customers who asked to be forgotten"),
        ("after_as_of", "on or after the as-of date"),
        ("duplicates", "exact duplicate of another line"),
        ("worthless", "price or quantity 0"),
        ("payments", "paid by gift card"),
        ("deductions", "deduction in an order with purchases"),
        ("cancellations", "cancellation"),
        ("purchases", "purchase"),
    )
    SHOWN_IF_ANY = (
        "placeholders",
        "set_aside",
        "status",
        "other_currency",
        "forgotten",
        "payments",
        "deductions",
    )

    def rows(self) -> list[tuple[str, int, int]]:
        """(step, its lines, lines left after it), in order; the last step is what is left.

        Steps that few shops have are only shown where they have lines.
        """
        left, rows = self.read, []
        for name, title in self.STEPS:
            lines = getattr(self, name)
            left -= lines if name != "purchases" else 0
            if lines or name not in self.SHOWN_IF_ANY:
                rows.append((title, lines, left))
        return rows


@dataclass(frozen=True)
class Cleaned:
    """Orders (one row a customer and order), the funnel, and the moment everything is seen from.

    steps: lines, latest date and negative lines of each step of the `moments`, which are those of any other day.
    """

    orders: ibis.Table
    funnel: Funnel
    as_of: datetime
    steps: Mapping[str | None, Mapping[str, Any]]


def clean(lines: ibis.Table, as_of: date | None = None, keep_duplicates: bool = False) -> Cleaned:
    """Transaction lines (as `reading.read` gives them) to orders, one row a customer and order.

    Lines are looked at in a fixed order: what reading set aside (no customer; a placeholder; unreadable; a date far
    from all others; a status that does not count; another currency); on or after `as_of`; exact duplicates
    (kept on request); price or quantity 0; gift cards that paid; negative lines of an order that has purchases on that
    day, which are deductions; then cancellations (an invoice number of `C` and digits, or a negative quantity or
    amount) and purchases. Without an invoice a customer's lines of one day are one order.

    The result's `orders` has the columns customer_id, order_id, country, date and ended (its earliest and latest),
    first_date, last_date (of the purchases in it, null when it has none), purchased (less deductions) and returned
    (money, exact decimals) and the number of lines of each kind. `as_of` is by default the
    latest date plus one day; a given date stands for the end of that day, and lines of that day or
    later are not used: so the last purchase is always at least one day back. A given datetime is that
    moment, and lines less than a day before it are not used.

    Raises InputError when no line is left.
    """
    return seen_from(moments(lines, keep_duplicates), as_of)


def moments(lines: ibis.Table, keep_duplicates: bool = False) -> ibis.Table:
    """Transaction lines to a row for each customer, invoice and date; the lines are read here, once, and not again.

    The columns are customer_id, invoice, date, step (of the funnel, null for lines that are used), country, purchased,
    returned and minus (money), the number of `lines` and, without exact duplicates unless they are kept, of each kind
    of line. Of lines that are set aside only the customer and invoice are kept, so that all of them are few rows; their
    date, too, where it counts for the as-of date. Columns `keep_` have their latest value.
    """

    distinct = lines if "step" in lines.columns else plain_lines(lines, keep_duplicates)
    distinct = with_kinds(distinct)
    kinds = {kind: distinct.kind == number for number, kind in enumerate(KINDS)}
    taken = taken_by(distinct)
    kept_columns = {
        name: distinct[name].argmax(distinct.date) for name in distinct.columns if name.startswith("keep_")
    }
    refunded = distinct.refunded.sum().fill_null(0) if "refunded" in distinct.columns else 0
    sums = {
        "purchased": distinct.amount.sum(where=kinds["purchase"]).fill_null(0),
        "returned": taken.sum(where=kinds["cancellation"]).fill_null(0) + refunded,
        "minus": taken.sum(where=kinds["minus"]).fill_null(0),
        "lines": distinct.copies.sum(),
        "purchase_lines": kinds["purchase"].sum().fill_null(0),
        "cancellation_lines": kinds["cancellation"].sum().fill_null(0),
        "worthless_lines": kinds["worthless"].sum().fill_null(0),
        "payment_lines": kinds["payment"].sum().fill_null(0),
        "minus_lines": kinds["minus"].sum().fill_null(0),
    }
    if distinct.get_backend().name == "pyspark" and not kept_columns:
        distinct, sums = _by_country(distinct, sums)
    moment = distinct.group_by(*MOMENT)
    return kept(moment.aggregate(country=distinct.country.max(), **sums, **kept_columns))


def _by_country(
    lines: ibis.Table, sums: Mapping[str, ibis.Value]
) -> tuple[ibis.Table, dict[str, ibis.Value]]:
    """Lines summed up for each country, and the sums of these: Spark sorts what it takes the greatest text of."""
    parts = lines.group_by(*MOMENT, "country").aggregate(**sums)
    return parts, {name: parts[name].sum() for name in sums}


MOMENT = ("customer_id", "invoice", "date", "step")
ORDER = ("customer_id", "order_id")
KINDS = ("purchase", "cancellation", "worthless", "payment", "minus")
OF_THE_END = ("status", "other_currency")  # steps whose lines have a date that counts for the as-of date


def plain_lines(lines: ibis.Table, keep_duplicates: bool) -> ibis.Table:
    """Plain lines with `step` and `copies`; of those set aside only the customer and invoice are kept."""
    import ibis

    readable = lines.date.notnull() & lines.amount.notnull()
    if keep_duplicates:
        distinct = lines.mutate(date=readable.ifelse(lines.date, None), copies=ibis.literal(1, "int64"))
    else:
        useful = readable & lines.customer_id.notnull()
        known = {name: useful.ifelse(lines[name], None).cast(kind) for name, kind in lines.schema().items()}
        identity = {"customer_id": lines.customer_id, "invoice": lines.invoice}
        table = lines.select(**(known | identity))
        distinct = table.group_by(table.columns).aggregate(copies=table.count())
    step = ibis.cases(
        (distinct.customer_id.isnull(), "missing_customer"),
        (distinct.date.isnull(), "unreadable"),
        else_=None,
    )
    return distinct.mutate(step=step.cast("string"))


def taken_by(lines: ibis.Table) -> ibis.expr.types.DecimalValue:
    """The money that a line takes away, where it is a cancellation or a deduction."""
    both_negative = (lines.quantity.fill_null(1) < 0) & (lines.price.fill_null(1) < 0)
    return both_negative.ifelse(-lines.amount, lines.amount.abs())


def with_kinds(lines: ibis.Table) -> ibis.Table:
    """Lines with the `kind`, a number of KINDS, that money and reading give them; of lines set aside less is kept."""
    import ibis

    purchase, cancellation, bare, payment, minus = (ibis.literal(at, "int8") for at in range(len(KINDS)))
    used = lines.step.isnull()
    given = []
    if "kind" in lines.columns:
        names = {"part": purchase, "worthless": bare, "refund": cancellation}
        given = [(lines.kind == name, kind) for name, kind in names.items()]
    worthless = (
        (lines.price == 0).fill_null(False) | (lines.quantity == 0).fill_null(False) | (lines.amount == 0)
    )
    cancelled = lines.invoice.cast("string").re_search(CANCELLED_INVOICE).fill_null(False)
    negative = (lines.amount < 0) | (lines.quantity < 0).fill_null(False) | (lines.price < 0).fill_null(False)
    kind = ibis.cases(
        (~used, None),
        *given,
        (worthless, bare),
        (cancelled, cancellation),
        (negative, (negative & _is_gift_card(lines, negative)).ifelse(payment, minus)),
        else_=purchase,
    )
    dated = used | lines.step.isin(OF_THE_END)
    return lines.mutate(kind=kind, date=dated.ifelse(lines.date, None))


def _is_gift_card(lines: ibis.Table, negative: ibis.expr.types.BooleanValue) -> ibis.expr.types.BooleanValue:
    """Whether a negative line is called a gift card in a column of articles; only negative ones are looked at."""
    import ibis

    names = ["stock_code", *(name for name in lines.columns if names_article(name))]
    is_called = [lines[name].cast("string").re_search(GIFT_CARD).fill_null(False) for name in names]
    return negative.ifelse(reduce(or_, is_called), ibis.literal(False))


def seen_from(moments: ibis.Table, as_of: date | None = None, later: Cleaned | None = None) -> Cleaned:
    """What `moments` gives, to orders and funnel as `clean` describes them. Raises InputError when no line is left.

    `later` is what it gave for a later day: orders that had ended by now are not counted again.
    """
    import ibis

    steps = later.steps if later else steps_of(moments)
    counted = {step: row["lines"] for step, row in steps.items()}
    read = sum(counted.values())
    aside = ("missing_customer", "placeholders", "unreadable", "set_aside", "status", "other_currency", STEP)
    funnel = {"read": read} | {step: counted.get(step, 0) for step in aside}
    ends = (steps[step]["latest"] for step in (None, STEP, *OF_THE_END) if step in steps)
    latest = max((end for end in ends if end is not None), default=None)
    if latest is None:
        raise InputError(_nothing_left(funnel))
    end = end_of(as_of) if as_of else latest + timedelta(days=1)
    used = moments.filter(moments.step.isnull())
    until = ibis.timestamp(end - timedelta(days=1) + timedelta(seconds=1))
    if as_of:
        used = used.filter(used.date < until)
    used = used.mutate(order_id=ibis.coalesce(used.invoice, used.date.strftime("%Y-%m-%d")))
    has_minus = bool(steps.get(None, {}).get("minus"))
    if later:
        under_way = later.orders.filter(later.orders.date < until, later.orders.ended >= until)
        orders = later.orders.filter(later.orders.ended < until)
        if one_row(under_way.aggregate(orders=under_way.count()))["orders"]:
            again = used.semi_join(under_way, list(ORDER))
            orders = orders.union(kept(_orders(again, has_minus)))
    else:
        orders = kept(_orders(used, has_minus))
    totals = orders.aggregate(
        used=orders.lines.sum(),
        worthless=orders.worthless_lines.sum(),
        payments=orders.payment_lines.sum(),
        deductions=orders.deduction_lines.sum(),
        cancellations=orders.cancellation_lines.sum(),
        purchases=orders.purchase_lines.sum(),
        customers=orders.customer_id.nunique(),
        gross=orders.purchased.sum(),
        returned=orders.returned.sum(),
    )
    found = one_row(totals)
    kinds = ("worthless", "payments", "deductions", "cancellations", "purchases")
    funnel |= {
        "after_as_of": counted.get(None, 0) - found["used"],
        "duplicates": found["used"] - sum(found[kind] for kind in kinds),
        **{name: found[name] for name in (*kinds, "customers")},
    }
    if not found["purchases"]:
        raise InputError(_nothing_left(funnel))
    gross, returned = Decimal(found["gross"]), Decimal(found["returned"])
    return Cleaned(orders, Funnel(gross=gross, returned=returned, **funnel), end, steps)


def steps_of(moments: ibis.Table) -> dict[str | None, dict[str, Any]]:
    """Lines, latest date and negative lines of each step of the `moments`; null: lines that are used."""
    by_step = moments.group_by("step").aggregate(
        lines=moments.lines.sum(), latest=moments.date.max(), minus=moments.minus_lines.sum()
    )
    return {row["step"]: row for row in rows_of(by_step)}


def _orders(used: ibis.Table, has_minus: bool) -> ibis.Table:
    """Moments with an `order_id` to one row a customer and order."""
    import ibis

    used = _with_deductions(used) if has_minus else used.mutate(deduction_lines=ibis.literal(0, "int64"))
    bought = used.purchase_lines > 0
    sums = ["purchased", "returned", "lines", "purchase_lines", "cancellation_lines", "worthless_lines"]
    sums += ["payment_lines", "deduction_lines"]
    last_kept = {name: used[name].argmax(used.date) for name in used.columns if name.startswith("keep_")}
    return used.group_by(*ORDER).aggregate(
        country=used.country.max().strip().nullif(""),
        date=used.date.min(),
        ended=used.date.max(),
        first_date=used.date.min(where=bought),
        last_date=used.date.max(where=bought),
        **{name: used[name].sum() for name in sums},
        **last_kept,
    )


def _with_deductions(used: ibis.Table) -> ibis.Table:
    """Negative lines as deductions where the order has purchases of that day, and as cancellations elsewhere."""
    day = used.date.date()
    bought = used.purchase_lines.sum().over(group_by=[used.customer_id, used.order_id, day]) > 0
    return used.mutate(
        purchased=used.purchased - bought.ifelse(used.minus, 0),
        returned=used.returned + bought.ifelse(0, used.minus),
        deduction_lines=bought.ifelse(used.minus_lines, 0),
        cancellation_lines=used.cancellation_lines + bought.ifelse(0, used.minus_lines),
    )


def end_of(day: date) -> datetime:
    """The moment that an as-of day stands for: its last second, from which whole days back are calendar days.

    A datetime stands for itself, to the second.
    """
    if isinstance(day, datetime):
        return day.replace(microsecond=0)
    return datetime.combine(day, time(23, 59, 59))


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
