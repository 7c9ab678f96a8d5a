"""From transaction lines to a chosen k, beside the usual way, as whole processes: imports, reading, cleaning, features,
noise at 50 settings of eps and min_samples, k-means for k=2..12 without the anomalies, a silhouette each.

    python benchmarks/whole.py [--copies 20]

The lines are the shop's (SEGMENTS_REAL_DATA, or the demo shop), grown by `grow.py`; twenty copies of the UCI data are
10.8 million lines and 87 thousand customers, for which the usual way takes some ten minutes. Both ways leave out
exact duplicates and cancellations, use the same 50 settings, and must come to the same customers, anomalies and k.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import usual
from features import measure
from grow import base, grow

HERE = Path(__file__).parent
KS = range(2, 13)
KMEANS_SETTING = 25  # the index of the setting whose anomalies are left out of k-means


def ours(lines: str, settings: list[tuple[float, int]], exact: bool) -> dict:
    """The project's own way; `settings` are only read off the data where none are options."""
    from contract.names import FEATURES
    from training.clustering import kmeans
    from training.clustering.density import neighbours
    from training.clustering.evaluate import silhouette, silhouettes
    from training.clustering.segmenter import standardise
    from training.clustering.sweep import RESTARTS
    from training.shop import Reading, count_customers

    customers = count_customers([lines], Reading(returns="drop")).customers
    points = standardise(customers[list(FEATURES)].to_numpy())[1]
    near = neighbours(points, 20)
    thresholds = {m: near.noise_threshold(m) for m in (5, 10, 15, 20)}
    if not settings:
        from speed import plane

        settings = plane(near)
    flags = [thresholds[m] > eps for eps, m in settings]
    ordinary = points[~flags[KMEANS_SETTING]]
    lloyd = kmeans.Lloyd(ordinary)
    fits = [lloyd.best(kmeans.starts(ordinary, k, RESTARTS, 0)).labels for k in KS]
    scores = (
        silhouettes(ordinary, fits) if exact else [silhouette(ordinary, fit, exact_up_to=0) for fit in fits]
    )
    print(f"{'exact' if exact else 'sampled'} silhouettes, {scores[0].distances} distances", file=sys.stderr)
    return answer(len(customers), flags, [score.value for score in scores]) | {"settings": settings}


def theirs(lines: str, settings: list[tuple[float, int]]) -> dict:
    """The usual way: the pandas script, then scikit-learn refitted for each setting."""
    import pandas as pd
    from sklearn.preprocessing import StandardScaler

    table = Path(lines).with_name("usual.parquet")
    subprocess.run([sys.executable, HERE / "usual_features.py", lines, table], check=True)
    customers = pd.read_parquet(table)
    points = StandardScaler().fit_transform(np.log1p(customers[usual.FEATURES].to_numpy()))
    flags = usual.noise(points, settings)
    ordinary = points[~flags[KMEANS_SETTING]]
    fits = usual.k_means(ordinary, KS)
    return answer(len(customers), flags, [usual.silhouette(ordinary, fit.labels_) for fit in fits])


def answer(customers: int, flags: list[np.ndarray], silhouettes: list[float]) -> dict:
    """The figures that must be equal for both ways."""
    best = int(np.argmax(silhouettes))
    noise = [int(flag.sum()) for flag in flags]
    return {"customers": customers, "noise": noise, "k": KS[best], "silhouette": silhouettes[best]}


def run(way: str, lines: Path, settings: Path, output: Path) -> tuple[float, float, float]:
    """One way, as a process -> its wall seconds, CPU seconds and peak memory in MB."""
    os.environ["PYTHONPATH"] = f"{HERE.parent}:{HERE}"
    return measure([sys.executable, __file__, "--way", way, str(lines), str(settings), str(output)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument(
        "--way", nargs=4, metavar=("WAY", "LINES", "SETTINGS", "OUTPUT"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.way:
        way, lines, settings, output = options.way
        known = json.loads(Path(settings).read_text())
        result = theirs(lines, known) if way == "usual" else ours(lines, known, way == "exact")
        Path(output).write_text(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (lines,) = grow(base(folder), folder, options.copies)
        settings, output = folder / "settings.json", folder / "answer.json"
        settings.write_text("[]")
        run("sampled", lines, settings, output)  # compiled, in the page cache, and the settings are read off
        settings.write_text(json.dumps(json.loads(output.read_text())["settings"]))
        measured, results = {}, {}
        for way in ("sampled", "exact", "usual", "exact", "sampled"):
            measured.setdefault(way, []).append(run(way, lines, settings, output))
            results[way] = json.loads(output.read_text())
        usual_result = results["usual"]
        count = sum(1 for _ in lines.open("rb")) - 1
        print(f"{os.cpu_count()} cores, {platform.machine()}, {date.today()}; {count:,} lines, ", end="")
        print(f"{usual_result['customers']:,} customers; load when done {os.getloadavg()[0]:.1f}\n")
        print(
            "Silhouettes: sampled and exact ones from float32 distances, summed in float64; the usual way in float64.\n"
        )
        print("| way | wall s | CPU s | peak MB | ratio | k | silhouette | noise counts that differ |")
        print("|---|---|---|---|---|---|---|---|")
        base_wall = measured["usual"][0][0]
        for way, runs in measured.items():
            wall, cpu, memory = (sum(column) / len(runs) for column in zip(*runs, strict=True))
            mine = results[way]
            assert mine["customers"] == usual_result["customers"]
            wrong = sum(a != b for a, b in zip(mine["noise"], usual_result["noise"], strict=True))
            print(
                f"| {way} | {wall:.1f} | {cpu:.1f} | {memory:,.0f} | **{base_wall / wall:.0f}x** | {mine['k']} "
                f"| {mine['silhouette']:.4f} | {wrong} of {len(mine['noise'])} |"
            )


if __name__ == "__main__":
    main()
