"""A larger shop out of a small one: copies of its lines with customers, invoices and days of their own.

    python benchmarks/grow.py FOLDER [--copies 20] [--form csv|parquet] [--seed 0]

The base is SEGMENTS_REAL_DATA, or the demo shop. Every copy keeps the base's duplicates, cancellations and
missing customers, so all counts of the funnel grow by the number of copies exactly. CSV is one file of text;
Parquet is one file for every ten copies, numbers and dates typed. DuckDB streams both.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path

import duckdb

COPIES_PER_FILE = 10
MAX_SHIFT_DAYS = 300


def base(folder: Path) -> Path:
    """The file to be copied; the demo shop is written into `folder`."""
    if "SEGMENTS_REAL_DATA" in os.environ:
        return Path(os.environ["SEGMENTS_REAL_DATA"])
    from training.demo import DEMO_FILE, write_demo

    return write_demo(folder / DEMO_FILE)


def grow(source: Path, folder: Path, copies: int, form: str = "csv", seed: int = 0) -> list[Path]:
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
    connection.execute("CREATE TABLE base AS FROM read_csv(?, all_varchar = true)", [str(source)])
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
                        || (regexp_extract(InvoiceNo, '[0-9]+$')::INT + copy * 1_000_000) AS InvoiceNo,
                    StockCode,
                    Description,
                    Quantity{"::INT" if typed else ""} AS Quantity,
                    {"" if typed else "strftime"}(InvoiceDate::TIMESTAMP + to_days(days)
                        {"" if typed else ", '%Y-%m-%d %H:%M:%S'"}) AS InvoiceDate,
                    UnitPrice{"::DOUBLE" if typed else ""} AS UnitPrice,
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
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in grow(base(options.folder), options.folder, options.copies, options.form, options.seed):
        print(f"{path} {path.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
