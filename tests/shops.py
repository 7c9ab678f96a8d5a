"""Tiny shops, written out line by line."""

import ibis
import pyarrow as pa

COLUMNS = {
    "customer_id": pa.string(),
    "invoice": pa.string(),
    "date": pa.string(),
    "quantity": pa.int64(),
    "price": pa.string(),
    "stock_code": pa.string(),
}


def shop_lines(rows):
    """Rows of (customer, invoice, date, quantity, price[, stock code]) as `transactions.read` would give them."""
    padded = [(*row, None)[: len(COLUMNS)] for row in rows]
    columns = [pa.array([row[i] for row in padded], type) for i, type in enumerate(COLUMNS.values())]
    raw = ibis.duckdb.connect().create_table("raw", pa.table(columns, names=list(COLUMNS)))
    typed = raw.mutate(
        date=raw.date.cast("timestamp"),
        quantity=raw.quantity.cast("decimal(15, 3)"),
        price=raw.price.cast("decimal(18, 6)"),
        country=ibis.literal(None, type="string"),
    )
    return typed.mutate(amount=(typed.quantity.cast("decimal(19, 6)") * typed.price).cast("decimal(38, 9)"))
