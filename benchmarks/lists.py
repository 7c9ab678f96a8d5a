"""Lists, filters, searches, sorts, pages and files of a shop of a million customers: seconds and memory.

    python benchmarks/lists.py [--customers 1000000] [--runs 5]

Makes up a shop, loads it as a server loads its champion, and asks the application itself, without a network, one
question after the other and two at a time. On a machine that does other work, too, read the seconds of the processor.
Aim: each within 0.3 s on 2 cores, and the process within 2 GB.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from contract.names import FEATURES, STATES
from serving import create_app, histories
from serving.snapshot import Snapshot

AIM_SECONDS, AIM_GIGABYTES = 0.3, 2.0
NAMES = ("Low-value lapsed", "Low-value", "Medium-value active", "High-value active")
MONTHS_EACH = 5
QUESTIONS = {
    "first page, biggest spenders": "/analytics/customers",
    "a segment and a state, by value at risk": "/analytics/customers?segment=3&state=late&sort=-value_at_risk",
    "unusual, spent 500 or more, ordered lately": "/analytics/customers?unusual=true&min_monetary=500&max_recency=90",
    "a country, by last order": "/analytics/customers?kept.country=France&sort=Recency",
    "search: one customer's address": "/analytics/customers?q=Customer654321@",
    "search: a part that many have": "/analytics/customers?q=4321",
    "search: a part that all have": "/analytics/customers?q=example",
    "who fell": "/analytics/customers?moved=fell&sort=-expected_spend",
    "sorted by name of segment": "/analytics/customers?sort=segment_name",
    "sorted by address": "/analytics/customers?sort=email",
    "page 10,000 of all": "/analytics/customers?page=10000",
    "500 rows on a page": "/analytics/customers?per_page=500",
    "three columns": "/analytics/customers?fields=customer_id,Monetary,state",
    "a customer's page": "/analytics/customers/C0654321",
}
FILES = {
    "a file of a segment and a state": "/analytics/audience?segment=3&state=late",
    "the same with a control group": "/analytics/audience?segment=3&state=late&holdout=10%25",
    "the same, hashed for Google": "/analytics/audience?segment=3&state=late&form=google",
}


def shop(customers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scored customers, one row each, and where each was before."""
    rng = np.random.default_rng(0)
    ids = np.array([f"C{number:07}" for number in range(customers)], dtype=object)
    segment = rng.choice(len(NAMES), customers, p=[0.4, 0.25, 0.2, 0.15])
    frequency = rng.geometric(0.3, customers).astype(float)
    money = rng.lognormal(4, 1, customers) * frequency
    recency = rng.integers(1, 700, customers).astype(float)
    spend = rng.lognormal(3, 1, customers)
    frame = pd.DataFrame(
        {
            "customer_id": ids,
            "Recency": recency,
            "Frequency": frequency,
            "Monetary": money,
            "AverageOrderValue": money / frequency,
            "Tenure": recency + rng.integers(0, 300, customers),
            "Returned": 0.0,
            "returns_note": "",
            "country": rng.choice(["France", "Germany", "Norway", "Spain"], customers),
            "email": [f"customer{number}@example.com" for number in rng.permutation(customers)],
            "segment": segment,
            "segment_name": np.array(NAMES, dtype=object)[segment],
            "state": rng.choice(STATES, customers),
            "is_anomaly": rng.random(customers) < 0.015,
            "anomaly_score": rng.random(customers),
            "anomaly_reason": "",
            "distance": rng.random(customers),
            "expected_orders": rng.random(customers),
            "expected_spend": spend,
            "spend_low": spend / 2,
            "spend_high": spend * 2,
            "likely_to_buy": rng.random(customers),
            "pca_1": rng.random(customers),
            "pca_2": rng.random(customers),
        }
    )
    moves = pd.DataFrame(
        {
            "customer_id": ids,
            "from_segment": segment.astype(float),
            "from_name": np.array(NAMES, dtype=object)[segment],
            "from_state": rng.choice(STATES, customers),
            "moved": rng.choice(["stayed", "rose", "fell", "came"], customers, p=[0.85, 0.06, 0.06, 0.03]),
        }
    )
    return frame, moves


