import atexit
import contextlib
import fcntl
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from training.store.connection import GC_THRESHOLDS

for name in ("COLUMNS", "LINES"):  # xdist's workers say that they are a terminal of 80 columns
    os.environ.pop(name, None)
if "PYTEST_XDIST_WORKER" not in os.environ:  # workers sign with the key of who started them
    os.environ["SEGMENTS_KEYS"] = tempfile.mkdtemp(prefix="segments-keys-")
    atexit.register(shutil.rmtree, os.environ["SEGMENTS_KEYS"], ignore_errors=True)
# Else each process of a new environment compiles every library, for up to ten seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
gc.set_threshold(*GC_THRESHOLDS)  # as in every command

LONGEST = (
    "scoring_endpoint",
    "champion",
    "habits",
    "dashboard",
    "faults",
    "docs",
    "databases",
    "up",
    "spark",
    "remote",
    "api",
    "cli",
    "outlook",
    "edge_shops",
    "moved",
    "gate",
    "uci",
    "mlproject",
)


def pytest_collection_modifyitems(items):
    """The longest files first, so that the workers end together; the first ones make stores of their own."""
    files = [f"test_{name}.py" for name in LONGEST]
    items.sort(key=lambda item: files.index(item.path.name) if item.path.name in files else len(files))


@pytest.fixture(scope="session")
def uci_file() -> Path:
    """The UCI Online Retail file."""
    given = os.environ.get("SEGMENTS_REAL_DATA")
    if not given:
        pytest.skip("SEGMENTS_REAL_DATA is not set: the UCI Online Retail file is not here")
    return Path(given)


@pytest.fixture(scope="session")
def uci_shop(uci_file):
    """The UCI customers under a returns rule, read once."""
    from training.shop import Reading, count_customers

    return cache(lambda returns, **options: count_customers([uci_file], Reading(returns=returns, **options)))


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """`once(name, fill)`: a folder that `fill(folder)` filled for all xdist workers. Only to be copied."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def make(name, fill) -> Path:
        with (shared / f"{name}.lock").open("a+") as made:
            fcntl.flock(made, fcntl.LOCK_EX)
            made.seek(0)
            if path := made.read():
                return Path(path)
            folder = tmp_path_factory.mktemp(name)
            fill(folder)
            made.write(str(folder))
        return folder

    return make


@pytest.fixture(scope="session")
def empty_database(once) -> Path:
    """An MLflow database with its tables and nothing in them; to be copied, because making one takes seconds."""

    def fill(folder):
        from training.store.connection import create_database

        (folder / "mlflow.db.new").write_bytes(b"half")  # as a process leaves it that is killed making one
        create_database(folder / "mlflow.db")
        assert list(folder.iterdir()) == [folder / "mlflow.db"]

    return once("database", fill) / "mlflow.db"


@pytest.fixture(scope="session")
def new_store(empty_database):
    """`with new_store(folder) as client:` works in `folder`, on an MLflow store of its own there."""
    from training.store.connection import connect, prepare_process

    prepare_process()

    @contextlib.contextmanager
    def use(folder: Path):
        import mlflow

        (folder / "mlruns").mkdir(exist_ok=True)
        shutil.copy(empty_database, folder / "mlruns" / "mlflow.db")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlruns/mlflow.db")
            yield connect()
            mlflow.set_tracking_uri(None)

    return use


BIN = Path(sys.executable).parent
SERVERS = ("serve", "api", "ui", "up")


def checked(done, check):
    """`done`, which must have ended well if `check`."""
    if check and done.returncode:
        raise AssertionError(f"segments {' '.join(map(str, done.args))}:\n{done.stdout}\n{done.stderr}")
    return done


def with_usual_signals():
    """For a new process: a shell starts what runs in the background with Ctrl-C ignored, `nohup` with SIGHUP."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass(frozen=True)
