"""The store's database and server, stopped and started again at random moments, under unattended cycles and clients.

    python checks/restarts.py [--rounds 12] [--seconds-down 10] [--seed 0]

A real PostgreSQL and a real `mlflow server`; clients ask the analytics API and the scoring server all the time. In each
round new data of a made-up shop come, and while `segments cycle` handles them, PostgreSQL, the server, or one after the
other is stopped (every second time killed) at a random moment, for `seconds-down`. The cycle must go on, or end in
words; then the next call must end well, with one version of these data, one entry of the history, and each event once.
No answer of the two doors may fail, and both must follow to the new champion. Exit code 1 when anything does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cycle_kills import ROOT, Shop

sys.path.insert(0, str(ROOT / "tests"))

import servers
from asking import Asking
from test_remote import Restartable, tracking_server

from training.processes import free_port

READ = ("/analytics/overview", "/analytics/versions", "/ui", "/ui/past")
SECONDS_TO_FOLLOW = 180
DOWN = ("database", "server", "both")
BIN = Path(sys.executable).parent


class RemoteShop(Shop):
    """A shop whose MLflow is a server."""

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__(folder)
        self.address = address


@contextlib.contextmanager
def door(shop: RemoteShop, *words: str) -> Iterator[str]:
    """A door on the store, at its address."""
    port = free_port()
    environment = os.environ | {"MLFLOW_TRACKING_URI": shop.address, "PYTHONPATH": str(ROOT)}
    with (shop.folder / f"{words[0]}.log").open("w") as log:
        process = subprocess.Popen(
            [BIN / "segments", *words, "--port", str(port)],
            cwd=shop.folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Rounds:
    """A shop, the database and the server of its store, the clients of its doors, and what came of the cycles."""

    shop: RemoteShop
    database: servers.Server
    server: Restartable
    asking: Asking
    seconds_down: float
    ends: Counter[str] = field(default_factory=Counter)

    def round(self, number: int, moment: float) -> None:
        """New data, and a store that goes away while they are handled."""
        shop, kind = self.shop, DOWN[number % len(DOWN)]
        shop.month(number)
        process = shop.start()
        time.sleep(moment)
        self.take_down(kind, signal.SIGQUIT if number % 2 else signal.SIGINT)
        code, text = process.wait(), (shop.folder / "cycle.log").read_text()
        shop.check(code in (0, 2, 4), f"exit code {code}: {text[-800:]}")
        shop.check("Traceback" not in text, text[-2000:])
        self.ends["went on" if code == 0 else "ended in words"] += 1
        shop.finish()
        shop.check_month(number + 1)
        self.asking.wait_for(number + 1, SECONDS_TO_FOLLOW)
        last = text.strip().splitlines()[-1] if code else "went on"
        print(f"{number:3d}: {kind} down after {moment:.1f} s: {last}", flush=True)

    def take_down(self, kind: str, end: signal.Signals) -> None:
        """Stop the database (SIGQUIT: as after a crash), the server, or one after the other; start what was stopped."""
        if kind in ("database", "both"):
            self.database.program.process.send_signal(end)
            self.database.program.process.wait()
            time.sleep(self.seconds_down)
            self.database.program.start()
        if kind in ("server", "both"):
            self.server.stop()
            time.sleep(self.seconds_down)
            self.server.start()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds-down", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with contextlib.ExitStack() as stack:
        root, port = Path(stack.enter_context(tempfile.TemporaryDirectory())), free_port()
        folder, behind = root / "client", root / "behind"
        folder.mkdir()
        behind.mkdir()
        database = stack.enter_context(servers.postgres())
        server = Restartable(lambda: tracking_server(database.address(), behind, port))
        stack.enter_context(contextlib.closing(server.stack))
        shop = RemoteShop(folder, server.start())
        shop.month(0)
        seconds = shop.finish()
        reads, scores = (stack.enter_context(door(shop, word)) for word in ("api", "serve"))
        wait_for_health(reads, scores)
        asking = stack.enter_context(Asking([f"{scores}/invocations", *(reads + path for path in READ)]))
        asking.wait_for(1, SECONDS_TO_FOLLOW)
        rounds = Rounds(shop, database, server, asking, given.seconds_down)
        for number in range(1, given.rounds + 1):
            rounds.round(number, chance.uniform(0, seconds))
    for failure in asking.failures[:20]:
        print(f"    PROBLEM: {failure}")
    print(
        f"{given.rounds} rounds, {len(shop.problems)} problems; {dict(rounds.ends)}; "
        f"{sum(asking.answers.values()):,} answers of the doors, {len(asking.failures)} failed"
    )
    return 1 if shop.problems or asking.failures else 0


def wait_for_health(*addresses: str) -> None:
    import requests

    deadline = time.monotonic() + SECONDS_TO_FOLLOW
    for address in addresses:
        while True:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{address}/health", timeout=5).ok:
                    break
            if time.monotonic() > deadline:
                raise TimeoutError(address)
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
