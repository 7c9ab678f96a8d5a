"""What a training leaves when it is killed, and its message when its store fails: real processes, a real store.

    python checks/faults.py [--kills 20] [--seed 0] [--only FAULT]

Everything happens in a temporary folder, on the demo shop. First a training is killed (SIGKILL) at moments that
are uniform over the duration of an uninterrupted training, and then when certain states are seen from outside. After
each kill the champion must answer as before, every alias must stand for a version that loads, and `--resume` must
end with the model that an uninterrupted training gives, each trial done once. Then come the faults of the store. Exit
code 1 when anything does not hold. Disk full and read-only need root, to mount a small file system; without it they
are reported as not run.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import platform
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import mlflow
import pandas as pd

from contract.names import FEATURES, MODEL

SEGMENTS = Path(sys.executable).parent / "segments"
TRIALS = 8
TRAIN = ("train", "--trials", TRIALS)
SAME_ARTIFACTS = ("trials.csv", "choice.json", "profiles.json", "data/customers.parquet")
COMPLETE_TRIAL = '"state":1'  # in Optuna's journal


@dataclass
class Shop:
    """A folder with the demo shop and a store, and the problems found in it."""

    folder: Path
    problems: list[str] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "mlruns" / "mlflow.db"

    def start(self, *arguments: object) -> subprocess.Popen:
        """`segments ARGUMENTS` in the folder, in a process group of its own."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        return subprocess.Popen(
            [str(SEGMENTS), *map(str, arguments)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: object) -> tuple[int, str]:
        """(exit code, error message or last line of the output)."""
        process = self.start(*arguments)
        output, errors = process.communicate()
        self.check("Traceback" not in errors, f"{arguments[0]} shows a traceback")
        messages = [line for line in errors.splitlines() if line.startswith("Error: ")]
        return process.returncode, (messages or output.splitlines() or [errors])[-1]

    def check(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    def must(self, *arguments: object) -> str:
        """Run a command that has to succeed; its last line."""
        code, message = self.run(*arguments)
        self.check(code == 0, f"{' '.join(map(str, arguments))}: exit code {code}: {message}")
        return message

    def must_fail(self, expected: str, *arguments: object) -> str:
        """Run a command that has to end with exit code 2, and with `expected` in its message; the message."""
        code, message = self.run(*arguments)
        self.check(
            code == 2 and expected in message, f"{' '.join(map(str, arguments))}: exit code {code}: {message}"
        )
        return message

    def rows(self, query: str) -> list[tuple]:
        """The rows of a query; none while there is no database."""
        try:
            reader = sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True, timeout=30)
            with contextlib.closing(reader):
                return reader.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []

    def aliases(self) -> dict[str, int]:
        return dict(self.rows("SELECT alias, version FROM registered_model_aliases"))

    def versions(self) -> dict[int, str]:
        """The run of each version."""
        return dict(self.rows("SELECT version, run_id FROM model_versions"))

    def trainings(self) -> dict[str, tuple[str, str]]:
        """(status, stage) of each parent run."""
        rows = self.rows(
            "SELECT runs.run_uuid, runs.status, stage.value FROM runs "
            "JOIN tags stage ON stage.run_uuid = runs.run_uuid AND stage.key = 'stage'"
        )
        return {run: (status, stage) for run, status, stage in rows}

    def trials(self, run: str) -> dict[int, list[str]]:
        """The statuses of a training's child runs by trial."""
        statuses = collections.defaultdict(list)
        for number, status in self.rows(
            "SELECT number.value, runs.status FROM runs JOIN tags number ON number.run_uuid = runs.run_uuid "
            "AND number.key = 'trial' JOIN tags parent ON parent.run_uuid = runs.run_uuid "
            f"AND parent.key = 'mlflow.parentRunId' AND parent.value = '{run}'"
        ):
            statuses[int(number)].append(status)
        return statuses

    def journal(self) -> Path | None:
        """The study of the training at work."""
        return next(self.folder.glob("mlruns/studies/*.journal"), None)

    def finished(self) -> int:
        """Trials that the study at work has finished."""
        journal = self.journal()
        return journal.read_text(errors="replace").count(COMPLETE_TRIAL) if journal else 0

    def answers(self, version: int) -> list[dict]:
        """The answers of a version for the training's customers."""
        mlflow.set_tracking_uri(f"sqlite:///{self.database}")
        table = pd.read_parquet(next(self.folder.glob("mlruns/artifacts/*/artifacts/data/features.parquet")))
        model = mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}")
        return model.predict(table[list(FEATURES)]).to_dict("records")

    def results(self, run: str) -> list[bytes]:
        folder = self.folder / "mlruns" / "artifacts" / run / "artifacts"
        return [(folder / name).read_bytes() for name in SAME_ARTIFACTS]


