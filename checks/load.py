"""Both servers under 64 clients while champions are swapped: failures, mixed answers, latency, memory.

    python checks/load.py [--seconds 60] [--clients 64] [--swap 5]

Trains two versions on the demo shop in a temporary folder. `segments api` then answers while the alias
`champion` moves between them, as promote, rollback and the MLflow UI move it; each answer names its version
(X-Model-Version) and must be, byte for byte, what that version answered before the load. `segments serve` keeps
the version with which it was started, and must give the same bytes all the time, although the alias moves. Exit code 1
when anything fails.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import aiohttp
import mlflow

from contract.names import MODEL
from training.processes import free_port

SEGMENTS = Path(sys.executable).parent / "segments"
VERSION_HEADER = "X-Model-Version"
ROWS = [
    {"Recency": r, "Frequency": f, "Monetary": m * f, "AverageOrderValue": m, "Tenure": r + 30 * f}
    for r, f, m in [(1, 1, 20.0), (6, 16, 543.0), (90, 2, 75.0), (200, 1, 9000.0), (30, 40, 12.0)]
]
Request = tuple[str, str, str | None]  # method, path, body


@dataclass
class Observations:
    """What the clients observed of one server."""

    seconds: list[float] = field(default_factory=list)
    failures: collections.Counter = field(default_factory=collections.Counter)
    versions: collections.Counter = field(default_factory=collections.Counter)
    memory: list[int] = field(default_factory=list)
    swaps: int = 0


@contextlib.contextmanager
def server(folder: Path, command: str, ready: str) -> Iterator[tuple[int, str]]:
    """`segments COMMAND` on a free port: (its process, its address)."""
    port = free_port()
    with (folder / f"{command}.log").open("w") as log:
        process = subprocess.Popen(
            [SEGMENTS, command, "--port", str(port)], cwd=folder, stdout=log, stderr=log
        )
    try:
        asyncio.run(answering(f"http://127.0.0.1:{port}{ready}"))
        yield process.pid, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


async def answering(address: str) -> None:
    deadline = time.monotonic() + 120
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError):
                if (await session.get(address)).status == 200:
                    return
            await asyncio.sleep(0.2)
    raise SystemExit(f"{address} does not answer")


async def ask(session: aiohttp.ClientSession, request: Request) -> tuple[int, str, bytes]:
    method, path, body = request
    kind = {"Content-Type": "application/json"} if body else None
    async with session.request(method, path, data=body, headers=kind) as answer:
        return answer.status, answer.headers.get(VERSION_HEADER, ""), await answer.read()


async def answers_of(version: str, address: str, requests: list[Request]) -> dict[Request, bytes]:
    """The answers of a version to each request, asked until every answer is of that version."""
    answers: dict[Request, bytes] = {}
    async with aiohttp.ClientSession(address) as session:
        deadline = time.monotonic() + 60
        while len(answers) < len(requests) and time.monotonic() < deadline:
            for request in requests:
                status, answering_version, body = await ask(session, request)
                if status == 200 and answering_version == version:
                    answers[request] = body
    if len(answers) < len(requests):
        raise SystemExit(f"Version {version} does not answer everything")
    return answers


def answers(
    address: str, requests: list[Request], registry: mlflow.MlflowClient
) -> dict[str, dict[Request, bytes]]:
    """The answers of both versions, each made champion as the load does it, by its alias; then 1 is champion."""
    expected = {}
    for version in ("2", "1"):
        registry.set_registered_model_alias(MODEL, "champion", version)
        expected[version] = asyncio.run(answers_of(version, address, requests))
    return expected


def resident(process: int) -> int:
    """Bytes in memory of a process and all its children."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident(int(child)) for child in children)


