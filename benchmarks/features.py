"""From a shop's lines to the five features of its customers: `segments` beside the usual pandas script.

    python benchmarks/features.py [--lines 541909 10838180] [--runs 3]

Every size is written as CSV by `grow.py` into a temporary folder (SEGMENTS_REAL_DATA, or the demo shop, as
base; lines are rounded to whole copies). Both ways run as whole processes, by turns, and their answers must be
equal; sizes above a million lines run once. Above 50 million lines the form is Parquet and only `segments`
runs: pandas would not fit.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb
from grow import base, grow

from contract.names import FEATURES

HERE = Path(__file__).parent
OURS = """
import sys
from training.shop import Reading, count_customers
shop = count_customers([sys.argv[1]], Reading(returns="drop", duplicates=sys.argv[3]))
shop.customers.to_parquet(sys.argv[2])
"""
PANDAS_UP_TO_LINES = 50_000_000  # more would not fit into memory
ONE_RUN_FROM_LINES = 1_000_000


def measure(command: list[str]) -> tuple[float, float, float]:
    """A command, run -> its wall seconds, CPU seconds and peak memory in MB, its own process alone."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    megabyte = 2**20 if sys.platform == "darwin" else 2**10
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / megabyte


def check_equal(ours: Path, usual: Path) -> None:
    """Stop unless two files hold the same customers; money may differ by the rounding of floating point."""
    ((customers, joined, largest),) = duckdb.sql(
        f"""
        SELECT
            (SELECT count(*) FROM '{ours}') + (SELECT count(*) FROM '{usual}'),
            count(*),
            max(greatest({", ".join(f"abs(a.{name} - b.{name}) / abs(b.{name})" for name in FEATURES)}))
        FROM '{ours}' AS a JOIN '{usual}' AS b USING (customer_id)
        """
    ).fetchall()
    if customers != 2 * joined or largest > 1e-9:
        raise SystemExit(f"The answers differ: {customers} rows, {joined} in both, by up to {largest:.1e}")


def compare(source: Path, folder: Path, duplicates: str, runs: int, usual: bool) -> None:
    """Run both ways on a file or folder by turns, check the answers and print a line of the table for each."""
    ours_out, usual_out = folder / "ours.parquet", folder / "usual.parquet"
    keep = ["--keep-duplicates"] if duplicates == "keep" else []
    commands = {"segments": [sys.executable, "-c", OURS, str(source), str(ours_out), duplicates]}
    if usual:
        script = str(HERE / "usual_features.py")
        commands = {"pandas": [sys.executable, script, str(source), str(usual_out), *keep], **commands}
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            figures[name].append(measure(command))
    if usual:
        check_equal(ours_out, usual_out)
    first: tuple[float, ...] | None = None
    for name, times in figures.items():
        middle = tuple(statistics.median(column) for column in zip(*times, strict=True))
        first = first or middle
        wall, cpu, memory = middle
        ratios = f"{first[0] / wall:.1f}x | {first[1] / cpu:.1f}x" if usual else "- | -"
        print(f"| {duplicates} | {name} | {wall:.2f} | {cpu:.2f} | {memory:,.0f} | {ratios} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, nargs="+", default=[541_909, 10_838_180])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}, {date.today()};", end=" ")
    print(
        f"medians of {options.runs} whole processes by turns (one above {ONE_RUN_FROM_LINES:,} lines), page cache warm"
    )
    for line_count in options.lines:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            first = base(folder)
            ((size,),) = duckdb.sql(
                f"SELECT count(*) FROM read_csv('{first}', all_varchar = true)"
            ).fetchall()
            copies = max(1, round(line_count / size))
            usual = copies * size <= PANDAS_UP_TO_LINES
            (folder / "lines").mkdir()
            files = grow(first, folder / "lines", copies, "csv" if usual else "parquet")
            megabytes = sum(file.stat().st_size for file in files) / 1e6
            form = "CSV" if usual else f"Parquet, {len(files)} files"
            print(f"\n{copies * size:,} lines, {form}, {megabytes:,.0f} MB\n")
            print("| duplicates | way | wall s | CPU s | peak MB | wall to pandas | CPU to pandas |")
            print("|---|---|---|---|---|---|---|")
            for duplicates in ("drop", "keep"):
                source = files[0] if usual else folder / "lines"
                compare(
                    source,
                    folder,
                    duplicates,
                    options.runs if copies * size < ONE_RUN_FROM_LINES else 1,
                    usual,
                )


if __name__ == "__main__":
    main()
