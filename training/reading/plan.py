"""What serves for what in one source: a known layout's columns or recognised ones, as the source spells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from training.errors import InputError
from training.reading.beside_words import BESIDE, GROUPS, beside
from training.reading.columns import AGAIN, NO_COLUMN, all_usual, check_mapping, has_money, known, recognise
from training.reading.folding import fold
from training.reading.header_words import names as usual_names
from training.reading.layout import Columns, Layout, Money
from training.reading.layouts import LAYOUTS, match, present, usable
from training.reading.request import Request

OTHER = "other_"  # before the name of a column that has no role
OWN = "a table of the shop's own"
MAPPED = {  # roles that the user maps -> the fields of a Layout
    "customer": "customer",
    "invoice": "order",
    "date": "date",
    "time": "time",
    "status": "status",
    "currency": "currency",
    "stock_code": "item",
    "country": "country",
}

OF_COLUMNS = (
    "customer", "order", "date", "time", "status", "against", "paid", "line", "refund_customer", "refund_of",
    "currency", "country", "item", "keep",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A layout whose columns are those of the source (its name is "" for a shop's own table), and the roles."""

    layout: Layout
    roles: Mapping[str, str]
    beside: Mapping[str, Columns] = field(default_factory=dict)  # columns that may change what the money is

    @property
    def money(self) -> Money:
        """How money is made."""
        return self.layout.money[0]

    @property
    def is_plain(self) -> bool:
        """Whether there is no more in it than a customer, an order, a date, and a line's money."""
        layout = self.layout
        more = layout.status or layout.refunded or layout.currency or layout.time or layout.kinds
        added = self.beside or layout.deducted or self.money.minus or self.money.percent
        return not (layout.name or more or added) and len(layout.customer) == 1 and "total" not in self.roles

    @property
    def numbers(self) -> list[str]:
        """The columns that hold numbers, each once."""
        ways = [self.money, *self.layout.refunded, *self.layout.deducted]
        names = [name for each in ways for name in columns_of(each)]
        others = [name for columns in self.beside.values() for name in columns]
        return list(dict.fromkeys([*names, *self.factors.values(), *others]))

    @property
    def percents(self) -> list[str]:
        """The columns of numbers that may be percentages."""
        discounts = [name for role in GROUPS["discount"] for name in self.beside.get(role, ())]
        return [*self.money.percent, *self.money.fraction, *discounts]

    @property
    def factors(self) -> dict[str, str]:
        """The columns of a shop's own table that hold quantity and price, also where money is not made of them."""
        return (
            {}
            if self.layout.name
            else {role: self.roles[role] for role in ("quantity", "price") if role in self.roles}
        )


def columns_of(way: Money) -> Columns:
    """The columns that money is made of in one way."""
    return (*way.times, *way.plus, *way.minus, *way.percent, *way.fraction)


def plan_of(
    names: Sequence[str], request: Request, where: str, sample: Sequence[Mapping[str, str]] = ()
) -> Plan:
    """Column names and what the user says -> what serves for what.

    Raises InputError where it is not known, where two layouts fit, and for layouts that cannot be used.
    """
    layout = chosen_layout(names, request, where)
    if layout is None:
        return _own(names, request, where, sample)
    check_mapping(names, request.columns, where)
    _check_knows_money(layout, request.columns, where)
    spelled = _spelled(layout, names, request.columns, where)
    roles = {role: getattr(spelled, field)[0] for role, field in MAPPED.items() if getattr(spelled, field)}
    return Plan(spelled, roles)


def has_open_question(names: Sequence[str], request: Request) -> bool:
    """Whether names without a plan are a header all the same: all that is needed is there, if only more than once."""
    roles = {role: name for name, likely in known(names, request.columns).items() for role in likely}
    is_whole = ("customer" in roles or "email" in roles) and "date" in roles and has_money(roles)
    return is_whole or (request.layout == "auto" and bool(match(names)))


def _check_knows_money(layout: Layout, mapped: Mapping[str, str], where: str) -> None:
    if roles := [role for role in BESIDE if mapped.get(role, NO_COLUMN) != NO_COLUMN]:
        raise InputError(
            f"--column {roles[0]}={mapped[roles[0]]} was given, but {where} is a {layout.name}, whose money is known. "
            "Expected this for a table of the shop's own. Leave it out, or say --layout none too."
        )


def chosen_layout(names: Sequence[str], request: Request, where: str) -> Layout | None:
    """The known layout that a header has, or that was asked for; None for a shop's own table."""
    if request.layout == "none" or not request.header:
        return None
    plain_names = [AGAIN.sub("", name) for name in names]
    if request.layout != "auto":
        return named_layout(request.layout, plain_names, where)
    fitting = match(plain_names)
    if len(fitting) > 1:
        options = " or ".join(f'--layout "{layout.name}"' for layout in fitting)
        raise InputError(
            f"{where} fits {len(fitting)} known layouts: {', '.join(layout.name for layout in fitting)}. Expected one. "
            f"Say which with {options}, or --layout none."
        )
    return fitting[0] if fitting else None


