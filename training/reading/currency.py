"""The one currency that money is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from contract.words import counted
from training.errors import InputError
from training.reading import money
from training.reading.facts import Facts
from training.reading.kept import rows_of
from training.reading.request import Request

if TYPE_CHECKING:
    import ibis.expr.types as ir


def one_currency(table: ir.Table, facts: Facts, request: Request) -> tuple[ir.Table, Facts]:
    """Add to `step`: lines in another currency than the one asked for. Raises InputError for several."""
    import ibis

    written = ibis.coalesce(table.currency, table.sign)
    lines: dict[str, int] = {}
    spellings: dict[str, list[str]] = {}
    for row in rows_of(
        table.filter(table.step.isnull())
        .group_by(written=written)
        .aggregate(lines=lambda t: t.copies.sum(), first=lambda t: t.row.min())
        .order_by("first")
    ):
        if row["written"]:
            code = money.code(row["written"])
            lines[code] = lines.get(code, 0) + row["lines"]
            spellings.setdefault(code, []).append(row["written"])
    different = money.same(set(lines))
    if request.currency:
        wanted = money.code(request.currency)
        others = [text for code in different - {wanted} for text in spellings[code]]
        if lines and wanted not in different:
            raise InputError(
                f"--currency {request.currency} was given, but money is in {_counted(lines)}. Expected that currency "
                "in the data. Name one of these, or leave the option out."
            )
        if others:
            other = written.isin(others).fill_null(False) & table.step.isnull()
            table = table.mutate(step=other.ifelse("other_currency", table.step))
        return table, replace(facts, currency=wanted)
    if len(different) > 1:
        best = max((code for code in lines if code in different), key=lambda code: lines[code])
        raise InputError(
            f"Money is in several currencies: {_counted(lines)}. Expected one, because amounts of different currencies "
            f"cannot be added up. Name the one to count with --currency {best}; lines in others are set aside."
        )
    found = next(iter(different), "")
    before = request.before.currency
    if found and before and len(money.same({found, before})) > 1:
        raise InputError(
            f"Money is in {found}, but the model was trained on {before}. Expected the same currency, because the "
            f"model compares amounts. Convert the amounts, or train a model on these data."
        )
    return table, replace(facts, currency=found or before)


def _counted(lines: Mapping[str, int]) -> str:
    ordered = sorted(lines.items(), key=lambda item: -item[1])
    return ", ".join(f"{code} ({counted(count, 'line')})" for code, count in ordered)
