"""The project's own methods beside the usual way, in one run: `make bench`.

    python benchmarks/speed.py [tracked] [noise] [silhouette] [kmeans] [growth] [--large]

Each part prints a table in Markdown: medians of alternating rounds, answers compared. Sizes above the
shop's own are grown from it (`customers.grown`). `--large` adds sizes at which the usual way takes many minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import customers
import numpy as np
import usual

from training.clustering import compiled, kmeans
from training.clustering.density import Neighbours, cluster_counts, eps_for_rate, neighbours
from training.clustering.evaluate import silhouette
from training.clustering.sweep import ANOMALY_RATE, RESTARTS, Evaluator, Limits

PARTS = ("tracked", "noise", "silhouette", "kmeans", "growth")
MIN_SAMPLES = (5, 10, 15, 20)  # of the noise plane
ANOMALY_RATES = np.geomspace(0.01, 0.05, 13)  # 4 x 13 = 52 settings, 50 are used
KS = range(2, 13)


def timed(work: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    answer = work()
    return time.perf_counter() - start, answer


def beside(title: str, ours: Callable, theirs: Callable, agree: Callable, rounds: int = 3) -> None:
    """One row: medians of alternating rounds after one of ours to warm up, their ratio, and what was compared."""
    ours()
    times: dict[str, list[float]] = {"ours": [], "usual": []}
    for _ in range(rounds):
        seconds, mine = timed(ours)
        times["ours"].append(seconds)
        seconds, other = timed(theirs)
        times["usual"].append(seconds)
    a, b = statistics.median(times["ours"]), statistics.median(times["usual"])
    print(f"| {title} | {b:.3f} s | {a:.3f} s | **{b / a:.1f}x** | {agree(mine, other)} |", flush=True)


def head(title: str) -> None:
    print(f"\n### {title}\n\n| what | usual | ours | ratio | answers |\n|---|---|---|---|---|")


def tracked(folder: Path, features: np.ndarray, _: bool) -> None:
    """Whole processes: imports, 100 trials, child runs in an MLflow database that exists already."""
    import mlflow
    import pandas as pd

    head("The tracked search, 100 trials, whole process")
    table = folder / "customers.parquet"
    pd.DataFrame(features, columns=usual.FEATURES).to_parquet(table)
    store = folder / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{store}").search_experiments()
    here = Path(__file__).parent

    def run(script: str) -> Callable:
        def work() -> None:
            store_folder = Path(tempfile.mkdtemp(dir=folder))
            (store_folder / "mlruns").mkdir()
            shutil.copy(store, store_folder / "mlruns" / "mlflow.db")
            address = {"MLFLOW_TRACKING_URI": f"sqlite:///{store_folder}/mlruns/mlflow.db"}
            quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(here.parent)}
            command = [sys.executable, here / script, table, "--trials", "100"]
            environment = os.environ | address | quiet
            subprocess.run(command, cwd=store_folder, env=environment, check=True, capture_output=True)

        return work

    beside(
        f"{len(features):,} customers",
        run("tracked.py"),
        run("usual.py"),
        lambda *_: "100 child runs each",
    )


def plane(near: Neighbours) -> list[tuple[float, int]]:
    """50 settings (eps, min_samples) read off the data, so that 1 % to 5 % are noise."""
    thresholds = {m: near.noise_threshold(m) for m in MIN_SAMPLES}
    return [(eps_for_rate(thresholds[m], rate), m) for m in MIN_SAMPLES for rate in ANOMALY_RATES][:50]


def noise(_: Path, features: np.ndarray, __: bool) -> None:
    """The whole (eps, min_samples) plane from one neighbour query."""
    head("Noise at 50 settings of eps and min_samples")
    for n in (len(features), 10_000, 100_000):
        points = customers.points(features, n)
        settings = plane(neighbours(points, max(MIN_SAMPLES)))

        def ours(points=points, settings=settings) -> list[np.ndarray]:
            near = neighbours(points, max(MIN_SAMPLES))
            thresholds = {m: near.noise_threshold(m) for m in MIN_SAMPLES}
            return [thresholds[m] > eps for eps, m in settings]

        def differences(mine, other) -> str:
            wrong = sum(int((a != b).sum()) for a, b in zip(mine, other, strict=True))
            return f"{wrong} of {50 * len(mine[0]):,} differ"

        def theirs(points=points, settings=settings) -> list[np.ndarray]:
            return usual.noise(points, settings)

        def with_clusters(points=points, settings=settings) -> list[int]:
            near = neighbours(points, max(MIN_SAMPLES))
            return cluster_counts(points, near, settings)

        rounds = 3 if n < 50_000 else 1
        beside(f"{n:,} customers", ours, theirs, differences, rounds)
        beside(
            f"{n:,}, and the number of clusters",
            with_clusters,
            lambda points=points, settings=settings: usual.clusters(points, settings),
            lambda a, b: f"{sum(x != y for x, y in zip(a, b, strict=True))} of 50 differ",
            rounds,
        )


def silhouettes(_: Path, features: np.ndarray, __: bool) -> None:
    """Exact in float64, and sampled with its standard error."""
    head("Silhouette, k=4")
    for n in (len(features), 20_000, 100_000):
        points = customers.points(features, n)
        labels = usual.k_means(points, [4])[0].labels_.astype(np.int64)

        def exact(points=points, labels=labels, n=n):
            return silhouette(points, labels, exact_up_to=n)

        def theirs(points=points, labels=labels) -> float:
            return usual.silhouette(points, labels)

        rounds = 3 if n < 50_000 else 1
        beside(f"{n:,}, exact", exact, theirs, lambda a, b: f"{abs(a.value - b):.0e} apart", rounds)
    known = exact().value
    seconds, sampled = timed(lambda: silhouette(points, labels, exact_up_to=0))
    off = (sampled.value - known) / sampled.standard_error
    print(
        f"\nSampled at {n:,}: {seconds:.2f} s, {sampled.asked:,} customers asked, standard error "
        f"{sampled.standard_error:.1e}; {off:+.1f} standard errors from the exact {known:.4f}."
    )


def our_k_means(points: np.ndarray, ks=KS) -> list:
    """The k-means of the search for each k: shared restarts, polished on all."""
    lloyd = kmeans.Lloyd(points)
    return [lloyd.best(kmeans.starts(points, k, RESTARTS, 0)) for k in ks]


def k_means(_: Path, features: np.ndarray, __: bool) -> None:
    """k=2..12 with 10 restarts each, against shared restarts on a sample."""
    head("k-means for k=2..12")

    def inertias(mine, other) -> str:
        excess = [a.inertia / min(a.inertia, b.inertia_) - 1 for a, b in zip(mine, other, strict=True)]
        theirs = [b.inertia_ / min(a.inertia, b.inertia_) - 1 for a, b in zip(mine, other, strict=True)]
        return (
            f"inertia above the better of the two: ours {max(excess):.1e}, usual {max(theirs):.1e} at worst"
        )

    for n in (len(features), 100_000, 1_000_000):
        points = customers.points(features, n)
        beside(
            f"{n:,} customers",
            lambda points=points: our_k_means(points),
            lambda points=points: usual.k_means(points, KS),
            inertias,
            3 if n < 50_000 else 1,
        )


def growth(folder: Path, features: np.ndarray, large: bool) -> None:
    """The search, 50 trials and the winner's stability, from 10,000 customers on, each in a process of its own."""
    print("\n### How the search grows (50 trials, choice with stability; ours alone)\n")
    print("| customers | neighbours s | search s | choice s | peak memory GB | k | eps | anomalies |")
    print("|---|---|---|---|---|---|---|---|")
    base = folder / "base.npy"
    np.save(base, features)
    rows = []
    for n in (10_000, 30_000, 100_000, 300_000, 1_000_000, *([5_000_000, 10_000_000] if large else [])):
        command = [sys.executable, __file__, "--grow", str(base), str(n)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        row = json.loads(done.stdout)
        rows.append(row)
        print(
            f"| {n:,} | {row['neighbours']:.1f} | {row['search']:.1f} | {row['choice']:.1f} | {row['memory']:.2f} "
            f"| {row['k']} | {row['eps']:.3f} | {row['rate']:.1%} |",
            flush=True,
        )

    figure(rows, Path(__file__).with_name("growth.png"))


def figure(rows: list[dict], path: Path) -> None:
    """Time and memory over the number of customers, both on log scales."""
    import matplotlib.pyplot as plt

    sizes = [row["n"] for row in rows]
    drawn, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, title in (("neighbours", "neighbour query"), ("search", "50 trials"), ("choice", "stability")):
        left.loglog(sizes, [row[name] for row in rows], marker="o", label=title)
    left.set(xlabel="customers", ylabel="seconds", title="Time of the search, 2 cores")
    left.legend()
    right.loglog(sizes, [row["memory"] for row in rows], marker="o", color="tab:purple")
    right.set(xlabel="customers", ylabel="GB", title="Peak memory of the process")
    for axis in (left, right):
        axis.grid(which="major", alpha=0.3)
    drawn.savefig(path, dpi=110)


def grow(base: str, n: int) -> None:
    """One size of `growth`, as JSON."""
    from training.clustering.sweep import choose, run_trials

    points = customers.points(np.load(base), n)
    small = customers.points(np.load(base), 30_000)
    search(small, 2)  # compiled and imported
    seconds, evaluate = timed(lambda: Evaluator(points, points, points[:, 2], Limits(), 0))
    with tempfile.TemporaryDirectory() as folder:
        search_seconds, trials = timed(
            lambda: list(run_trials(evaluate, 50, 0, Path(folder) / "journal", "growth", ANOMALY_RATE))
        )
    choice_seconds, choice = timed(lambda: choose(trials, evaluate, ANOMALY_RATE))
    status = Path("/proc/self/status").read_text()  # of this program alone; getrusage keeps what began it
    memory = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1e6
    winner = choice.winner
    row = {
        "n": n,
        "neighbours": seconds,
        "search": search_seconds,
        "choice": choice_seconds,
        "memory": memory,
    }
    print(json.dumps(row | {"k": winner.k, "eps": winner.eps, "rate": winner.metrics["anomaly_rate"]}))


def search(points: np.ndarray, trials: int) -> list:
    from training.clustering.sweep import run_trials

    with tempfile.TemporaryDirectory() as folder:
        return list(
            run_trials(
                Evaluator(points, points, points[:, 2], Limits(), 0),
                trials,
                0,
                Path(folder) / "journal",
                "search",
                ANOMALY_RATE,
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop, features = customers.base(folder)
        print(
            f"{os.cpu_count()} cores, {platform.machine()}, {date.today()}; {shop}, {len(features):,} customers;"
        )
        print(
            f"compiled loops: {'yes' if compiled.AVAILABLE else 'no'}; load when begun {os.getloadavg()[0]:.1f}"
        )
        jobs = {"tracked": tracked, "noise": noise, "silhouette": silhouettes, "kmeans": k_means}
        jobs |= {"growth": growth}
        for part in options.parts or PARTS:
            jobs[part](folder, features, options.large)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--grow"]:
        grow(sys.argv[2], int(sys.argv[3]))
    else:
        main()
