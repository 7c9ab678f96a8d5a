"""A year of a shop replayed, unattended: month after month `segments cycle`, while people ask both servers.

    python checks/year.py online_retail.csv.gz [--clients 16] [--trials 20] [--kills 50] [--seed 0]

Each month all orders up to its end are there. The cycles are killed at `kills` random moments in all (SIGKILL, with
all that a cycle started), and go on at the next call. A segment of a new champion that holds mostly the customers of
one of the champion's before must have its number, and its name, too, or say why not. Four months
bring a file that must be stopped. `clients` ask the analytics API and as many the scoring endpoint all the time: each
answer must be of one version and name it. A webhook's receiver refuses every third message and drops repeats by their
id. Exit code 1 when anything does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import aiohttp
import mlflow
import pandas as pd

from contract.names import HISTORY_EXPERIMENT, IDENTITY, MODEL, SCORED_CUSTOMERS
from training.demo import write_demo
from training.processes import free_port

SEGMENTS = Path(sys.executable).parent / "segments"
PAUSE_SECONDS = 0.5  # of a client between two requests
SWAP_SECONDS = 120
SAME_CUSTOMERS = 0.5  # of the customers of two segments together: then they are the same segment
MAX_MOVED = 0.6  # of the gate: in the first year of a shop, each month is a large part of all that is known
ROW = {"Recency": 6, "Frequency": 16, "Monetary": 8688.0, "AverageOrderValue": 543.0, "Tenure": 300}
READ = (
    "/analytics/overview",
    "/analytics/segments",
    "/analytics/customers?per_page=5",
    "/ui",
    "/ui/movement",
)


class Receiver(BaseHTTPRequestHandler):
    """Takes messages; every third one is refused, to be sent again."""

    ids: ClassVar[collections.Counter[str]] = collections.Counter()
    types: ClassVar[dict[str, str]] = {}
    calls = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Receiver.calls += 1
        refused = Receiver.calls % 3 == 0
        if not refused:
            Receiver.ids[self.headers["webhook-id"]] += 1
            Receiver.types[body["id"]] = body["type"]
        self.send_response(503 if refused else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Crowd:
    """Clients of both servers, in a thread of their own, and what went wrong."""

    def __init__(self, api: str, scoring: str, clients: int) -> None:
        self.answers: collections.Counter[tuple[str, str]] = collections.Counter()
        self.failures: collections.Counter[str] = collections.Counter()
        self.latest = {"api": "", "scoring": ""}
        self.slowest = 0.0
        self._addresses = {"api": api, "scoring": scoring}
        self._clients, self._ended = clients, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    async def _all(self) -> None:
        names = [name for name in self._addresses for _ in range(self._clients)]
        await asyncio.gather(*(self._client(name, number) for number, name in enumerate(names)))

    async def _client(self, name: str, number: int) -> None:
        async with aiohttp.ClientSession(self._addresses[name], timeout=aiohttp.ClientTimeout(60)) as session:
            while not self._ended.is_set():
                started = time.monotonic()
                try:
                    problem = await (self._read if name == "api" else self._score)(session, number)
                except (aiohttp.ClientError, TimeoutError) as error:
                    problem = type(error).__name__
                if problem:
                    self.failures[f"{name}: {problem}"] += 1
                number += 1
                self.slowest = max(self.slowest, time.monotonic() - started)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self, session: aiohttp.ClientSession, number: int) -> str:
        path = READ[number % len(READ)]
        async with session.get(path) as answer:
            version, text = answer.headers.get("X-Model-Version", ""), await answer.text()
            if answer.status != 200 or not version:
                return f"{path}: status {answer.status}, version {version!r}"
        if not path.startswith("/ui") and json.loads(text)["model_version"] != int(version):
            return f"{path}: two versions in one answer"
        self._count("api", version)
        return ""

    async def _score(self, session: aiohttp.ClientSession, _: int) -> str:
        async with session.post("/invocations", json={"dataframe_records": [ROW] * 3}) as answer:
            version, text = answer.headers.get("X-Model-Version", ""), await answer.text()
            if answer.status != 200 or not version:
                return f"status {answer.status}: {text[:100]}"
        if {row["model_version"] for row in json.loads(text)["predictions"]} != {int(version)}:
            return "two versions in one answer"
        self._count("scoring", version)
        return ""

    def _count(self, name: str, version: str) -> None:
        self.answers[name, version] += 1
        self.latest[name] = version


class Year:
    """A folder with a shop's data and a store, and the problems found in it."""

    def __init__(self, folder: Path, trials: int, webhook: str) -> None:
        self.folder, self.problems, self.kills = folder, [], 0
        self.address = f"sqlite:///{folder}/mlruns/mlflow.db"
        self.command = [SEGMENTS, "cycle", "in", "--always", "--trials", str(trials)]
        self.command += ["--notify", webhook, "--export", "lists", "--max-moved", str(MAX_MOVED)]
        self.environment = os.environ | {
            "MLFLOW_TRACKING_URI": self.address,
            "SEGMENTS_WEBHOOK_SECRET": "of-this-check-alone",  # pragma: allowlist secret
        }
        (folder / "in").mkdir()

    def check(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)
            print(f"    PROBLEM: {problem}", flush=True)

    @property
    def champion(self) -> int:
        client = mlflow.MlflowClient(self.address, self.address)
        return int(client.get_model_version_by_alias(MODEL, "champion").version)

    def start(self) -> subprocess.Popen:
        log = (self.folder / "cycle.log").open("w")
        return subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def cycle(self, kills_after: Sequence[float] = ()) -> tuple[int, float, str]:
        """A cycle to its end, killed before after so many seconds: its exit code, its seconds, its last line."""
        for kill_after in kills_after:
            process = self.start()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(kill_after)
            self.kills += process.poll() is None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        started = time.monotonic()
        process = self.start()
        process.wait()
        lines = (self.folder / "cycle.log").read_text().strip().splitlines()
        return process.returncode, time.monotonic() - started, lines[-1] if lines else ""

    def segments(self, version: int) -> tuple[pd.DataFrame, list[dict]]:
        """The customers of a version with their segments, and where each segment comes from."""
        client = mlflow.MlflowClient(self.address, self.address)
        run = client.get_model_version(MODEL, str(version)).run_id
        files = [Path(client.download_artifacts(run, name)) for name in (SCORED_CUSTOMERS, IDENTITY)]
        return pd.read_parquet(files[0]).set_index("customer_id"), json.loads(files[1].read_text())[
            "segments"
        ]

    def check_identity(self, before: int, after: int) -> str:
        """Segments of `after` with mostly the customers of one of `before` must be called as it; how many these are.

        One whose centre moved farther than the champion's segment reaches is new, and says so: then the shop changed.
        """
        (old, _), (new, origins) = self.segments(before), self.segments(after)
        both = old.join(new.segment.rename("segment_after"), how="inner")
        counts = pd.crosstab(both.segment_after, both.segment)
        kept = said_new = 0
        for segment, row in counts.iterrows():
            was, origin = row.idxmax(), origins[segment]
            if row[was] < SAME_CUSTOMERS * (row.sum() + counts[was].sum() - row[was]) or was >= len(counts):
                continue
            if origin["same_as"] is None and origin["distance"] > origin["reach"]:
                said_new += 1
                continue
            kept += 1
            self.check(segment == was, f"version {after}: segment {was} of before is {segment} now: {origin}")
            name = old.segment_name[old.segment == was].iloc[0]
            self.check(
                origin["name"] in (name, origin["by_rule"]), f"version {after}: {name} of before: {origin}"
            )
        return f"{kept} segments keep their numbers" + (f", {said_new} said to be new" if said_new else "")

    @contextlib.contextmanager
    def server(self, *words: str) -> Iterator[str]:
        port = free_port()
        with (self.folder / f"{words[0]}.log").open("w") as log:
            process = subprocess.Popen(
                [SEGMENTS, *words, "--port", str(port)],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        address = f"http://127.0.0.1:{port}"
        try:
            asyncio.run(_healthy(address))
            yield address
        finally:
            process.terminate()
            process.wait(60)


async def _healthy(address: str) -> None:
    deadline = time.monotonic() + 180
    async with aiohttp.ClientSession(address) as session:
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError):
                if (await session.get("/health")).status == 200:
                    return
            await asyncio.sleep(0.3)
    raise SystemExit(f"{address} does not answer")