async def load(
    process: int,
    address: str,
    expected: dict[str, dict[Request, bytes]],
    registry: mlflow.MlflowClient,
    options: argparse.Namespace,
) -> Observations:
    """`clients` ask all the time, each with a connection of its own. The champion changes every `swap` seconds."""
    observations = Observations()
    end = time.monotonic() + options.seconds
    requests = list(next(iter(expected.values())))

    async def client(number: int) -> None:
        async with aiohttp.ClientSession(address, timeout=aiohttp.ClientTimeout(30)) as session:
            for request in itertools.islice(itertools.cycle(requests), number, None):
                if time.monotonic() >= end:
                    return
                started = time.monotonic()
                try:
                    status, version, body = await ask(session, request)
                except (aiohttp.ClientError, TimeoutError) as error:
                    observations.failures[type(error).__name__] += 1
                    continue
                observations.seconds.append(time.monotonic() - started)
                observations.versions[version] += 1
                if status != 200:
                    observations.failures[f"status {status}"] += 1
                elif expected.get(version, {}).get(request) != body:
                    observations.failures[f"{request[1]} is not the answer of version {version}"] += 1

    async def swap() -> None:
        for version in itertools.cycle(["2", "1"]):
            await asyncio.sleep(options.swap)
            if time.monotonic() >= end:
                return
            await asyncio.to_thread(registry.set_registered_model_alias, MODEL, "champion", version)
            observations.swaps += 1

    async def watch() -> None:
        while time.monotonic() < end:
            observations.memory.append(resident(process))
            await asyncio.sleep(0.5)

    await asyncio.gather(swap(), watch(), *(client(number) for number in range(options.clients)))
    return observations


def api_requests(address: str) -> list[Request]:
    import requests

    listed = requests.get(f"{address}/analytics/anomalies", timeout=60).json()["customers"]
    customers = [row["customer_id"] for row in listed[:5]]
    paths = ["overview", "segments", "summary", "map", "anomalies", "anomalies.csv", "segments/0/customers"]
    paths += ["segments/1/customers.csv", *(f"customer/{customer}" for customer in customers)]
    reading: list[Request] = [("GET", f"/analytics/{path}", None) for path in paths]
    return [
        *reading,
        ("GET", "/health", None),
        *(("POST", "/score", json.dumps(row)) for row in [*ROWS, ROWS]),
    ]


def report(name: str, observations: Observations) -> bool:
    times = sorted(observations.seconds)
    quarter = max(1, len(observations.memory) // 4)
    first, last = (
        statistics.median(part) / 2**20
        for part in (observations.memory[:quarter], observations.memory[-quarter:])
    )
    failures = sum(observations.failures.values())
    versions = ", ".join(
        f"{version or 'fixed'}: {count:,}" for version, count in sorted(observations.versions.items())
    )
    print(
        f"| {name} | {len(times):,} ({versions}) | {observations.swaps} | {failures} "
        f"| {times[len(times) // 2] * 1e3:.0f} | "
        f"{times[int(len(times) * 0.99)] * 1e3:.0f} | {first:.0f} | {last:.0f} |",
        flush=True,
    )
    for failure, count in observations.failures.most_common(10):
        print(f"    {count} x {failure}")
    return not failures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--swap", type=float, default=5, help="seconds between two changes of champion")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlruns/mlflow.db"

        def run(*arguments: str) -> None:
            subprocess.run([SEGMENTS, *arguments], cwd=folder, check=True, capture_output=True)

        run("train", "--trials", "12", "--promote", "--seed", "1")
        run("train", "--trials", "12", "--seed", "2", "--returns", "drop")
        run("promote", "2", "--force", "the load wants two champions")
        run("rollback")
        print(
            f"{os.cpu_count()} cores, {platform.machine()}, {date.today()}; {options.clients} clients for "
            f"{options.seconds:.0f} s, on the same cores\n\n"
            "| server | requests (by version) | swaps | failed | p50 ms | p99 ms | MB, first quarter | MB, last |\n"
            "|---|---|---|---|---|---|---|---|",
            flush=True,
        )
        registry = mlflow.MlflowClient()
        with server(folder, "api", "/health") as (process, address):
            requests = api_requests(address)
            expected = answers(address, requests, registry)
            api = asyncio.run(load(process, address, expected, registry, options))
            whole = report("`segments api`", api)
        with server(folder, "serve", "/ping") as (process, address):
            bodies = [*([row] for row in ROWS), ROWS]
            requests = [("POST", "/invocations", json.dumps({"dataframe_records": rows})) for rows in bodies]
            expected = answers(address, requests, registry)
            scoring = asyncio.run(load(process, address, expected, registry, options))
            whole &= report("`segments serve`", scoring)
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