def new_shop(folder: Path) -> Shop:
    folder.mkdir(parents=True, exist_ok=True)
    shop = Shop(folder)
    shop.must("demo")
    return shop


def with_champion(folder: Path) -> Shop:
    """A shop whose version 1 is champion."""
    shop = new_shop(folder)
    shop.must(*TRAIN, "--seed", 1, "--promote")
    return shop


class Kills:
    """Trainings of one shop, killed and resumed."""

    def __init__(self, folder: Path) -> None:
        self.shop = with_champion(folder)
        self.champion = self.shop.answers(1)
        started = time.monotonic()
        self.shop.must(*TRAIN)
        self.seconds = time.monotonic() - started
        self.expected = self.shop.results(self.shop.versions()[2]), self.shop.answers(2)
        self.redone = self.doubled = 0

    def kill(self, when: Callable[[], bool]) -> list[str]:
        """Kill a training as soon as `when` holds, look, resume, look again."""
        shop = self.shop
        shop.problems.clear()
        before = set(shop.trainings())
        versions = set(shop.versions())
        process = shop.start(*TRAIN)
        while process.poll() is None and not when():
            time.sleep(0.0005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

        begun = set(shop.trainings()) - before
        done = shop.finished()
        new = set(shop.versions()) - versions
        stages = {shop.trainings()[run][1] for run in begun}
        state = self.state(begun, done, new, stages)
        self.look()
        over = stages == {"done"}
        journal = None if over else shop.journal()
        journal_copy = shop.folder / "journal_copy.journal"
        journal_copy.unlink(missing_ok=True)
        if journal:
            journal_copy.hardlink_to(journal)

        after = "nothing left to do"
        if not over:
            after = "--resume" if begun else "--resume, which began anew"
        shop.must(*TRAIN, "--resume")
        self.look()
        self.compare(set(shop.versions()) - versions, set(shop.trainings()) - before)
        if begun and not over and journal_copy.exists():
            finished = journal_copy.read_text().count(COMPLETE_TRIAL)
            self.redone += finished - TRIALS
            shop.check(finished == TRIALS, f"{finished} trials were done instead of {TRIALS}")
        return [state, after]

    def state(self, begun: set[str], done: int, new: set[int], stages: set[str]) -> str:
        if stages == {"done"}:
            return "registered, all done"
        if not begun:
            return "before its run"
        if new:
            held = self.shop.aliases().get("challenger") in new
            return f"registered, {'with' if held else 'without'} alias"
        return f"{done} of {TRIALS} trials" if done < TRIALS else "sweep over, not registered"

    def look(self) -> None:
        """The champion answers as before and every alias stands for a version that loads."""
        aliases = self.shop.aliases()
        self.shop.check(aliases.get("champion") == 1, f"champion is {aliases.get('champion')}")
        self.shop.check(self.shop.answers(1) == self.champion, "the champion answers otherwise")
        for alias, version in aliases.items():
            if version != 1:
                self.shop.check(self.shop.answers(version) == self.expected[1], f"{alias} answers otherwise")

    def compare(self, versions: set[int], runs: set[str]) -> None:
        """One new version of one new run, the same as without a kill; each trial once."""
        shop = self.shop
        shop.check(len(versions) == 1 and len(runs) == 1, f"{len(versions)} versions of {len(runs)} runs")
        for version in versions:
            run = shop.versions()[version]
            shop.check(shop.results(run) == self.expected[0], "other results than without a kill")
            shop.check(shop.aliases().get("challenger") == version, "the new version is not challenger")
            trials = shop.trials(run)
            self.doubled += sum(len(statuses) - 1 for statuses in trials.values())
            shop.check(
                sorted(trials) == list(range(TRIALS)) and set(map(tuple, trials.values())) == {("FINISHED",)},
                f"child runs {dict(trials)}",
            )


def at(seconds: float) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() >= deadline


def random_kills(kills: Kills, number: int, seed: int) -> Iterator[list[str]]:
    moments = random.Random(seed)
    for _ in range(number):
        share = moments.random()
        yield [f"{share:.0%} of {kills.seconds:.0f} s", *kills.kill(at(share * kills.seconds))]


def aimed_kills(kills: Kills) -> Iterator[list[str]]:
    shop = kills.shop

    runs = set(shop.trainings())
    yield ["its run is there", *kills.kill(lambda: set(shop.trainings()) != runs)]
    yield [
        "a trial's child run is begun",
        *kills.kill(
            lambda: bool(shop.rows("SELECT 1 FROM runs WHERE status = 'RUNNING' AND name LIKE 'trial%'"))
        ),
    ]
    yield [
        "Optuna's lock is held",
        *kills.kill(lambda: any(shop.folder.glob("mlruns/studies/*.journal.lock"))),
    ]
    yield ["all trials are done", *kills.kill(lambda: shop.finished() == TRIALS)]
    versions = set(shop.versions())
    yield ["the version is there", *kills.kill(lambda: set(shop.versions()) != versions)]
    latest = shop.aliases()["challenger"]
    yield ["the alias is there", *kills.kill(lambda: shop.aliases()["challenger"] != latest)]


def killed_while_making_the_database(folder: Path) -> tuple[Shop, str]:
    shop = new_shop(folder)
    for share in (0.2, 0.5, 0.8):
        process = shop.start(*TRAIN)
        new = shop.database.with_name("mlflow.db.new")
        while process.poll() is None and not new.exists() and not shop.database.exists():
            time.sleep(0.001)
        time.sleep(share * 5)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    shop.must(*TRAIN, "--promote")
    return shop, "killed three times, then made; version 1 is champion"


def stopped_in_the_sweep(shop: Shop, finished: int = 3) -> None:
    process = shop.start(*TRAIN)
    while process.poll() is None and shop.finished() < finished:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A small file system of its own on `folder`."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder], check=True, capture_output=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, parser: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{parser}", folder], check=True)


