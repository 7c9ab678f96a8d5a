"""The whole `segments train FILE --promote` beside the usual way's bare search of as many trials: `make bench`.

    python benchmarks/command.py [online_retail.csv.gz] [--rounds 3] [--trials 100]

Both run as whole processes, in turns, each time in a fresh folder with a store of its own. Ours reads the lines, and
delivers figures, report, registered model, gate and champion; the usual way (`usual.py`) is given the features, and
only searches. CPU counts the processes that a command starts. The breakdown is of runs of their own (`steps.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import customers
import pandas as pd
import usual

HERE = Path(__file__).parent
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(HERE.parent)}


def processor() -> str:
    """The name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def run(command: Iterable[object], cache: Path) -> tuple[float, float]:
    """A command in a fresh folder -> its wall seconds, and the CPU seconds of it and of what it started."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        environment |= {**ENVIRONMENT, "XDG_CACHE_HOME": str(cache)}
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        words = list(map(str, command))
        subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def breakdown(runs: list[list[dict]]) -> None:
    """A table of the steps: medians over the runs, those that took longest first."""
    steps = {
        step: tuple(
            statistics.median(sum(row[of] for row in rows if row["step"] == step) for rows in runs)
            for of in ("wall", "cpu", "beside")
        )
        for step in dict.fromkeys(row["step"] for rows in runs for row in rows)
    }
    print("\n| step | wall s | CPU s |\n|---|---|---|")
    for step, (wall, cpu, _) in sorted(steps.items(), key=lambda item: -max(item[1])):
        print(f"| {step} | {wall:.2f} | {cpu:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", default="", help="by default SEGMENTS_REAL_DATA, or the demo shop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    if options.file:
        os.environ["SEGMENTS_REAL_DATA"] = str(Path(options.file).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop, features = customers.base(folder)
        table = folder / "customers.parquet"
        pd.DataFrame(features, columns=usual.FEATURES).to_parquet(table)
        lines = os.environ.get("SEGMENTS_REAL_DATA") or next(folder.glob("demo*"))
        training = ["train", lines, "--promote", "--trials", options.trials]
        times = folder / "times.json"
        ours = [sys.executable, "-m", "training.cli", *training]
        timed = [sys.executable, HERE / "steps.py", times, *training]
        search = [sys.executable, HERE / "usual.py", table, "--trials", options.trials]
        first = run(
            ours, folder / "cache"
        )  # the first one makes what is kept: compiled loops, an empty store
        measured: dict[str, list[tuple[float, float]]] = {"ours": [], "usual": []}
        steps = []
        for _ in range(options.rounds):
            measured["usual"].append(run(search, folder / "cache"))
            measured["ours"].append(run(ours, folder / "cache"))
            run(timed, folder / "cache")
            steps.append(json.loads(times.read_text())["steps"])
        load = os.getloadavg()[0]
    print(
        f"{processor()}, {os.cpu_count()} cores, {date.today()}; load when done {load:.1f}; {shop}, ", end=""
    )
    print(f"{options.trials} trials, medians of {options.rounds} rounds in turns\n")
    print("| what | wall s | CPU s | usual to it, wall | CPU |\n|---|---|---|---|---|")
    middle = {way: tuple(map(statistics.median, zip(*runs, strict=True))) for way, runs in measured.items()}
    rows = {"usual, the bare search": middle["usual"], "segments train --promote": middle["ours"]}
    for what, (wall, cpu) in {**rows, "the first one of a person": first}.items():
        print(
            f"| {what} | {wall:.1f} | {cpu:.1f} | {middle['usual'][0] / wall:.1f}x "
            f"| {middle['usual'][1] / cpu:.1f}x |"
        )
    breakdown(steps)


if __name__ == "__main__":
    main()
