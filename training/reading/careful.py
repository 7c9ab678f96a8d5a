"""Lines as a plan says they are written -> canonical lines, each with the step that sets it aside, if any.

The order of the steps: nobody's lines, placeholders and totals, unreadable cells, dates far away, status, currency.
What is of an order (its customer, date, status, money) is told to all its lines first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.reading.beside import settled
from training.reading.counting import counting_lines, far_away, period
from training.reading.currency import one_currency
from training.reading.customers import check_digits, known_people, lost_digits
from training.reading.either import order_or_line
from training.reading.facts import Facts
from training.reading.kept import forget, kept_with, one_row
from training.reading.lines import with_money
from training.reading.orders import blanks, filled_by_order
from training.reading.request import Request

if TYPE_CHECKING:
    import ibis.expr.types as ir


def interpret(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """Typed cells of `cells`, kept -> canonical lines with `step`, `kind`, `refunded` and `copies`, and the facts."""
    plan = facts.plan
    sums = one_row(table.aggregate(**lost_digits(table, plan), **period(table), **blanks(table, plan)))
    check_digits(sums, plan)
    far, facts = far_away(table, facts, request, sums)
    filled = kept_with(table, {"far": far, **filled_by_order(table, plan, sums)})
    facts = settled(filled, facts)
    known, whose, facts = known_people(filled, facts, request)
    counting, facts = counting_lines(known, whose, facts, request)
    table, facts = one_currency(counting, facts, request)
    facts = order_or_line(table, facts, request)
    lines = with_money(table, facts.plan)
    forget(*{filled.op().name: filled, known.op().name: known, counting.op().name: counting}.values())
    return lines, facts