def disk_full(folder: Path, free: int) -> tuple[Shop, str]:
    with mounted(folder):
        shop = with_champion(folder)
        champion = shop.answers(1)
        used = shutil.disk_usage(folder).used
        remount(folder, f"size={used // 1024 + free}k")
        before = shop.trainings().keys()
        message = shop.must_fail("Free some space", *TRAIN)
        begun = bool(shop.trainings().keys() - before)
        shop.check(("--resume" in message) == begun, "the message is wrong about --resume")
        shop.check(shop.answers(1) == champion and shop.aliases()["champion"] == 1, "the champion is lost")
        remount(folder, "size=64m")
        shop.must(*TRAIN, *(["--resume"] if begun else []))
        shop.check(set(shop.versions()) == {1, 2}, f"versions {set(shop.versions())}")
    return shop, message


def read_only(folder: Path) -> tuple[Shop, str]:
    with mounted(folder):
        shop = with_champion(folder)
        remount(folder, "ro")
        message = shop.must_fail("Make it writable", *TRAIN)
        shop.must_fail("Make it writable", "promote", "1", "--min-stability", "0.1")  # its verdict is written
        shop.must("score", "data/raw/demo.csv.gz", "-o", folder.parent / "read_only.csv")
        remount(folder, "rw")
        shop.must(*TRAIN)
    return shop, message


def locked(folder: Path) -> tuple[Shop, str]:
    shop = with_champion(folder)
    holder = sqlite3.connect(shop.database, isolation_level=None)
    process = shop.start(*TRAIN)
    while process.poll() is None and shop.finished() < 3:
        time.sleep(0.001)
    holder.execute("BEGIN EXCLUSIVE")
    _, message = process.communicate()
    message = message.splitlines()[-1]
    shop.check(process.returncode == 2 and "Another program holds it" in message, message)
    shop.must_fail("Another program holds it", "rollback")
    holder.execute("ROLLBACK")
    shop.must(*TRAIN, "--resume")
    return shop, message


def locked_for_a_moment(folder: Path) -> tuple[Shop, str]:
    shop = with_champion(folder)
    holder = sqlite3.connect(shop.database, isolation_level=None)
    process = shop.start(*TRAIN)
    while process.poll() is None and shop.finished() < 3:
        time.sleep(0.001)
    holder.execute("BEGIN EXCLUSIVE")
    time.sleep(8)
    holder.execute("ROLLBACK")
    _, message = process.communicate()
    shop.check(process.returncode == 0, message)
    return shop, "waits 8 seconds and goes on"


