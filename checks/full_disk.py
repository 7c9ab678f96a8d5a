"""A disk that is full at every moment of an unattended cycle, and of a training with its promotion. Needs root (mount).

    python checks/full_disk.py [--steps 20] [--command cycle] [--kilobytes 0 40 ...]

The project of a made-up shop, with kept e-mail addresses, lists and a file of events, lies on a small file system.
First the command runs with space, and what it writes is measured. Then it runs again and again from the same state,
with 0, 1, 2 ... of `steps` shares of that left free, and on until it ends well: it needs more than it leaves. It must
end well, or in words that say to free some space; the champion must load; and once there is space, the next call must
end with one version of these data, one entry of the history, each event once, whole lists and kept columns of every
customer. Exit code 1 when anything does not hold.
"""

from __future__ import annotations

import argparse
import collections
import csv
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from cycle_kills import COMMAND, FIRST_DAY, MONTHS_BACK, QUICK, TOLD, Shop, shop_rows
from cycles import HEAD

from contract.people import KEPT_FILE, read_log

MEGABYTES = 256
WELL = "ends well"
KEEP = ("--keep", "Email")
TRAINING = (*COMMAND[:3], "train", "in", *QUICK, "--promote")


class SmallShop(Shop):
    """A shop with e-mail addresses on a small file system, whose command is a cycle or a training."""

    def __init__(self, folder: Path, command: str) -> None:
        super().__init__(folder)
        self.command, self.resuming = command, ()

    @property
    def words(self) -> tuple[str, ...]:
        own = (*COMMAND, *TOLD) if self.command == "cycle" else (*TRAINING, *self.resuming)
        return (*own, *KEEP)

    def month(self, number: int) -> None:
        """As of the parent, with e-mail addresses, which are others each month."""
        day = FIRST_DAY - timedelta(days=30 * (MONTHS_BACK - number))
        rows = [(*row, f"{row[0]}-{number}@shop.test") for row in shop_rows(day=day)]
        rows = [
            row for row in rows if row[0] != f"c{number:04d}"
        ]  # else the features are those of the month before
        (self.folder / "in").mkdir(parents=True, exist_ok=True)
        with (self.folder / "in" / "orders.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([(*HEAD, "Email"), *rows])

    def check_month(self, version: int) -> None:
        """As of the parent, as far as a training does it; and lists and kept columns are whole."""
        if self.command == "cycle":
            super().check_month(version)
            lists = list((self.folder / "lists").glob(f"*-v{version}*.csv"))
            self.check(bool(lists), "no lists")
            self.check(all(path.read_bytes().endswith(b"\n") for path in lists), "a list was cut")
        else:
            records = self.client.search_model_versions("name='customer-segments'")
            self.check(len(records) == version, f"{len(records)} versions, expected {version}")
        log = read_log(self.folder / "data" / "people")
        for record in self.client.search_model_versions("name='customer-segments'"):
            kept = log.columns_of(record.run_id)
            customers = int(record.tags["customers"])
            # Those who were customers before are there, too.
            self.check(len(kept) >= customers, f"{len(kept)} of {customers} kept addresses")
        left = list(self.folder.rglob(f".{KEPT_FILE}.*"))
        self.check(not left, f"left behind: {left}")

    def run(self) -> tuple[int, str]:
        """(exit code, all that was printed); the log is outside of the small file system."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        environment |= {"MLFLOW_TRACKING_URI": self.address, "PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(self.words, cwd=self.folder, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


class Disk:
    """A small file system on a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._mount(f"size={MEGABYTES}m")

    def leave(self, kilobytes: int) -> None:
        """Leave so much space, and no more."""
        used = shutil.disk_usage(self.folder).used // 1024
        self._mount(f"remount,size={used + kilobytes}k")

    def give_space(self) -> None:
        self._mount(f"remount,size={MEGABYTES}m")

    def end(self) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def _mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", self.folder], check=True)


def restore(saved: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(saved, folder)


def step(shop: SmallShop, disk: Disk, saved: Path, kilobytes: int) -> str:
    """One run with so much space, and the next one with enough; how the first one ended."""
    disk.give_space()
    restore(saved, shop.folder)
    shop.month(1)
    shop.resuming = ()
    disk.leave(kilobytes)
    code, text = shop.run()
    shop.check("Traceback" not in text, f"{kilobytes} KB: a traceback: {text[-1500:]}")
    shop.check(code in (0, 2), f"{kilobytes} KB: exit code {code}: {text[-600:]}")
    if code == 2:
        shop.check("Free some space" in text, f"{kilobytes} KB: {text[-600:]}")
    shop.check_champion(1)
    disk.give_space()
    shop.resuming = ("--resume",)
    code_after, text_after = shop.run()
    shop.check(code_after == 0, f"{kilobytes} KB, afterwards: exit code {code_after}: {text_after[-900:]}")
    shop.check_month(2)
    return WELL if code == 0 else text.strip().splitlines()[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--command", choices=("cycle", "train"), default="cycle")
    parser.add_argument("--kilobytes", type=int, nargs="*", help="these steps, and no others")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))  # so that nothing stays mounted
    os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = (
        "NullPool"  # the database is put back as it was, each time
    )
    with tempfile.TemporaryDirectory() as name:
        disk = Disk(Path(name) / "disk")
        try:
            shop, saved = SmallShop(disk.folder / "shop", given.command), Path(name) / "saved"
            shop.month(0)
            code, text = shop.run()
            shop.check(code == 0, text[-600:])
            shutil.copytree(shop.folder, saved)
            before = shutil.disk_usage(disk.folder).used
            shop.month(1)
            code, text = shop.run()
            shop.check(code == 0, text[-600:])
            shop.check_month(2)
            needed = (shutil.disk_usage(disk.folder).used - before) // 1024
            print(f"`{given.command}` writes {needed:,} KB.", flush=True)
            ends: collections.Counter[str] = collections.Counter()
            for kilobytes in given.kilobytes or itertools.count(0, needed // given.steps):
                end = step(shop, disk, saved, kilobytes).replace(str(name), "...")
                ends[WELL if end == WELL else "ends in words"] += 1
                print(f"{kilobytes:6,} KB left: {end}", flush=True)
                if end == WELL and not given.kilobytes:
                    break
        finally:
            disk.end()
    print(f"{ends.total()} steps, {len(shop.problems)} problems; {dict(ends)}")
    return 1 if shop.problems else 0


if __name__ == "__main__":
    sys.exit(main())