def loaded(customers: int) -> Snapshot:
    """The made-up shop as a server holds its champion."""
    frame, moves = shop(customers)
    profiles = [
        {
            "segment": number,
            "name": name,
            "customers": 1,
            "share": 0.25,
            "revenue": 1.0,
            "revenue_share": 0.25,
        }
        for number, name in enumerate(NAMES)
    ]
    groups = [
        {"segment": number, "state": "active", "customers": 50, "spend": 5e3} for number in range(len(NAMES))
    ]
    centres = np.log1p(frame[list(FEATURES)].groupby(frame.segment).median().to_numpy())

    def distances(values: np.ndarray) -> np.ndarray:
        return np.sqrt(((np.log1p(values)[:, None] - centres[None]) ** 2).sum(axis=2))

    rows = {customer: index for index, customer in enumerate(frame.customer_id)}
    summary = {"as_of": "2024-01-01T00:00:00", "data": "real"}
    return Snapshot.of(
        1,
        frame,
        profiles,
        summary,
        scorer=lambda columns: [],  # noqa: ARG005
        forecast={"groups": groups},
        moves=moves,
        distances=distances,
        months=months_of(frame.customer_id.to_numpy(), rows),
    )


def months_of(ids: np.ndarray, rows: dict[str, int]) -> histories.Months:
    """Some months of each customer, written and read as a training and a server do."""
    count = len(ids) * MONTHS_EACH
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "months.parquet"
        month = np.array([f"2023-{1 + number % 12:02}-01" for number in range(12)], dtype="datetime64[D]")
        table = {
            "customer_id": pa.DictionaryArray.from_arrays(
                np.repeat(np.arange(len(ids), dtype=np.int32), MONTHS_EACH), pa.array(ids, pa.string())
            ).cast(pa.string()),
            "month": month[np.arange(count) % 12],
            "orders": rng.integers(1, 4, count).astype(np.int32),
            "money": rng.lognormal(4, 1, count),
        }
        parquet.write_table(pa.table(table), path, compression="zstd")
        print(f"months.parquet: {path.stat().st_size / 1e6:.0f} MB for {count:,} rows")
        return histories.read_months(path, rows)


def seconds_of(ask: Callable[[], None]) -> tuple[float, float]:
    """What an answer takes: seconds on the clock, and of the processor."""
    start, used = time.perf_counter(), time.thread_time()
    ask()
    return time.perf_counter() - start, time.thread_time() - used


def shown(seconds: tuple[float, float]) -> str:
    return f"{seconds[0]:.3f} s ({seconds[1]:.3f})"


def memory_gigabytes() -> float:
    """What the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    app = create_app()
    start = time.perf_counter()
    snapshot = loaded(arguments.customers)
    loading = time.perf_counter() - start
    gc.collect()
    with patch.object(app.extensions["champion"], "current", lambda: snapshot):

        def ask(path: str) -> None:
            answer = app.test_client().get(path)
            assert answer.status_code == 200, answer.text
            assert len(answer.data)

        print(
            f"{os.cpu_count()} cores, {platform.machine()}, {date.today()}; {arguments.customers:,} customers"
        )
        print(
            "\n| question | first: clock (processor) | again, middle of the runs | two at a time, slowest |"
        )
        print("|---|---|---|---|")
        slowest = (0.0, 0.0)
        for name, path in (QUESTIONS | FILES).items():
            first = seconds_of(lambda path=path: ask(path))
            again = statistics.median_high(
                seconds_of(lambda path=path: ask(path)) for _ in range(arguments.runs)
            )
            with ThreadPoolExecutor(2) as pool:
                together = max(
                    pool.map(lambda _, path=path: seconds_of(lambda: ask(path)), range(2 * arguments.runs))
                )
            print(f"| {name} | {shown(first)} | {shown(again)} | {shown(together)} |", flush=True)
            if name in QUESTIONS:
                slowest = tuple(map(max, slowest, first, again))
    held = memory_gigabytes()
    print(f"\nmade up and loaded in {loading:.0f} s; the process holds {held:.2f} GB")
    for what, seconds in zip(("clock", "processor"), slowest, strict=True):
        verdict = "met" if seconds <= AIM_SECONDS and held <= AIM_GIGABYTES else "NOT MET"
        print(
            f"each list within {AIM_SECONDS} s and {AIM_GIGABYTES:g} GB, by the {what}: {verdict} ({seconds:.3f} s)"
        )


if __name__ == "__main__":
    main()
