"""What was found out while a source was read, and the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contract.words import counted
from training.reading.plan import Plan
from training.reading.request import Request
from training.reading.understanding import Understanding

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Facts:
    """What was found out on the way, for the block of what was understood."""

    plan: Plan
    date_order: str
    decimal: str
    notes: tuple[str, ...] = ()
    status: tuple[tuple[str, int, bool], ...] = ()
    currency: str = ""
    customers: str = ""

    def noted(self, *notes: str) -> Facts:
        """The same with more notes."""
        return replace(self, notes=(*self.notes, *notes))


def understood(facts: Facts, forms: Sequence[tuple[str, int]], request: Request) -> Understanding:
    """The facts of a reading as a block of words."""
    plan, layout = facts.plan, facts.plan.layout
    way = plan.money
    made = " × ".join(way.times) if way.times else " + ".join(way.plus)
    made += "".join(f" - {name}" for name in way.minus)
    made += "".join(f" less {name} %" for name in way.percent)
    made += "".join(f" × (1 - {name})" for name in way.fraction)
    per = "the order's, counted once" if way.per == "order" else "the line's"
    back = "".join(f"; less {' + '.join(off.plus)} of each order" for off in layout.deducted)
    back += f"; less {', '.join(layout.refunded[0].plus)}" if layout.refunded else ""
    columns = {
        "customer": ", else ".join(layout.customer),
        "date": " with ".join((*layout.date[:1], *layout.time[:1])),
        "status": ", ".join((*layout.status, *layout.against)),
        "currency": ", ".join(layout.currency[:1]),
        "stock_code": ", ".join(layout.item[:1]),
        "country": ", ".join(layout.country[:1]),
    }
    written = ", ".join(
        f"{form}" + (f" ({counted(lines, 'line')})" if len(forms) > 1 else "") for form, lines in forms
    )
    order = (
        f"{layout.order[0]}"
        if layout.order
        else "no order number was found: a customer's lines of one day are one order (--column invoice=NAME)"
    )
    ordered = (
        f", {facts.date_order}"
        if any("by numbers" in form or form == "six digits" for form, _ in forms)
        else ""
    )
    zone = (
        f", on the clock of {request.timezone}"
        if request.timezone
        else ", as the shop's own clock shows them"
    )
    return Understanding(
        layout=f"{layout.name} (--layout none reads it as any table)" if layout.name else "",
        columns={role: name for role, name in columns.items() if name},
        money=f"{made}, {per}{back}",
        order=order,
        dates=f"{written}{ordered}{zone}" if written else "",
        currency=facts.currency,
        customers=facts.customers,
        status=facts.status,
        notes=(*facts.notes, *((layout.unknown,) if layout.unknown else ())),
        mapping={
            "columns": dict(request.columns),
            "date_order": facts.date_order,
            "decimal": facts.decimal,
            "currency": facts.currency,
            "layout": request.layout,
            "timezone": request.timezone,
            "status_counts": list(request.status_counts),
            "guests": request.guests,
            "far_dates": request.far_dates,
            "blank_lines": request.blank_lines,
        },
    )
