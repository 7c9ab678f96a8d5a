"""The kernels beside scikit-learn where the machine is busy or small: does each keep its ratio?

    python benchmarks/busy.py [--customers 100000]

Both ways run one after the other in a process of their own, with nothing beside it, with four busy processes beside
it, on one core (`taskset`), and under a quota of one core's time (a control group of version 1, where root may make
one). A ratio may be up to 1.5 times better or worse than the one with nothing beside.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np

SAME_WITHIN = 1.5
BUSY_PROCESSES = 4
QUOTA = Path("/sys/fs/cgroup/cpu")
ROUNDS = 2


def kernels(points: np.ndarray) -> dict[str, tuple[Callable, Callable]]:
    """Each kernel in our way and the usual one; fewer customers and settings where the usual way takes minutes."""
    import usual
    from speed import KS, MIN_SAMPLES, our_k_means, plane

    from training.clustering.density import neighbours
    from training.clustering.evaluate import silhouette

    few, fewer = points[:30_000], points[:15_000]
    settings = plane(neighbours(few, max(MIN_SAMPLES)))[::10]
    labels = usual.k_means(fewer, [4])[0].labels_.astype(np.int64)

    def noise() -> None:
        near = neighbours(few, max(MIN_SAMPLES))
        for m in MIN_SAMPLES:
            near.noise_threshold(m)

    return {
        f"k-means for k=2..12, {len(points):,}": (
            lambda: our_k_means(points),
            lambda: usual.k_means(points, KS),
        ),
        f"noise at {len(settings)} settings, {len(few):,}": (noise, lambda: usual.noise(few, settings)),
        f"silhouette, exact, {len(fewer):,}": (
            lambda: silhouette(fewer, labels, exact_up_to=len(fewer)),
            lambda: usual.silhouette(fewer, labels),
        ),
    }


def measure(file: str) -> None:
    """The mean seconds of both ways by kernel, as JSON: in turns, after one round of ours to compile."""
    from speed import timed

    seconds = {}
    for name, (ours, theirs) in kernels(np.load(file)).items():
        ours()
        rounds = [(timed(ours)[0], timed(theirs)[0]) for _ in range(ROUNDS)]
        seconds[name] = tuple(map(statistics.mean, zip(*rounds, strict=True)))
    print(json.dumps(seconds))


@contextlib.contextmanager
def nothing() -> Iterator[list[str]]:
    yield []


@contextlib.contextmanager
def busy_processes() -> Iterator[list[str]]:
    """Processes that only ask for their parent, and end with it."""
    busy = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    others = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(BUSY_PROCESSES)]
    try:
        yield []
    finally:
        for process in others:
            process.kill()
            process.wait()


@contextlib.contextmanager
def one_core() -> Iterator[list[str]]:
    yield ["taskset", "--cpu-list", "0"]


@contextlib.contextmanager
def quota() -> Iterator[list[str]]:
    """A control group with one core's time out of both; who starts in it stays in it."""
    group = QUOTA / f"segments-{os.getpid()}"
    group.mkdir()
    try:
        (group / "cpu.cfs_quota_us").write_text((group / "cpu.cfs_period_us").read_text())
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        group.rmdir()


def run(circumstance: Callable, file: Path) -> dict[str, list[float]]:
    with circumstance() as before:
        command = [*before, sys.executable, __file__, "--measure", str(file)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        return measure(given.measure)
    import customers

    circumstances = {"nothing": nothing, "four busy processes": busy_processes}
    if shutil.which("taskset"):
        circumstances["one core"] = one_core
    if os.access(QUOTA / "tasks", os.W_OK) and os.geteuid() == 0:
        circumstances["a quota of one core"] = quota
    print(f"{processor()}, {os.cpu_count()} cores, {date.today()}, load {os.getloadavg()[0]:.1f}\n")
    print("| beside it | kernel | usual s | ours s | ratio | to nothing beside |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "points.npy"
        np.save(file, customers.points(customers.base(Path(folder))[1], given.customers))
        base: dict[str, float] = {}
        for name, circumstance in circumstances.items():
            for kernel, (ours, usual) in run(circumstance, file).items():
                ratio = usual / ours
                change = ratio / base.setdefault(kernel, ratio)
                verdict = "" if 1 / SAME_WITHIN <= change <= SAME_WITHIN else " (not within 1.5)"
                print(
                    f"| {name} | {kernel} | {usual:.2f} | {ours:.3f} | **{ratio:.1f}x** | {change:.2f}{verdict} |",
                    flush=True,
                )
    return None


if __name__ == "__main__":
    main()
