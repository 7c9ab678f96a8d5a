"""Lines whose order, customer and date are all blank: they may be of the order above them, or nobody's.

Many exports of items, and workbooks with merged cells, write what is of an order on its first line only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from operator import and_, or_
from typing import TYPE_CHECKING

from contract.words import counted, listed, percent
from training.errors import InputError
from training.reading.amounts import value_of
from training.reading.cells import MISSING, identifier
from training.reading.facts import Facts
from training.reading.kept import forget, kept, kept_with, one_row
from training.reading.placeholders import TOTAL_CELL
from training.reading.plan import OTHER, Plan
from training.reading.request import Request
from training.reading.typed import ROW

if TYPE_CHECKING:
    import ibis.expr.types as ir

ASKED_FROM_LINES = 5
ASKED_FROM_SHARE = 0.05  # of all lines
BLOCK = "block"  # a line that is not blank and the blank ones below it
LETTER = r"\p{L}"


def are_many(blank: int, lines: int) -> bool:
    """Whether so many of these lines are blank that it is asked whose they are."""
    return blank >= max(ASKED_FROM_LINES, ASKED_FROM_SHARE * lines)


def check_blank_lines(table: ir.Table, plan: Plan, request: Request, is_ordered: bool) -> None:
    """Raise InputError where many lines have money, but no order, customer and date, and nobody said whose they are.

    `table` has typed cells and `copies`. Where it is not ordered, nothing stands above a line: then one blank line is
    too many for "above".
    """
    is_above = request.blank_lines == "above"
    if request.blank_lines == "nobody" or (is_above and is_ordered):
        return
    is_blank = _is_blank(table, plan)
    sums = one_row(table.aggregate(lines=table.copies.sum(), blank=table.copies.sum(where=is_blank)))
    if not (sums["blank"] if is_above else are_many(sums["blank"], sums["lines"])):
        return
    blank = table.filter(is_blank)
    lost = one_row(blank.aggregate(lines=blank.copies.sum(where=value_of(blank, plan, plan.money) != 0)))
    if lost["lines"] if is_above else are_many(lost["lines"], sums["lines"]):
        raise _question(lost["lines"], sums["lines"], plan, is_ordered)


def may_be_blank(moments: ir.Table, lines: ir.Table, request: Request) -> bool:
    """Whether many lines of a scan have no order, customer and date, so that `check_blank_lines` must look at them.

    `moments` are what `cleaning.moments` made of the `lines`, with few rows; there lines of nobody have no date.
    """
    if request.blank_lines == "nobody":
        return False
    nobody = moments.customer_id.isnull() & moments.invoice.isnull()
    sums = one_row(moments.aggregate(lines=moments.lines.sum(), blank=moments.lines.sum(where=nobody)))
    if not are_many(sums["blank"], sums["lines"]):
        return False
    names = [identifier(lines[name]).isnull() for name in ("customer_id", "invoice")]
    blank = one_row(lines.aggregate(lines=reduce(and_, (*names, lines.date.isnull())).sum()))
    return are_many(blank["lines"], sums["lines"])


def with_orders_above(table: ir.Table, facts: Facts, rows_of_files: Sequence[int]) -> tuple[ir.Table, Facts]:
    """Typed cells in the order of their files -> the same, kept, blank lines with what stands above in their file.

    A line that names no article, where others do, and a line that says that it is a total, stay blank. `rows_of_files`
    are the numbers of rows of the files, one after the other.
    """
    cells = kept(table)
    starts = cells[ROW].isin([0, *accumulate(rows_of_files)])
    first = ~_is_blank(cells, facts.plan) | starts
    blocks = kept_with(cells, {BLOCK: _running_sum(first, cells[ROW])})
    whose = _whose(blocks, facts.plan)
    filled = kept_with(blocks, _filled(blocks, facts.plan, whose), [BLOCK])
    lines = one_row(blocks.aggregate(lines=whose.sum()))["lines"]
    forget(cells, blocks)
    if not lines:
        return filled, facts
    told = f"{counted(lines, 'line')} without {_names(facts.plan)}: of the order above"
    return filled, facts.noted(f"{told} (--blank-lines nobody leaves them out)")


def _columns(plan: Plan) -> list[str]:
    """The columns of typed cells that say whose a line is."""
    return [*(f"who_{at}" for at in range(len(plan.layout.customer))), "invoice", "date", "date_text"]


def _is_blank(table: ir.Table, plan: Plan) -> ir.BooleanValue:
    no_date = table.date_text.isnull() | table.date_text.lower().isin(MISSING)
    others = [table[name].isnull() for name in _columns(plan) if name != "date_text"]
    return reduce(and_, (*others, no_date))


def _running_sum(flag: ir.BooleanValue, row: ir.IntegerValue) -> ir.IntegerValue:
    import ibis

    return flag.cast("int64").sum().over(ibis.cumulative_window(order_by=row))


def _whose(table: ir.Table, plan: Plan) -> ir.BooleanValue:
    """Whether a line belongs to the one above: it is blank, and neither a total nor, where others are named, bare."""
    is_blank = _is_blank(table, plan)
    texts = [table[name] for name in table.columns if name.startswith(OTHER)]
    is_named = reduce(or_, (_has(text, LETTER) for text in texts), table.stock_code.notnull())
    is_total = reduce(or_, (_has(text, TOTAL_CELL) for text in (table.stock_code, *texts)))
    sums = one_row(table.aggregate(blank=is_blank.sum(), named=(is_blank & is_named).sum()))
    belongs = is_blank & ~is_total
    return belongs & is_named if 2 * sums["named"] >= sums["blank"] else belongs


def _has(text: ir.StringValue, pattern: str) -> ir.BooleanValue:
    return text.re_search(pattern).fill_null(False)


def _filled(table: ir.Table, plan: Plan, whose: ir.BooleanValue) -> dict[str, ir.Value]:
    """The columns that say whose a line is, for lines that belong to another the first one's of their block."""
    is_blank = _is_blank(table, plan)
    above = {name: is_blank.ifelse(None, table[name]).max() for name in _columns(plan)}
    return {
        name: whose.ifelse(value.over(group_by=table[BLOCK]), table[name]) for name, value in above.items()
    }


def _names(plan: Plan) -> str:
    layout = plan.layout
    return listed(list(dict.fromkeys([*layout.order[:1], *layout.customer, *layout.date[:1]])))


def _question(blank: int, lines: int, plan: Plan, is_ordered: bool) -> InputError:
    told = f"{counted(blank, 'line')} of {lines:,} ({percent(blank / lines)}) with money, but without {_names(plan)}"
    if not is_ordered:
        return InputError(
            f"{told}. Expected whose each line is: databases and Spark keep no order of lines, so none stands above. "
            "Fill these cells first, or say --blank-lines nobody if such lines are nobody's."
        )
    return InputError(
        f"{told}. Expected whose each line is. Say --blank-lines above if a line belongs to the order above it in the "
        "file, or --blank-lines nobody if such lines are nobody's; or fill these cells."
    )
