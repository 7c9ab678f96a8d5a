"""What each customer did before today: orders and money by month, and segments on earlier days."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from contract.names import FEATURES, STATES
from training.features import sample
from training.report.past import Past
from training.shop import Shop
from training.states import shop_gap, states

if TYPE_CHECKING:
    import ibis


def write_months(shop: Shop, path: Path) -> None:
    """Write orders and money of each customer and month to a Parquet file; DuckDB does it in a stream.

    One row per customer and month with an order or a return, sorted by both: customer_id, month (its first day),
    orders, money (as Monetary counts it).
    """
    months = _months(shop)
    backend = months.get_backend()
    if backend.name == "duckdb":
        backend.to_parquet(months, path, compression="zstd")
        return
    from pyarrow import parquet

    parquet.write_table(months.to_pyarrow(), path, compression="zstd")


def segments_on_days(past: Past, days: Iterable[Shop], customers: pd.DataFrame) -> pd.DataFrame:
    """Where the customers of today (one row each) were on earlier days, under today's model; one row per customer.

    Beside customer_id there are two columns for each day, `YYYY-MM-DD segment` and `YYYY-MM-DD state`, latest first;
    null for who was no customer then.
    """
    columns: dict[str, object] = {"customer_id": customers.customer_id.to_numpy()}
    gap = shop_gap(past.shop.customers)
    for then in days:
        own = then.customers
        index = pd.Index(own.customer_id)
        segment = past.segmenter.predict(own[list(FEATURES)].to_numpy())
        places = index.get_indexer(customers.customer_id)
        known = places >= 0
        day = f"{then.as_of:%Y-%m-%d}"
        columns[f"{day} segment"] = pd.Series(segment[places]).where(known).astype("Int8")
        columns[f"{day} state"] = pd.Categorical(
            pd.Series(states(own, gap)[places]).where(known), categories=list(STATES)
        )
    return pd.DataFrame(columns)


def _months(shop: Shop) -> ibis.Table:
    orders = shop.orders
    if shop.sample:
        orders = sample(orders, shop.sample.share, shop.sample.seed)
    money = orders.purchased - orders.returned if shop.reading.returns == "net" else orders.purchased
    months = orders.mutate(month=orders.date.truncate("M").date(), money=money)
    by_month = months.group_by("customer_id", "month").aggregate(
        orders=(months.purchase_lines > 0).sum().cast("int32"), money=months.money.sum().cast("float64")
    )
    bought = by_month.filter((by_month.orders > 0) | (by_month.money != 0))
    return bought.select("customer_id", "month", "orders", "money").order_by("customer_id", "month")
