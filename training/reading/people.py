"""Customers who are no one, and customers who are one twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from training.reading.placeholders import (
    DOUBTFUL_NUMBERS,
    is_guest,
    is_total,
    may_be_guest,
)

# Of many customers only those whose id could be a placeholder are looked at: words, and these.
MAY_BE_NOBODY = "^[^0-9]*$|^-|" + f"^(?:{DOUBTFUL_NUMBERS.pattern})$"
FREQUENT_TIMES = 5  # as often as any other customer, to be nobody
FREQUENT_FROM_LINES = 10
SHARED_BY_ACCOUNTS = 20  # an e-mail address of so many accounts is nobody's own
NAME = re.compile(r"[^\W\d_][\w'’.-]*(?:,? +[^\W\d_][\w'’.-]*)+")


@dataclass(frozen=True)
class Nobody:
    """Cells of customers that stand for nobody, and those that name a row of totals."""

    guests: frozenset[str]
    totals: frozenset[str]


def nobody(
    candidates: Mapping[str, int], most: int, others: Iterable[str], many_emails: Iterable[str], asked: str
) -> Nobody:
    """Ids that may be placeholders, with their lines -> those that are.

    `most` is the number of lines of the most frequent other customer, `others` are some other ids, `many_emails`
    are ids that stand beside several e-mail addresses. `asked` is what the user says: auto, none, or the ids.
    """
    totals = frozenset(value for value in candidates if is_total(value))
    if asked == "none":
        return Nobody(frozenset(), totals)
    if asked != "auto":
        return Nobody(frozenset(fold_id(value) for value in asked.split(",")), totals)
    shared = set(many_emails)
    sample = [value for value in others if value not in candidates]
    guests = {
        value
        for value, lines in candidates.items()
        if is_guest(value)
        or (may_be_guest(value) and (value in shared or _stands_out(value, lines, most, sample, candidates)))
    }
    return Nobody(frozenset(guests), totals)


def _stands_out(
    value: str, lines: int, most: int, sample: Sequence[str], candidates: Mapping[str, int]
) -> bool:
    """Whether a doubtful id is no member of the series that the other ids form, or far more frequent than all."""
    if lines >= max(FREQUENT_FROM_LINES, FREQUENT_TIMES * most):
        return True
    if not sample or value == "1":
        return False
    if not value.isdigit():
        return sum(any(sign.isdigit() or sign == "@" for sign in other) for other in sample) > 0.9 * len(
            sample
        )
    numbers = sorted(int(other) for other in sample if other.isdigit())
    if len(numbers) < 0.9 * len(sample):
        return True
    if int(value) == 0:
        return "1" not in candidates and numbers[0] > len(numbers) + 1
    return int(value) > 3 * numbers[-1] or int(value) < numbers[0] // 3


def fold_id(value: str) -> str:
    """A customer's id as it is compared: e-mail addresses without case."""
    text = value.strip()
    return text.lower() if "@" in text else text


def are_names(values: Iterable[str]) -> bool:
    """Whether most of these customers are called by first and last names, which two people may share."""
    texts = [value.strip() for value in values if value and value.strip()]
    return len(texts) > 0 and sum(bool(NAME.fullmatch(text)) for text in texts) > len(texts) / 2


def one_label(pairs: Iterable[Sequence[str | None]]) -> dict[tuple[int, str], str]:
    """Ids that occur together, each row in order of preference -> the one label of each (place in the row, id).

    What is connected by any chain of rows is one customer, called by its most preferred id that comes first. An e-mail
    address that many accounts share connects none of them.
    """
    rows = [tuple(row) for row in pairs]
    parents: dict[tuple[int, str], tuple[int, str]] = {}
    first: dict[tuple[int, str], int] = {}

    def root(node: tuple[int, str]) -> tuple[int, str]:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    beside: dict[tuple[int, str], set[tuple[int, str]]] = {}
    nodes_of = [[(place, value) for place, value in enumerate(row) if value is not None] for row in rows]
    for number, nodes in enumerate(nodes_of):
        for node in nodes:
            parents.setdefault(node, node)
            first.setdefault(node, number)
            beside.setdefault(node, set()).update(nodes)
    shared = {node for node, others in beside.items() if len(others) > SHARED_BY_ACCOUNTS}
    for nodes in nodes_of:
        linked = [node for node in nodes if node not in shared]
        for one, other in pairwise(linked):
            a, b = root(one), root(other)
            if a != b:
                low, high = sorted((a, b), key=lambda node: (node[0], first[node]))
                parents[high] = low
    return {node: root(node)[1] for node in parents}
