"""A larger shop out of a small one: copies of its lines with customers, invoices and days of their own.

    python benchmarks/grow.py FOLDER [--copies 20] [--form csv|parquet] [--seed 0] [--orders]

The base is SEGMENTS_REAL_DATA, or the demo shop. Every copy keeps the base's duplicates, cancellations and
missing customers, so all counts of the funnel grow by the number of copies exactly. CSV is one file of text;
Parquet is one file for every ten copies, numbers and dates typed. DuckDB streams both.

With --orders each order is one line, for millions of customers with few lines: 22 thousand lines a copy of the UCI
data. In a copy each customer then comes up to 30 days later than in the base, and each order has up to a third more or
less to pay, so that customers do not coincide.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path

import duckdb

COPIES_PER_FILE = 10
MAX_SHIFT_DAYS = 300
MAX_CUSTOMER_SHIFT_DAYS = 30
MAX_PRICE_CHANGE = 0.33
ORDERS = """
    SELECT InvoiceNo, 'ORDER' AS StockCode, 'whole order' AS Description,
        CASE WHEN sum(Quantity::INT * UnitPrice::DOUBLE) < 0 THEN -1 ELSE 1 END AS Quantity,
        min(InvoiceDate) AS InvoiceDate,
        round(abs(sum(Quantity::INT * UnitPrice::DOUBLE)), 2) AS UnitPrice, CustomerID, any_value(Country) AS Country
    FROM read_csv(?, all_varchar = true)
    WHERE CustomerID IS NOT NULL AND CustomerID <> ''
    GROUP BY InvoiceNo, CustomerID
"""


def base(folder: Path) -> Path:
    """The file to be copied; the demo shop is written into `folder`."""
    if "SEGMENTS_REAL_DATA" in os.environ:
        return Path(os.environ["SEGMENTS_REAL_DATA"])
    from training.demo import DEMO_FILE, write_demo

    return write_demo(folder / DEMO_FILE)


def uniform(*columns: str) -> str:
    """SQL of a number from 0 to 1 that the columns decide."""
    return f"(hash({', '.join(columns)}) % 1_000_000 / 1e6)"


def grow(
    source: Path, folder: Path, copies: int, form: str = "csv", seed: int = 0, orders: bool = False
) -> list[Path]:
    """A CSV file of the UCI columns -> the files in `folder` that hold `copies` of its lines.

    The first copy is the base itself. Copy n adds n x 100,000 to the customers' numbers, n x 1,000,000 to the
    invoices', and a number of days from 0 to 300, drawn by `seed`, to the dates.
    """
    draw = random.Random(seed)
    shifts = [(copy, draw.randint(0, MAX_SHIFT_DAYS) if copy else 0) for copy in range(copies)]
    typed = form == "parquet"
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET enable_progress_bar = false")
    base_lines = ORDERS if orders else "FROM read_csv(?, all_varchar = true)"
    connection.execute(f"CREATE TABLE base AS {base_lines}", [str(source)])
    later = f" + to_hours((24 * {MAX_CUSTOMER_SHIFT_DAYS} * {uniform('CustomerID', 'copy')})::INT)"
    change = f"(1 + {MAX_PRICE_CHANGE} * (2 * {uniform('InvoiceNo', 'copy')} - 1))"
    price = f"round(UnitPrice::DOUBLE * {change}, 2)" if orders else f"UnitPrice{'::DOUBLE' if typed else ''}"
    size = COPIES_PER_FILE if typed else copies
    paths = []
    for number, first in enumerate(range(0, copies, size)):
        paths.append(folder / f"lines-{number:02}.{form}")
        part = ", ".join(map(str, shifts[first : first + size]))
        connection.execute(
            f"""
            COPY (
                SELECT
                    regexp_extract(InvoiceNo, '^[A-Z]*')
                        || (regexp_extract(InvoiceNo, '[0-9]+$')::BIGINT + copy * 1_000_000) AS InvoiceNo,
                    StockCode,
                    Description,
                    Quantity{"::INT" if typed else ""} AS Quantity,
                    {"" if typed else "strftime"}(InvoiceDate::TIMESTAMP + to_days(days){later if orders else ""}
                        {"" if typed else ", '%Y-%m-%d %H:%M:%S'"}) AS InvoiceDate,
                    {price} AS UnitPrice,
                    (CustomerID::DOUBLE + copy * 100_000){"" if typed else "::VARCHAR"} AS CustomerID,
                    Country
                FROM (VALUES {part}) AS shift(copy, days), base
            ) TO '{paths[-1]}' (FORMAT {form}{"" if typed else ", HEADER"})
            """
        )
    return paths


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--form", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--orders", action="store_true", help="one line an order")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in grow(
        base(options.folder), options.folder, options.copies, options.form, options.seed, options.orders
    ):
        print(f"{path} {path.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
