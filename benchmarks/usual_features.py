"""The five features the usual way: one script of pandas, as a good notebook has it.

    python benchmarks/usual_features.py LINES.csv OUTPUT.parquet [--keep-duplicates]

Same work as `segments`: lines without a customer, exact duplicates, cancellations and prices of zero are left
out. Money is summed in floating point.
"""

import sys

import pandas as pd

source, output, *options = sys.argv[1:]

lines = pd.read_parquet(source) if source.endswith(".parquet") else pd.read_csv(source)
lines = lines.dropna(subset=["CustomerID"])
if "--keep-duplicates" not in options:
    lines = lines.drop_duplicates()
lines["InvoiceDate"] = pd.to_datetime(lines["InvoiceDate"])
as_of = lines["InvoiceDate"].max() + pd.Timedelta(days=1)

lines = lines[~lines["InvoiceNo"].astype(str).str.startswith("C")]
lines = lines[(lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
lines["Amount"] = lines["Quantity"] * lines["UnitPrice"]

customers = lines.groupby("CustomerID").agg(
    first=("InvoiceDate", "min"),
    last=("InvoiceDate", "max"),
    Frequency=("InvoiceNo", "nunique"),
    Monetary=("Amount", "sum"),
)
customers["Recency"] = (as_of - customers["last"]).dt.days
customers["Tenure"] = (as_of - customers["first"]).dt.days
customers["AverageOrderValue"] = customers["Monetary"] / customers["Frequency"]
customers.index = customers.index.astype("int64").astype(str)
customers.drop(columns=["first", "last"]).rename_axis("customer_id").to_parquet(output)
