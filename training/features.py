"""From orders to one row a customer: Recency, Frequency, Monetary, AverageOrderValue, Tenure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis

SECONDS_A_DAY = 86_400


def customer_features(orders: ibis.Table, as_of: datetime, returns: str = "net") -> ibis.Table:
    """Orders (as `cleaning.clean` gives them) to one row a customer, sorted by customer_id.

    | column            | unit  | meaning                                                      |
    |-------------------|-------|--------------------------------------------------------------|
    | customer_id       | text  |                                                              |
    | Recency           | days  | whole days from the last purchase to `as_of`                 |
    | Frequency         | count | orders that hold a purchase                                  |
    | Monetary          | money | spent; net of cancellations with `returns="net"`             |
    | AverageOrderValue | money | Monetary / Frequency                                         |
    | Tenure            | days  | whole days from the first purchase to `as_of`                |
    | Returned          | money | cancelled (not a feature; for the reader)                    |
    | country           | text  | of the lines (not a feature); null when the data has none    |

    Customers with no purchase, or with nothing left after their cancellations, are not in it.
    """
    import ibis

    kept_names = [name for name in orders.columns if name.startswith("keep_")]
    by_customer = orders.group_by("customer_id").aggregate(
        first=orders.first_date.min(),
        last=orders.last_date.max(),
        Frequency=(orders.purchase_lines > 0).sum(),
        gross=orders.purchased.sum(),
        returned=orders.returned.sum(),
        country=orders.country.max(),
        **{name: orders[name].argmax(orders.date) for name in kept_names},
    )
    money = by_customer.gross - by_customer.returned if returns == "net" else by_customer.gross
    bought = by_customer.mutate(money=money).filter(by_customer.Frequency > 0, money > 0)
    moment = int((as_of - datetime(1970, 1, 1)).total_seconds())

    def whole_days_since(date: ibis.expr.types.TimestampValue) -> ibis.expr.types.FloatingValue:
        return ((ibis.literal(moment) - date.truncate("s").epoch_seconds()) // SECONDS_A_DAY).cast("float64")

    return bought.select(
        "customer_id",
        Recency=whole_days_since(bought["last"]),
        Frequency=bought.Frequency.cast("float64"),
        Monetary=bought.money.cast("float64"),
        AverageOrderValue=bought.money.cast("float64") / bought.Frequency,
        Tenure=whole_days_since(bought["first"]),
        Returned=bought.returned.cast("float64"),
        country=bought.country,
        **{name.removeprefix("keep_"): bought[name] for name in kept_names},
    ).order_by("customer_id")


def sample(customers: ibis.Table, share: float, seed: int) -> ibis.Table:
    """About a `share` of all customers, uniformly; the same ones with the same seed, on every engine.

    A customer is in when the hash of id and seed is in the lowest `share` of all hashes: it does not
    depend on the other customers, so a smaller share is part of a larger one.
    """
    import ibis

    digits = 12
    bound = f"{int(share * 16**digits):0{digits}x}"
    digest = (customers.customer_id + ibis.literal(f" {seed}")).hexdigest("md5")
    return customers.filter(digest.substr(0, digits) < bound)