def corrupt(folder: Path) -> tuple[Shop, str]:
    shop = with_champion(folder)
    whole = shop.database.read_bytes()
    message = ""
    for damaged in (b"not a database" * 10_000, whole[: len(whole) // 3], whole[:81920] + b"\1" * 400_000):
        shop.database.write_bytes(damaged)
        message = shop.must_fail("It is damaged", *TRAIN)
    shop.database.write_bytes(whole)
    shop.must(*TRAIN)
    return shop, message


def cut_journal(folder: Path) -> tuple[Shop, str]:
    shop = with_champion(folder)
    for damage in (
        lambda text: text[:-40],
        lambda text: text[: len(text) // 2],
        lambda text: text[:0],
        lambda text: text + b"\0" * 4096,
    ):
        stopped_in_the_sweep(shop)
        journal = shop.journal()
        journal.write_bytes(damage(journal.read_bytes()))
        shop.must(*TRAIN, "--resume")
    first, *others = (shop.results(run) for version, run in shop.versions().items() if version > 1)
    shop.check(all(other == first for other in others), "other results than without the cut")
    return shop, "torn line, half, empty, zeros at the end: each resumes to the same model"


def damaged_champion(folder: Path) -> tuple[Shop, str]:
    shop = with_champion(folder)
    shop.must(*TRAIN)
    shop.must("promote", "--min-stability", "0.01", "--force", "two champions are wanted here")
    source = shop.rows("SELECT storage_location FROM model_versions WHERE version = 2")[0][0]
    path = Path(source.removeprefix("file://")) / "artifacts" / "segmenter.skops"
    whole = path.read_bytes()
    message = ""
    for damage in (lambda: path.write_bytes(whole[: len(whole) // 2]), path.unlink):
        damage()
        refused = "are not those that were registered"
        message = shop.must_fail(refused, "score", "data/raw/demo.csv.gz", "-o", "out.csv")
        shop.must_fail(refused, "serve", "--port", "0")
    shop.must("rollback")
    shop.must("score", "data/raw/demo.csv.gz", "-o", "out.csv")
    return shop, message


def two_at_once(folder: Path, champion: bool) -> tuple[Shop, str]:
    shop = with_champion(folder) if champion else new_shop(folder)
    before = len(shop.versions())
    both = [shop.start(*TRAIN, "--seed", seed) for seed in (0, 3)]
    for process in both:
        message = process.communicate()[1]
        shop.check(process.returncode == 0, message[-400:])
    aliases = shop.aliases()
    shop.check(len(shop.versions()) == before + 2, f"versions {set(shop.versions())}")
    for version in aliases.values():
        shop.answers(version)
    return shop, f"both succeed; challenger is {aliases.get('challenger')}"


def resumed_while_at_work(folder: Path) -> tuple[Shop, str]:
    shop = with_champion(folder)
    process = shop.start(*TRAIN)
    while process.poll() is None and shop.finished() < 1:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGSTOP)
    message = shop.must_fail("still at work", *TRAIN, "--resume")
    os.killpg(process.pid, signal.SIGCONT)
    process.communicate()
    shop.check(process.returncode == 0 and len(shop.versions()) == 2, "the training at work was disturbed")
    return shop, message


FAULTS: dict[str, Callable[[Path], tuple[Shop, str]]] = {
    "killed while the database is made": killed_while_making_the_database,
    "disk full, 60 KB left": lambda folder: disk_full(folder, 60),
    "disk full, 500 KB left": lambda folder: disk_full(folder, 500),
    "disk full, 1 MB left": lambda folder: disk_full(folder, 1000),
    "read-only mlruns": read_only,
    "database locked for long": locked,
    "database locked for 8 s": locked_for_a_moment,
    "database corrupt": corrupt,
    "study journal cut": cut_journal,
    "champion's artifact damaged, missing": damaged_champion,
    "two trainings at once": lambda folder: two_at_once(folder, champion=True),
    "two first trainings at once": lambda folder: two_at_once(folder, champion=False),
    "--resume of a training at work": resumed_while_at_work,
}


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |", flush=True)


def verdict(problems: list[str]) -> str:
    return "; ".join(dict.fromkeys(problems)) or "holds"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only the faults whose name holds this")
    options = parser.parse_args()
    failed = 0
    print(f"{os.cpu_count()} cores, {platform.machine()}, {date.today()}; {TRIALS} trials per training\n")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if not options.only:
            kills = Kills(root / "kills")
            print("| killed | when it was | then | verdict |\n|---|---|---|---|", flush=True)
            rounds = [random_kills(kills, options.kills, options.seed), aimed_kills(kills)]
            total = 0
            for cells in (cells for some in rounds for cells in some):
                total += 1
                failed += bool(kills.shop.problems)
                row(*cells, verdict(kills.shop.problems))
            left = [status for status, _ in kills.shop.trainings().values() if status == "RUNNING"]
            failed += bool(left or kills.redone or kills.doubled)
            print(
                f"\n{total} kills; trials done again: {kills.redone}; child runs doubled: {kills.doubled}; "
                f"runs left RUNNING: {len(left)}\n"
            )
        print("| fault | message, or what happens | verdict |\n|---|---|---|", flush=True)
        for number, (fault, cause) in enumerate(FAULTS.items()):
            if options.only not in fault:
                continue
            try:
                shop, message = cause(root / f"fault-{number}")
            except subprocess.CalledProcessError as error:
                row(fault, f"not run: {error.cmd[0]} is not possible here", "-")
                continue
            failed += bool(shop.problems)
            row(fault, message.replace(str(root), "..."), verdict(shop.problems))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