class Store:
    """A folder in which `segments` was used, as a person would use it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        found = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        return found | {
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlruns/mlflow.db",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }

    def run(self, *arguments, check=True, **environment) -> subprocess.CompletedProcess:
        """`segments ARGUMENTS` in the folder, in this process, which is seconds quicker than in one of its own."""
        import mlflow

        from training.cli import main

        words = list(map(str, arguments))
        assert words[0] not in SERVERS, "A server would take this process over: use `process`."
        mlflow.set_tracking_uri(None)
        given = self.environment | environment
        with patch.dict(os.environ, given, clear=True), contextlib.chdir(self.folder):
            result = CliRunner().invoke(main, words, catch_exceptions=False)
            mlflow.set_tracking_uri(None)
        done = subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)
        return checked(done, check)

    def process(self, *arguments, check=True, **environment) -> subprocess.CompletedProcess:
        """`segments ARGUMENTS` in the folder, as a shell runs it."""
        command = [BIN / "segments", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment | environment, capture_output=True, text=True
        )
        return checked(done, check)

    def copy(self, folder: Path) -> "Store":
        """The same runs and versions in another folder, with artifacts of its own."""
        from contract import artifact_paths

        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        artifact_paths.follow(folder / "mlruns" / "mlflow.db")
        return Store(folder)

    def versions(self) -> list[str]:
        """The versions in the registry."""
        import mlflow

        client = mlflow.MlflowClient(*[self.environment["MLFLOW_TRACKING_URI"]] * 2)
        return [version.version for version in client.search_model_versions("name='customer-segments'")]

    def artifact(self, path) -> Path:
        """A file that the only training left."""
        (found,) = (self.folder / "mlruns" / "artifacts").glob(f"*/artifacts/{path}")
        return found


@pytest.fixture(scope="session")
def new_folder(empty_database, tmp_path_factory):
    """Makes a folder with an empty MLflow store, to be used through the command line."""

    def make(name) -> Store:
        return with_database(tmp_path_factory.mktemp(name), empty_database)

    return make


def with_database(folder, empty_database) -> Store:
    (folder / "mlruns").mkdir()
    shutil.copy(empty_database, folder / "mlruns" / "mlflow.db")
    return Store(folder)


@pytest.fixture(scope="session")
def new_trained(once, empty_database, tmp_path_factory):
    """`new_trained(name, train)`: a copy of the store that `train(store)` filled, once for all xdist workers."""

    def make(name, train) -> Store:
        original = once(name, lambda folder: train(with_database(folder, empty_database)))
        return Store(original).copy(tmp_path_factory.mktemp(f"{name}-copy"))

    return make


@pytest.fixture(scope="session")
def store(new_trained) -> Store:
    """A store with one champion, trained on the demo shop by real processes. Only to be looked at."""
    return new_trained("store", lambda store: store.process("train", "--promote", "--trials", "20"))


@pytest.fixture(scope="session")
def free_port():
    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


@pytest.fixture(scope="session")
def served(free_port):
    """`with served(command, store, path) as address:` runs a server; "{port}" in the command is a free one."""
    import requests

    @contextlib.contextmanager
    def run(command, store, path):
        port = free_port()
        words = [str(word).replace("{port}", str(port)) for word in command]
        log = store.folder / f"server-{port}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [BIN / words[0], *words[1:]],
                cwd=store.folder,
                env=store.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 180
            while True:
                with contextlib.suppress(requests.ConnectionError, requests.Timeout):  # still starting
                    if requests.get(address + path, timeout=5).status_code < 500:
                        break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"{words} did not answer:\n{log.read_text()}")
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)

    return run


def train_two(store):
    store.run("demo")
    store.run("train", "data/raw", "--promote", "--trials", "8")
    store.run("train", "--trials", "8", "--seed", "1", "--returns", "drop")


@pytest.fixture(scope="session")
def api_store(new_trained) -> Store:
    """A store with two versions that answer differently: 1 is champion, 2 challenger. Leave 1 the champion."""
    return new_trained("api", train_two)


@pytest.fixture(scope="module")
def left_by_training(api_store):
    """The folder with what the training of version 1 left."""
    import mlflow

    address = api_store.environment["MLFLOW_TRACKING_URI"]
    version = mlflow.MlflowClient(address, address).get_model_version("customer-segments", "1")
    return api_store.folder / "mlruns" / "artifacts" / version.run_id / "artifacts"


@pytest.fixture(scope="session")
def api_of():
    """`with api_of(store) as app:` is the analytics API on a store, with SEGMENTS_API_TOKEN=`token`."""
    from serving import create_app

    @contextlib.contextmanager
    def make(store, token=None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", store.environment["MLFLOW_TRACKING_URI"])
            if token is None:
                patch.delenv("SEGMENTS_API_TOKEN", raising=False)
            else:
                patch.setenv("SEGMENTS_API_TOKEN", token)
            app = create_app()
            # Waits for the first look at the registry, which reads the environment in a thread of its own.
            app.extensions["champion"].current()
        yield app
        app.extensions["champion"].stop()

    return make


@pytest.fixture(scope="module")
def api_app(api_store, api_of):
    """The analytics API on `api_store`, to be read only."""
    with api_of(api_store) as app:
        yield app


@pytest.fixture
def client(api_app):
    """Asks the analytics API on `api_store`."""
    return api_app.test_client()