def of_another_shop(_: pd.DataFrame, file: Path) -> None:
    file.unlink()
    write_demo(file.parent / "demo.csv.gz")


def in_cents(lines: pd.DataFrame, file: Path) -> None:
    lines.assign(UnitPrice=(lines.UnitPrice.astype(float) * 100).round(0)).to_csv(file, index=False)


def cut_in_half(_: pd.DataFrame, file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def half_in_2099(lines: pd.DataFrame, file: Path) -> None:
    dates = lines.InvoiceDate.where(lines.index % 2 == 0, "2099-" + lines.InvoiceDate.str[5:])
    lines.assign(InvoiceDate=dates).to_csv(file, index=False)


POISONED: dict[int, Callable[[pd.DataFrame, Path], None]] = {
    3: of_another_shop,
    5: in_cents,
    7: cut_in_half,
    9: half_in_2099,
}


def wait_for_swap(crowd: Crowd, version: int) -> float:
    """Seconds until both servers have answered with a version."""
    started = time.monotonic()
    while set(crowd.latest.values()) != {str(version)} and time.monotonic() - started < SWAP_SECONDS:
        time.sleep(0.1)
    return time.monotonic() - started


def replay(year: Year, lines: pd.DataFrame, clients: int, kills: int, chance: random.Random) -> Crowd:
    days = pd.to_datetime(lines.InvoiceDate)
    ends = pd.date_range(days.min() + timedelta(days=40), days.max() + timedelta(days=31), freq="ME")[:12]
    file = year.folder / "in" / "orders.csv"
    lines[days <= ends[0]].to_csv(file, index=False)
    code, seconds, last = year.cycle()
    year.check(code == 0, last)
    print(f"{ends[0]:%Y-%m}: version {year.champion}, {seconds:.0f} s", flush=True)
    with (
        year.server("api", "--workers", "1") as api,
        year.server("serve", "--version-column") as scoring,
        Crowd(api, scoring, clients) as crowd,
    ):
        for number, end in enumerate(ends[1:], 1):
            known, before = lines[days <= end], year.champion
            if poison := POISONED.get(number):
                known.to_csv(file, index=False)
                poison(known, file)
                code, _, last = year.cycle()
                year.check((code, year.champion) == (1, before), f"{poison.__name__}: exit code {code}")
                print(f"{end:%Y-%m}: {poison.__name__}: {last}", flush=True)
                for path in file.parent.iterdir():
                    path.unlink()
            known.to_csv(file, index=False)
            kills_after = [chance.uniform(1, seconds) for _ in range(kills // 11 + (number <= kills % 11))]
            code, seconds, last = year.cycle(kills_after)
            version = year.champion
            alike = year.check_identity(before, version) if version != before else "no new segments"
            swapped = wait_for_swap(crowd, version)
            year.check(code == 0 or "FAIL" in last or "Stopped" in last, last)
            year.check(swapped < SWAP_SECONDS, f"version {version} was not answered by both servers")
            print(
                f"{end:%Y-%m}: killed {len(kills_after)} times; version {version} after {seconds:.0f} s, "
                f"both servers {swapped:.1f} s later, {alike}; {last[:150]}",
                flush=True,
            )
    return crowd


def check_outcome(year: Year, crowd: Crowd) -> None:
    client = mlflow.MlflowClient(year.address, year.address)
    history = client.get_experiment_by_name(HISTORY_EXPERIMENT)
    moved = [int(run.data.tags["to"]) for run in client.search_runs([history.experiment_id])]
    year.check(len(moved) == len(set(moved)), f"a promotion was entered twice: {moved}")
    promoted = [name for name, kind in Receiver.types.items() if kind == "promoted"]
    year.check(len(promoted) == len(moved), f"{len(promoted)} promotions told, {len(moved)} in the history")
    year.check(not crowd.failures, f"failed requests: {dict(crowd.failures)}")
    answered = collections.Counter(name for name, _ in crowd.answers.elements())
    repeats = sum(Receiver.ids.values()) - len(Receiver.ids)
    print(
        f"{len(moved)} champions, {year.kills} kills; {answered['api']:,} answers of the API and "
        f"{answered['scoring']:,} of the scoring endpoint, {sum(crowd.failures.values())} failed or mixed, "
        f"the slowest after {crowd.slowest:.1f} s; "
        f"{len(Receiver.ids)} events in {Receiver.calls} messages, of which {Receiver.calls // 3} were refused "
        f"and {repeats} repeated: "
        f"{dict(collections.Counter(Receiver.types.values()))}; {len(year.problems)} problems"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    lines = pd.read_csv(given.file, dtype=str, keep_default_na=False)
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        year = Year(Path(folder), given.trials, f"http://127.0.0.1:{receiver.server_port}/")
        crowd = replay(year, lines, given.clients, given.kills, random.Random(given.seed))
        check_outcome(year, crowd)
    return 1 if year.problems else 0


if __name__ == "__main__":
    sys.exit(main())
