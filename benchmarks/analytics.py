"""The analytics API beside a bare Flask route under the same server: requests per second, p50 and p99.

    python benchmarks/analytics.py [--requests 2000] [--clients 8]

Trains on SEGMENTS_REAL_DATA, or on the demo shop, in a temporary folder. Both servers run at the same
time under gunicorn with the same settings; rounds alternate between them.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path

from training.processes import free_port

BIN = Path(sys.executable).parent
BARE = """
from flask import Flask, request
app = Flask("bare")
@app.get("/bare")
def get(): return {"customer_id": "17850", "segment": 2}
@app.post("/bare")
def post(): return {"rows": len(request.get_json())}
@app.post("/echo")
def echo(): return request.get_json()
"""
ROW = {"Recency": 20, "Frequency": 3, "Monetary": 300.0, "AverageOrderValue": 100.0, "Tenure": 200}
ROUNDS = 5


@contextlib.contextmanager
def gunicorn(folder: Path, app: str, path: str, environment: dict[str, str]):
    port = free_port()
    command = [BIN / "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2", "--threads", "4", app]
    server = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                if ask(port, "GET", path)[0] == 200:
                    break
            time.sleep(0.1)
        else:
            raise SystemExit(f"{app} does not answer {path}")
        for _ in range(200):  # until every worker has loaded what it needs
            ask(port, "GET", path)
        yield port
    finally:
        server.terminate()
        server.wait()


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def round_of(
    port: int, method: str, path: str, body: str | None, clients: int, requests: int
) -> tuple[list[float], float]:
    """(seconds of each request, requests per second) of several clients with connections of their own."""
    times: list[float] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for _ in range(requests // clients):
            started = time.perf_counter()
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            times.append(time.perf_counter() - started)
            assert answer.status == 200, answer.status

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(times) / (time.perf_counter() - started)


def measure(targets: dict[str, tuple[int, str, str, str | None]], clients: int, requests: int) -> None:
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in targets}
    for number in range(ROUNDS + 1):
        for name, (port, method, path, body) in targets.items():
            times, rate = round_of(port, method, path, body, clients, requests)
            times.sort()
            if number:  # the first round warms up
                figures[name].append(
                    (rate, times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3)
                )
    base: float | None = None
    for name, rounds in figures.items():
        rate, p50, p99 = (statistics.median(column) for column in zip(*rounds, strict=True))
        base = p50 if name.startswith("bare") else base
        print(f"| {name} | {clients} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {p50 / base:.2f}x |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlruns/mlflow.db"}
        (folder / "mlruns").mkdir()
        (folder / "bare.py").write_text(BARE)
        data = [os.environ["SEGMENTS_REAL_DATA"]] if "SEGMENTS_REAL_DATA" in os.environ else []
        train = [BIN / "segments", "train", *data, "--trials", "20", "--promote"]
        subprocess.run(train, cwd=folder, env=environment, check=True, capture_output=True)
        with (
            gunicorn(folder, "bare:app", "/bare", environment) as bare,
            gunicorn(folder, "serving:create_app()", "/health", environment) as api,
        ):
            listed = json.loads(ask(api, "GET", "/analytics/anomalies?limit=1")[1])
            customer = listed["customers"][0]["customer_id"]
            size = json.loads(ask(api, "GET", "/health")[1])["customers"]
            machine = f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}"
            print(f"{machine}, {date.today()}; {size:,} customers;")
            print(
                f"gunicorn, 2 workers of 4 threads; medians of {ROUNDS} rounds of {options.requests:,} requests\n"
            )
            print(
                "| route | clients | requests/s | p50 ms | p99 ms | p50 to bare |\n|---|---|---|---|---|---|"
            )
            one, thousand = json.dumps(ROW), json.dumps([ROW] * 1000)
            for clients in (1, options.clients):
                reading = {
                    "bare GET": (bare, "GET", "/bare", None),
                    "GET /analytics/customer/<id>": (api, "GET", f"/analytics/customer/{customer}", None),
                    "GET /analytics/overview": (api, "GET", "/analytics/overview", None),
                }
                measure(reading, clients, options.requests)
                scoring = {
                    "bare echo, 1 row": (bare, "POST", "/echo", json.dumps([ROW])),
                    "the same without writing the row": (bare, "POST", "/bare", json.dumps([ROW])),
                    "POST /score, 1 row": (api, "POST", "/score", one),
                }
                measure(scoring, clients, options.requests)
                many = {
                    "bare echo, 1,000 rows": (bare, "POST", "/echo", thousand),
                    "the same without writing the rows": (bare, "POST", "/bare", thousand),
                    "POST /score, 1,000 rows": (api, "POST", "/score", thousand),
                }
                measure(many, clients, options.requests // 10)


if __name__ == "__main__":
    main()