def named_layout(name: str, names: Sequence[str], where: str) -> Layout:
    """The layout whose name begins so; of several the one that fits the header. Raises InputError where none does."""
    begins = [layout for layout in LAYOUTS if fold(layout.name).startswith(fold(name))]
    fitting = [layout for layout in begins if layout in match(names)] or begins
    if len(fitting) != 1:
        known = "; ".join(layout.name for layout in fitting or LAYOUTS)
        raise InputError(
            f'--layout "{name}" is {"more than one" if fitting else "no"} known layout. Expected auto, none, or one '
            f"of: {known}. Correct the name."
        )
    if lacking := [column for column in fitting[0].needs if not present((column,), names)]:
        raise InputError(
            f"{where} does not have the header of a {fitting[0].name}, which --layout or the model's training names; "
            f"not there: {', '.join(lacking)}. Found: {', '.join(names)}. Expected that export. Say --layout none, and "
            "map columns with --column ROLE=NAME where they are not recognised."
        )
    return fitting[0]


def _spelled(layout: Layout, names: Sequence[str], mapped: Mapping[str, str], where: str) -> Layout:
    """A layout with the columns that a source has, under the source's names, and the user's own mapping over it."""
    if layout.refuses:
        raise InputError(f"{where} is a {layout.name}. {layout.refuses}")

    def here(columns: Columns) -> Columns:
        return tuple(present(columns, names))

    def way(ways: Sequence[Money]) -> tuple[Money, ...]:
        best = usable(ways, names)
        return () if best is None else (Money(best.per, here(best.plus), here(best.times), here(best.minus)),)

    kinds = layout.kinds and here((layout.kinds.column,))
    own: dict[str, Any] = {
        field: () if name == NO_COLUMN else (name,)
        for role, name in mapped.items()
        if (field := MAPPED.get(role))
    }
    money = _mapped_money(mapped) or way(layout.money)
    columns: dict[str, Any] = {field: here(getattr(layout, field)) for field in OF_COLUMNS}
    spelled = replace(
        layout,
        **columns,
        money=money,
        refunded=way(layout.refunded),
        kinds=replace(layout.kinds, column=kinds[0]) if layout.kinds and kinds else None,
    )
    spelled = replace(spelled, **own)
    if not spelled.customer:
        raise InputError(
            f"{where} is a {layout.name}, which has no column for a customer here (expected one of "
            f"{', '.join(layout.customer)}). {layout.unknown}".rstrip()
        )
    for role, found in (("date", spelled.date), ("money", spelled.money)):
        if not found:
            raise InputError(
                f"{where} is a {layout.name}, but no column for {role} of it is here. Found: {', '.join(names)}. "
                f"Expected the whole export. Add the column, or say --layout none and map each --column ROLE=NAME."
            )
    return spelled


def _own(names: Sequence[str], request: Request, where: str, sample: Sequence[Mapping[str, str]]) -> Plan:
    roles = recognise(names, request.columns, where, sample)
    mapped = request.columns

    def column(role: str) -> Columns:
        return (roles[role],) if role in roles else ()

    free = [name for name in names if name not in roles.values()]
    status = (
        column("status") if "status" in mapped else tuple(all_usual("status", [*column("status"), *free]))
    )
    if mapped.get("status") == NO_COLUMN:
        status = ()
    (money,) = _mapped_money(mapped) or _own_money(roles)
    money = replace(
        money,
        minus=tuple(roles[role] for role in ("discount", "tax", "shipping") if role in roles),
        percent=column("discount_percent"),
    )
    layout = Layout(
        name="",
        source="",
        needs=(),
        customer=column("customer") + column("email"),
        order=column("invoice"),
        date=column("date"),
        time=column("time"),
        money=(money,),
        refunded=tuple(Money("order", plus=(name,)) for name in column("refunded")),
        deducted=tuple(Money("order", plus=(name,)) for name in column("order_discount")),
        status=status,
        currency=column("currency"),
        country=column("country"),
        item=column("stock_code"),
    )
    taken = {*roles.values(), *status}
    return Plan(layout, roles, beside([name for name in names if name not in taken], mapped))


def _mapped_money(mapped: Mapping[str, str]) -> tuple[Money, ...]:
    """How money is made of what the user maps; nothing where that says no more than recognition does."""
    if name := mapped.get("amount"):
        return (Money("line", plus=(name,)),)
    if name := mapped.get("total"):
        return (Money("order", plus=(name,)),)
    if "quantity" in mapped and "price" in mapped:
        return (Money("line", times=(mapped["quantity"], mapped["price"])),)
    return ()


def _own_money(roles: Mapping[str, str]) -> tuple[Money, ...]:
    if {"quantity", "price"} <= roles.keys():
        return (Money("line", times=(roles["quantity"], roles["price"])),)
    return (Money("line", plus=(roles.get("amount") or roles["total"],)),)


def other_money(columns: Sequence[str]) -> list[str]:
    """The first three of the columns without a role that are called money of a line or an order, with their prefix."""
    usual = {word for role in ("amount", "total") for group in usual_names(role) for word in group}
    return [name for name in columns if name.startswith(OTHER) and fold(name.removeprefix(OTHER)) in usual][
        :3
    ]


def says_total(name: str) -> bool:
    """Whether a column's name says that it holds an order's total."""
    key = fold(name)
    return any(key in group for group in usual_names("total"))
