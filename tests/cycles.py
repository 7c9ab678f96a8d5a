"""Shops as files for unattended cycles: the customers of `made_up` with their orders, and what may go wrong with a file."""

import csv
from datetime import datetime, timedelta

from made_up import customers

GROUPS = {"lapsed": 60, "new": 40, "best": 30}
FIRST_DAY = datetime(2024, 6, 30, 12)
QUICK = ("--trials", "1", "--max-segments", "3", "--min-stability", "0", "--min-anomaly-rate", "0.001")
QUICK += (
    "--max-anomaly-rate",
    "0.2",
    "--anomaly-rate",
    "0.02",
    "--min-share",
    "0.01",
    "--min-value-step",
    "1",
)
HEAD = ("CustomerID", "InvoiceNo", "InvoiceDate", "Quantity", "UnitPrice")


def shop_rows(seed=0, day=FIRST_DAY, money=1.0, prefix="", groups=GROUPS):
    """Lines of HEAD: each customer's orders between Tenure and Recency days before `day`, at the usual value."""
    rows = []
    for customer in customers(seed=seed, **groups).itertuples():
        for number in range(int(customer.Frequency)):
            share = number / max(customer.Frequency - 1, 1)
            ago = customer.Tenure + share * (customer.Recency - customer.Tenure)
            moment = day - timedelta(days=float(ago))
            price = f"{customer.AverageOrderValue * money:.2f}"
            name = f"{prefix}{customer.customer_id}"
            rows.append((name, f"{name}-{number}", f"{moment:%Y-%m-%d %H:%M}", "1", price))
    return sorted(rows, key=lambda row: row[2])


def write_shop(folder, rows, name="orders.csv"):
    """Write the lines as the only file of a folder, whose path is the answer."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEAD, *rows])
    return folder
