"""Which column of a shop's table is which: roles, recognised by the usual names or mapped by the user."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from training.errors import InputError

# Usual column names, without case, blanks, underscores and dashes. An earlier group is preferred to
# a later one; two columns of one group are equally good, and then the user decides.
ROLES: dict[str, tuple[str, ...]] = {
    "customer": (
        "customerid customerno customernumber customercode custid custno",
        "customer client clientid clientno user userid buyer buyerid member memberid shopper shopperid",
    ),
    "invoice": (
        "invoice invoiceno invoiceid invoicenumber invoicecode",
        "order orderid orderno ordernumber ordercode",
        "transaction transactionid transactionno transactionnumber receipt receiptid receiptno basketid",
    ),
    "date": (
        "invoicedate invoicedatetime invoicetimestamp",
        "orderdate orderdatetime ordertimestamp orderedat purchasedate purchasedat transactiondate",
        "date datetime timestamp createdat",
    ),
    "quantity": ("quantity qty", "units items count"),
    "price": ("unitprice priceperunit itemprice", "price"),
    "amount": (
        "linetotal lineamount totalprice totalamount",
        "amount total sales revenue turnover spend totalsales netamount",
    ),
    "stock_code": ("stockcode", "sku", "productid productcode productno itemid itemcode itemno", "product"),
    "country": ("country countryname", "countrycode"),
}


def recognise(names: Sequence[str], columns: Mapping[str, str], where: str) -> dict[str, str]:
    """Column names, and the user's own mapping -> the name of the column for each role that has one.

    The line total (`amount`) is looked for only where quantity and price are not both there, or
    when it is mapped. Raises InputError, naming `where`, for a mapped column that does not exist,
    a role without a column, and two columns that are equally good for one role.
    """
    found = f"Found: {', '.join(filter(None, names))}."
    for role, name in columns.items():
        if name not in names:
            raise InputError(
                f'No column "{name}" in {where}, mapped to {role}. {found}{_hint([name], names)} '
                f"Map it with --column {role}=NAME."
            )
    roles = dict(columns)
    free = [name for name in names if name not in columns.values()]
    for role, groups in ROLES.items():
        if role in roles or (role == "amount" and {"quantity", "price"} <= roles.keys()):
            continue
        for group in groups:
            fitting = [name for name in free if _key(name) in group.split()]
            if len(fitting) > 1:
                raise InputError(
                    f"Two columns of {where} could be {role}: {' and '.join(fitting[:2])}. Expected one. "
                    f"Say which with --column {role}=NAME."
                )
            if fitting:
                roles[role] = fitting[0]
                break
    for role in ("customer", "date"):
        if role not in roles:
            hint = _hint(" ".join(ROLES[role]).split(), free)
            raise InputError(
                f"No column for {role} in {where}. {found}{hint} Map it with --column {role}=NAME."
            )
    if "amount" not in roles and not {"quantity", "price"} <= roles.keys():
        lacking = [role for role in ("quantity", "price") if role not in roles]
        hint = _hint(" ".join(ROLES[lacking[0]]).split(), free)
        raise InputError(
            f"No column for {' and '.join(lacking)} in {where}, and none for amount (the line total). "
            f"{found}{hint} Map it with --column {lacking[0]}=NAME or --column amount=NAME."
        )
    return roles


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


def _hint(wanted: Sequence[str], names: Sequence[str]) -> str:
    """The name that looks most like one that was wanted, as a question; "" when none does."""
    keys = {_key(name): name for name in names}
    close = [match for want in wanted for match in difflib.get_close_matches(_key(want), keys, n=1)]
    return f' Did you mean "{keys[close[0]]}"?' if close else ""
