"""Transactions to scored customers: `segments score` on DuckDB and on Spark, the shop grown to each size.

    python benchmarks/on_spark.py [--copies 1 20 200] [--duplicates keep]

Every size is typed Parquet that `grow.py` writes into a temporary folder (SEGMENTS_REAL_DATA, or the demo shop, as
base). Both engines run as whole processes, and their tables must be equal. Spark runs where PYSPARK_SUBMIT_ARGS says,
by default inside the command; its memory is that of all of its processes on this machine, sampled.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import psutil
from grow import base, grow

SEGMENTS = [sys.executable, "-m", "training.cli"]
SAMPLED_EVERY_SECONDS = 0.2


class Peak(threading.Thread):
    """Samples the memory of a process, its children and the Java processes of Spark, and keeps the most."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.ended = threading.Event()
        self.most_bytes = 0

    def run(self) -> None:
        while not self.ended.wait(SAMPLED_EVERY_SECONDS):
            self.most_bytes = max(self.most_bytes, sum(_bytes_of(each) for each in self._processes()))

    def _processes(self) -> set[psutil.Process]:
        try:
            own = {self.process, *self.process.children(recursive=True)}
        except psutil.NoSuchProcess:
            own = set()
        spark = {each for each in psutil.process_iter() if _is_spark(each)}
        workers = {child for each in spark for child in _children(each)}
        return own | spark | workers


def _bytes_of(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _is_spark(process: psutil.Process) -> bool:
    try:
        return process.name() == "java" and any("org.apache.spark" in word for word in process.cmdline())
    except psutil.Error:
        return False


@contextmanager
def peak_of(process: psutil.Process) -> Iterator[Peak]:
    """The memory of a process while the `with` runs."""
    peak = Peak(process)
    peak.start()
    yield peak
    peak.ended.set()
    peak.join()


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """A command, run -> its wall seconds, and the most memory that it and Spark had, in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    with peak_of(psutil.Process(process.pid)) as peak:
        process.wait()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - started, peak.most_bytes / 2**20


def check_equal(folder: Path) -> int:
    """The number of customers. Stop unless both engines scored the same ones in the same way."""
    here, there = (f"'{folder}/duckdb.parquet'", f"'{folder}/spark.parquet/*.parquet'")
    columns = "customer_id, Recency, Frequency, Monetary, segment, state, is_anomaly, anomaly_score"
    query = (
        f"SELECT (SELECT count(*) FROM {here}), (SELECT count(*) FROM {there}), count(*) "
        f"FROM (SELECT {columns} FROM {here} INTERSECT SELECT {columns} FROM {there})"
    )
    ((here_rows, there_rows, equal),) = duckdb.sql(query).fetchall()
    if not here_rows == there_rows == equal:
        raise SystemExit(f"The answers differ: {here_rows} and {there_rows} customers, {equal} alike")
    return int(equal)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--duplicates", choices=("drop", "keep"), default="keep")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}, {date.today()};", end=" ")
    print(f"one run each; Spark: {os.environ.get('PYSPARK_SUBMIT_ARGS', 'inside the command')}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = base(folder)
        command = [*SEGMENTS, "train", str(first), "--promote", "--duplicates", options.duplicates]
        subprocess.run([*command, "--trials", "11"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
        print("| lines' copies | customers | engine | wall s | peak MB |\n|---|---|---|---|---|")
        for copies in options.copies:
            with tempfile.TemporaryDirectory(dir=folder) as lines:
                grow(first, Path(lines), copies, "parquet")
                figures = {
                    engine: measure(
                        [*SEGMENTS, "score", lines, "--engine", engine, "-o", f"{engine}.parquet"], folder
                    )
                    for engine in ("duckdb", "spark")
                }
            customers = check_equal(folder)
            for engine, (wall, memory) in figures.items():
                print(f"| {copies} | {customers:,} | {engine} | {wall:.1f} | {memory:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
