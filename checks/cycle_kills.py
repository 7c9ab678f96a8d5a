"""What an unattended cycle leaves when it is killed at random moments: real processes, a real store, month after month.

    python checks/cycle_kills.py [--kills 50] [--seed 0]

Each month, new data of a made-up shop come, and `segments cycle --always` is killed (SIGKILL, with all that it started)
at a moment that is uniform over the time that a cycle takes. The champion must load as before; the next call must go on
and end well. Then there must be one version of these data, one entry of the history that made it champion, every
event at least once and under one id, no open cycle, and no run that seems to be at work. Exit code 1 when anything
does not hold.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import mlflow

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from cycles import FIRST_DAY, QUICK, shop_rows, write_shop  # noqa: E402

from contract.names import CYCLE_EXPERIMENT, EXPERIMENT, HISTORY_EXPERIMENT, MODEL  # noqa: E402

COMMAND = (sys.executable, "-m", "training.cli", "cycle", "in", *QUICK, "--always")
MONTHS_BACK = 60  # the first month is so long ago, so that the last ones are not in the future
TOLD = ("--notify-file", "events.jsonl", "--export", "lists")


class Shop:
    """A folder with a shop's data and a store, and the problems found in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.problems = folder, []
        self.address = f"sqlite:///{folder}/mlruns/mlflow.db"

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.address, self.address)

    def month(self, number: int) -> None:
        """New data: a month later, without one of the customers, so that the search comes out alike each time."""
        rows = shop_rows(day=FIRST_DAY - timedelta(days=30 * (MONTHS_BACK - number)))
        write_shop(self.folder / "in", [row for row in rows if row[0] != f"c{number:04d}"])

    @property
    def words(self) -> tuple[str, ...]:
        """The command, and to whom it tells what happens."""
        return (*COMMAND, *TOLD)

    def start(self) -> subprocess.Popen:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        environment |= {"MLFLOW_TRACKING_URI": self.address, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            self.words,
            cwd=self.folder,
            env=environment,
            stdout=(self.folder / "cycle.log").open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def check(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)
            print(f"    PROBLEM: {problem}", flush=True)

    def finish(self) -> float:
        """A cycle that nobody disturbs; how long it took."""
        started = time.monotonic()
        process = self.start()
        process.wait()
        output = (self.folder / "cycle.log").read_text()
        self.check(process.returncode == 0, f"exit code {process.returncode}: {output[-600:]}")
        return time.monotonic() - started

    def state(self) -> str:
        """How far the cycle came, as MLflow shows it."""
        experiment = self.client.get_experiment_by_name(CYCLE_EXPERIMENT)
        runs = self.client.search_runs([experiment.experiment_id]) if experiment else []
        tags = runs[0].data.tags if runs else {}
        if not tags or "outcome" in tags:
            return "reading"
        steps = {"moved_by": "promotion", "version": "gate", "why": "training"}
        return next((step for tag, step in steps.items() if tag in tags), "decision")

    def check_month(self, version: int) -> None:
        """All that must hold when the data of version number `version` are handled."""
        client = self.client
        records = client.search_model_versions(f"name='{MODEL}'")
        digests = collections.Counter(record.tags.get("data_digest") for record in records)
        self.check(len(records) == version, f"{len(records)} versions, expected {version}")
        self.check(max(digests.values()) == 1, f"a second version of the same data: {digests}")
        champion = client.get_model_version_by_alias(MODEL, "champion")
        self.check(int(champion.version) == version, f"champion is {champion.version}, expected {version}")
        moves = self.runs(HISTORY_EXPERIMENT)
        ended = [run.data.tags["to"] for run in moves if run.info.status == "FINISHED"]
        self.check(ended.count(str(version)) == 1, f"entries of the history for {version}: {ended}")
        self.check(len(moves) == version, f"{len(moves)} entries of the history, expected {version}")
        self.check_events(version)
        cycles = self.runs(CYCLE_EXPERIMENT)
        self.check(all(run.data.tags["open"] == "no" for run in cycles), "a cycle is still open")
        self.check(len(cycles) == version, f"{len(cycles)} cycles, expected {version}")
        at_work = [run for run in (*self.runs(EXPERIMENT), *cycles, *moves) if run.info.status == "RUNNING"]
        self.check(not at_work, f"{len(at_work)} runs seem to be at work")

    def runs(self, experiment: str) -> list:
        found = self.client.get_experiment_by_name(experiment)
        return list(self.client.search_runs([found.experiment_id], max_results=50_000)) if found else []

    def check_events(self, version: int) -> None:
        events = [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]
        bodies = collections.defaultdict(set)
        for event in events:
            bodies[event["id"]].add(json.dumps(event, sort_keys=True))
        self.check(all(len(texts) == 1 for texts in bodies.values()), "one id with two contents")
        own = {event["type"] for event in events if event["version_after"] == version}
        self.check({"retrained", "promoted"} <= own, f"events of version {version}: {own}")

    def check_champion(self, version: int) -> None:
        """Until the data are handled, the champion is one of before or the new one, and it loads."""
        champion = self.client.get_model_version_by_alias(MODEL, "champion")
        self.check(int(champion.version) in (version, version + 1), f"champion is {champion.version}")
        mlflow.set_tracking_uri(self.address)
        mlflow.pyfunc.load_model(f"models:/{MODEL}/{champion.version}")


def ended_within(process: subprocess.Popen, seconds: float) -> float | None:
    """After how many seconds a process ended by itself; None when it has not ended in this time."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if process.poll() is not None:
            return time.monotonic() - started
        time.sleep(0.05)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    states: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as name:
        shop = Shop(Path(name))
        shop.month(0)
        shop.finish()
        shop.month(1)
        seconds = shop.finish()
        shop.check_month(2)
        print(f"A cycle takes {seconds:.1f} s.", flush=True)
        for number in range(2, 2 + given.kills):
            shop.month(number)
            process = shop.start()
            moment = chance.uniform(0, seconds)
            ended = ended_within(process, moment)
            if ended is None:
                os.killpg(process.pid, signal.SIGKILL)
            else:  # the machine has less to do than before
                seconds = ended
            process.wait()
            state = shop.state() if ended is None else "ended before"
            states[state] += 1
            shop.check_champion(number)
            shop.finish()
            shop.check_month(number + 1)
            print(f"{number - 1:3d}: killed after {moment:5.1f} s, at: {state}", flush=True)
    print(f"{given.kills} kills, {len(shop.problems)} problems; at: {dict(states)}")
    return 1 if shop.problems else 0


if __name__ == "__main__":
    sys.exit(main())
