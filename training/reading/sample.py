"""What the first lines of a plain file tell about all: whether a scan can be trusted with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from training.errors import InputError
from training.reading.folding import fold
from training.reading.header_words import ORDER_OR_LINE
from training.reading.header_words import names as usual_names
from training.reading.people import are_names
from training.reading.plan import Plan, says_total
from training.reading.request import Request
from training.reading.status_words import verdict

Rows = Sequence[Mapping[str, str]]
FEW_VALUES = 12


def is_plain(sample: Rows, plan: Plan, request: Request) -> bool:
    """Whether a careful reading would find nothing in these lines that a scan passes over."""
    roles = plan.roles
    customers = [row[roles["customer"]] for row in sample]
    if are_names(customers) and roles["customer"] not in request.columns.values():
        return False
    check_hidden_status(sample, plan, request)
    if plan.money.times:
        return bool({"price", "amount"} & request.columns.keys()) or _is_unit_price(sample, plan)
    return bool({"amount", "total"} & request.columns.keys()) or _is_of_the_line(sample, plan)


def check_hidden_status(sample: Rows, plan: Plan, request: Request) -> None:
    """Raise InputError for a column that holds words of a status, and is called something else."""
    for name, values in _of_few_values(sample, plan, request).items():
        ask_if_status(name, values)


def may_be_status(sample: Rows, plan: Plan, request: Request) -> list[str]:
    """The columns that are no status in these lines, and may be one in later ones: blank, or of words of a status."""
    few = _of_few_values(sample, plan, request)
    known = {name: sum(verdict(value) is not None for value in values) for name, values in few.items()}
    return [name for name, values in few.items() if 2 * known[name] >= len(values)]


def _of_few_values(sample: Rows, plan: Plan, request: Request) -> dict[str, set[str]]:
    """The columns that serve for nothing, and have few different values, with these."""
    if plan.layout.name or plan.layout.status or "status" in request.columns or not sample:
        return {}
    used = {*plan.roles.values(), *plan.numbers}
    values = {name: {row[name].strip() for row in sample} - {""} for name in sample[0] if name not in used}
    return {name: different for name, different in values.items() if len(different) <= FEW_VALUES}


def ask_if_status(name: str, values: Collection[str]) -> None:
    """Raise InputError where the values of a column are words of orders that count, and of others that do not."""
    verdicts = [verdict(value) for value in values]
    known = [each for each in verdicts if each is not None]
    if 2 * len(known) >= len(values) and True in known and False in known:
        raise InputError(
            f"{name} looks like a status of orders: it holds {', '.join(sorted(values))}. Expected to know whether "
            f'orders that were not paid are left out. Say --column "status={name}", or --column status=none if it '
            "is no status."
        )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_unit_price(sample: Rows, plan: Plan) -> bool:
    """Whether the price does not grow with the quantity, and no other money is the sum of prices alone."""
    quantity, price = plan.money.times
    article = plan.layout.item[0] if plan.layout.item else ""
    units: dict[str, set[tuple[float, float]]] = defaultdict(set)
    others = (
        [name for name in sample[0] if name not in plan.roles.values() and _is_money(name)] if sample else []
    )
    alone = differ = 0
    for row in sample:
        count, each = _number(row[quantity]), _number(row[price])
        if count is None or each is None or count <= 1 or each <= 0:
            continue
        if article and row[article]:
            units[row[article]].add((count, each))
        differ += 1
        alone += any(_number(row[name]) == each for name in others)
    several = [pairs for pairs in units.values() if len({count for count, _ in pairs}) > 1]
    by_line = sum(
        len({each for _, each in pairs}) > 1 and len({round(each / count, 2) for count, each in pairs}) == 1
        for pairs in several
    )
    return not by_line and not (differ and 2 * alone > differ) and not _sums_recur(sample, plan, others)


def _sums_recur(sample: Rows, plan: Plan, others: Sequence[str]) -> bool:
    """Whether another column of money holds the sums of an order's prices, not of quantity times price."""
    if not plan.layout.order or not others:
        return False
    quantity, price = plan.money.times
    orders: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in sample:
        orders[row[plan.layout.order[0]]].append(row)
    alone = differ = 0
    for rows in orders.values():
        prices = [(_number(row[quantity]) or 0, _number(row[price]) or 0) for row in rows]
        summed, product = sum(each for _, each in prices), sum(count * each for count, each in prices)
        if abs(summed - product) < 0.005:
            continue
        differ += 1
        alone += any(abs((_number(rows[0][name]) or 0) - summed) < 0.005 for name in others)
    return differ > 0 and 2 * alone > differ


def _is_of_the_line(sample: Rows, plan: Plan) -> bool:
    """Whether lines of one order have different money, so that it is the line's, as the name may say."""
    if not may_be_of_the_order(plan):
        return True
    orders = _orders(sample, plan)
    several = [values for values in orders.values() if len(values) > 1]
    return not several or (
        fold(plan.money.plus[0]) in ORDER_OR_LINE and any(len(set(values)) > 1 for values in several)
    )


def may_be_of_the_order(plan: Plan) -> bool:
    """Whether the name of the money column leaves open that it holds the order's total."""
    if plan.money.times or not plan.layout.order:
        return False
    name = plan.money.plus[0]
    return fold(name) in ORDER_OR_LINE or says_total(name)


def has_single_lines(sample: Rows, plan: Plan) -> bool:
    """Whether no order of the sample has several lines."""
    return all(len(values) == 1 for values in _orders(sample, plan).values())


def _orders(sample: Rows, plan: Plan) -> dict[str, list[str]]:
    orders: dict[str, list[str]] = defaultdict(list)
    for row in sample:
        orders[row[plan.layout.order[0]]].append(row[plan.money.plus[0]])
    return orders


def _is_money(name: str) -> bool:
    return any(fold(name) in group for role in ("amount", "total") for group in usual_names(role))
