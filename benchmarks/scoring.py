"""The scoring endpoint and the model's own predict, beside scikit-learn's objects and a bare server.

    python benchmarks/scoring.py [--requests 1000]

Trains on SEGMENTS_REAL_DATA, or on the demo shop, in a temporary folder. Three servers answer in turn, with
1 and with 2 workers: FastAPI repeating the body, MLflow's scoring server with a plain pyfunc of scikit-learn
objects (StandardScaler, KMeans, NearestNeighbors), and `segments serve`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
from analytics import BIN, ROW, ask, measure
from customers import grown

from training.processes import free_port

PLAIN = """
import os
import mlflow, numpy as np, pandas as pd, uvicorn
from fastapi import FastAPI, Request
from mlflow.pyfunc import scoring_server
from usual_model import Usual
bare = FastAPI()
@bare.post("/invocations")
async def echo(request: Request): return await request.json()
@bare.get("/ping")
async def ping(): return {}
def plain(): return scoring_server.init(mlflow.pyfunc.load_model("usual"))
"""
USUAL = """
import numpy as np, pandas as pd, mlflow
from sklearn.cluster import DBSCAN, KMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
class Usual(mlflow.pyfunc.PythonModel):
    def fit(self, customers, k, eps, min_samples):
        self.columns = list(customers.columns)
        self.scaler = StandardScaler().fit(self.logs(customers))
        points = self.scaler.transform(self.logs(customers))
        dbscan = DBSCAN(eps=eps, min_samples=min_samples).fit(points)
        self.kmeans = KMeans(k, n_init=10, random_state=0).fit(points[dbscan.labels_ != -1])
        self.core = NearestNeighbors(n_neighbors=1).fit(dbscan.components_)
        self.eps = eps
        return self
    def logs(self, customers):  # the days between first and last order in the place of Tenure, as ours sees them
        return np.log1p(customers.assign(Tenure=customers.Tenure - customers.Recency))
    def predict(self, context, model_input: pd.DataFrame, params=None):
        points = self.scaler.transform(self.logs(model_input[self.columns]))
        distance = self.core.kneighbors(points)[0][:, 0]
        return pd.DataFrame({"segment": self.kmeans.predict(points), "is_anomaly": distance > self.eps})
"""


@contextlib.contextmanager
def uvicorn(folder: Path, app: list[str], workers: int, environment: dict[str, str]):
    port = free_port()
    command = [BIN / "uvicorn", *app, "--port", str(port), "--workers", str(workers), "--no-access-log"]
    command += ["--timeout-worker-healthcheck", "60"]
    server = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                if ask(port, "GET", "/ping")[0] == 200:
                    break
            time.sleep(0.1)
        else:
            raise SystemExit(f"{app} does not answer")
        for _ in range(50):  # until every worker has loaded what it needs
            ask(port, "GET", "/ping")
        yield port
    finally:
        server.terminate()
        server.wait()


def micro(work: Callable, least_seconds: float = 1.0) -> float:
    """The median seconds of a call, of so many calls that they take a second together."""
    work()
    times: list[float] = []
    while sum(times) < least_seconds or len(times) < 3:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def predictions(ours, usual, customers: pd.DataFrame) -> None:
    model = ours.unwrap_python_model()
    print(
        "| rows | scikit-learn objects | predict | its `answers`, without frames | ratio of predict, of answers |"
    )
    print("|---|---|---|---|---|")
    for rows, new in ((1, ""), (1_000, ""), (1_000_000, ""), (1_000_000, " new")):
        some = customers.sample(rows, replace=True, random_state=0).reset_index(drop=True)
        if new:  # customers that the training did not see: each is some way from every core sample
            some = pd.DataFrame(grown(customers.to_numpy(), rows), columns=customers.columns)
        numbers = some.to_numpy()
        theirs = micro(lambda some=some: usual.predict(None, some))
        framed = micro(lambda some=some: model.predict(None, some))
        plain = micro(lambda numbers=numbers: model.answers(numbers))
        print(
            f"| {rows:,}{new} | {theirs * 1e3:,.3f} ms | {framed * 1e3:,.3f} ms | {plain * 1e3:,.3f} ms "
            f"| {theirs / framed:.1f}x, {theirs / plain:.1f}x |"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        address = f"sqlite:///{folder}/mlruns/mlflow.db"
        environment = os.environ | {"MLFLOW_TRACKING_URI": address, "PYTHONPATH": f"{folder}:{Path.cwd()}"}
        environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"  # of the usual model, which is one
        (folder / "mlruns").mkdir()
        (folder / "plain.py").write_text(PLAIN)
        (folder / "usual_model.py").write_text(USUAL)
        data = [os.environ["SEGMENTS_REAL_DATA"]] if "SEGMENTS_REAL_DATA" in os.environ else []
        train = [BIN / "segments", "train", *data, "--trials", "20", "--promote"]
        subprocess.run(train, cwd=folder, env=environment, check=True, capture_output=True)
        os.environ.update(environment)
        import mlflow

        ours = mlflow.pyfunc.load_model("models:/customer-segments@champion")
        (table,) = (folder / "mlruns" / "artifacts").glob("*/artifacts/data/features.parquet")
        customers = pd.read_parquet(table)[ours.metadata.signature.inputs.input_names()]
        setting = ours.unwrap_python_model()
        usual = _usual(folder, customers, len(setting.centres), setting.eps)
        assert (ours.predict(customers).is_anomaly == usual.predict(None, customers).is_anomaly).all()

        machine = f"{os.cpu_count()} cores, {platform.machine()}"
        print(f"{machine}, {date.today()}; a model of {len(customers):,} customers\n")
        predictions(ours, usual, customers)
        print(
            f"\nMedians of rounds of {options.requests:,} requests (a tenth of it for 1,000 rows), one client.\n"
        )
        print("| route | clients | requests/s | p50 ms | p99 ms | p50 to bare |\n|---|---|---|---|---|---|")
        environment["SEGMENTS_MODEL"] = "models:/customer-segments/1"
        for workers in (1, 2):
            with (
                uvicorn(folder, ["plain:bare"], workers, environment) as bare,
                uvicorn(folder, ["--factory", "plain:plain"], workers, environment) as plain,
                uvicorn(folder, ["--factory", "serving.scoring:create_app"], workers, environment) as scoring,
            ):
                for rows in (1, 1_000):
                    body = json.dumps({"dataframe_records": [ROW] * rows})
                    circumstances = (
                        f"{rows:,} row{'s' if rows > 1 else ''}, {workers} worker{'s' if workers > 1 else ''}"
                    )
                    targets = {
                        f"bare FastAPI echo, {circumstances}": (bare, "POST", "/invocations", body),
                        f"scikit-learn pyfunc, {circumstances}": (plain, "POST", "/invocations", body),
                        f"segments serve, {circumstances}": (scoring, "POST", "/invocations", body),
                    }
                    measure(targets, 1, options.requests // (1 if rows == 1 else 10))


def _usual(folder: Path, customers: pd.DataFrame, k: int, eps: float):
    import sys

    import mlflow

    sys.path.insert(0, str(folder))
    from usual_model import Usual

    summary = json.loads(next((folder / "mlruns" / "artifacts").glob("*/artifacts/summary.json")).read_text())
    model = Usual().fit(customers, k, eps, summary["setting"]["min_samples"])
    mlflow.pyfunc.save_model(
        folder / "usual", python_model=model, pip_requirements=[], input_example=customers.head(1)
    )
    return model


if __name__ == "__main__":
    main()
