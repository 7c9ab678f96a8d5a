"""Lines as a plan says they are written -> canonical lines, each with the step that sets it aside, if any.

The order of the steps: nobody's lines, placeholders and totals, unreadable cells, dates far away, status, currency.
What is of an order (its customer, date, status, money) is told to all its lines first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.reading.beside import settled
from training.reading.counting import believable, counting_lines
from training.reading.currency import one_currency
from training.reading.customers import check_digits, known_people
from training.reading.either import order_or_line
from training.reading.facts import Facts
from training.reading.kept import forget, kept
from training.reading.lines import with_money
from training.reading.orders import filled_by_order
from training.reading.request import Request

if TYPE_CHECKING:
    import ibis.expr.types as ir


def interpret(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """Typed cells of `cells`, kept -> canonical lines with `step`, `kind`, `refunded` and `copies`, and the facts."""
    plan = facts.plan
    check_digits(table, plan)
    table, facts = believable(table, facts, request)
    filled = kept(filled_by_order(table, plan))
    facts = settled(filled, facts)
    table, facts = known_people(filled, facts, request)
    counting, facts = counting_lines(table, facts, request)
    table, facts = one_currency(counting, facts, request)
    facts = order_or_line(table, facts, request)
    lines = kept(with_money(table, facts.plan))
    forget(filled, counting)
    return lines, facts
