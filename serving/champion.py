"""The champion: loads the version that the alias stands for, and follows the alias.

Only this module and `archive` read MLflow.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import numpy as np

from contract import artifact_paths
from contract.by_hand import by_hand_sentence
from contract.integrity import Tampered, Untrusted, checked_copy
from contract.lists.customers import CustomerTable, customer_table
from contract.lists.selections import select
from contract.mlflow_setup import database_file, prepare_server, set_log_level, store_address
from contract.names import (
    CHAMPION,
    DATA_TAG,
    EVIDENCE,
    FEATURES,
    FORECAST,
    FORGOTTEN_TAG,
    FORWARD,
    GATE_TAG,
    HISTORY_EXPERIMENT,
    MODEL,
    MONTHS,
    MOVEMENT,
    MOVES,
    PAST_SEGMENTS,
    PROFILES,
    SCORED_CUSTOMERS,
    SUMMARY,
)
from contract.people import with_kept
from contract.signatures import KeyProblem
from serving import lists, queries
from serving.checks import OPTIONAL, quotient_problem
from serving.histories import past_segments, read_months
from serving.snapshot import Distances, Snapshot

LOOK_EVERY_SECONDS = 2.0  # at the alias
FIRST_LOOK_SECONDS = 20.0  # that a first request waits for the champion to be loaded
RETRY_SECONDS = (4.0, 60.0)  # before a version that could not be loaded is tried again: first, most
SILENCE_SECONDS = 30.0  # without news, after which /health says so
COMPARED_CUSTOMERS = 200  # whose stored answers the loaded model must repeat
NO_CHAMPION = (
    f"There is no champion yet: no version of {MODEL} has the alias '{CHAMPION}'. "
    "Run `segments train --promote`."
)

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

Part = TypeVar("Part")
log = logging.getLogger(__name__)


class Versioned(Protocol):
    """What was loaded of a model version."""

    @property
    def version(self) -> int:
        """Its number in the registry."""


Loaded = TypeVar("Loaded", bound=Versioned)


class Follower(Generic[Loaded]):
    """Holds what `read` loads of the version called `name`, its snapshot, and swaps it when the alias moves.

    A thread looks at the alias every two seconds and loads a new champion beside the old one; the swap
    is one assignment. Whatever fails, the old snapshot stays and `problem` says why. `name` is an alias or the
    number of a version, which never moves.
    """

    def __init__(
        self,
        address: str | None = None,
        every: float = LOOK_EVERY_SECONDS,
        name: str = CHAMPION,
        read: Callable[[str, ModelVersion], Loaded] | None = None,
    ) -> None:
        self.read = read
        self.address = address or store_address()
        self.every = every
        self.name = name
        self.snapshot: Loaded | None = None
        self.problem: str | None = None
        # Called after each swap: what is held of other versions is old.
        self.swapped: list[Callable[[], None]] = []
        self._loaded: tuple[str, ...] = ()
        self._failed: tuple[str, ...] = ()
        self._failure = ""
        self._wait, self._retry_at = RETRY_SECONDS[0], 0.0
        self._news = time.monotonic()
        self._lock = threading.Lock()
        self._process: int | None = None
        self._looked = threading.Event()
        self._stopped = threading.Event()

    def current(self, wait: float = FIRST_LOOK_SECONDS) -> Loaded | None:
        """The snapshot to answer from; the first call of a process waits for the first look at the registry."""
        self.start()
        if self.snapshot is None:
            self._looked.wait(wait)
        return self.snapshot

    def start(self) -> None:
        """Begin to follow, once in each process: threads do not outlive a fork."""
        if self._process == os.getpid():
            return
        with self._lock:
            if self._process != os.getpid() and not self._stopped.is_set():
                self._looked = threading.Event()
                threading.Thread(target=self._follow, name="champion", daemon=True).start()
                self._process = os.getpid()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopped.set()

    @property
    def stale(self) -> str | None:
        """Why the snapshot may not be the champion, or None."""
        silent = time.monotonic() - self._news
        problem = self.problem
        if problem is None and silent > max(SILENCE_SECONDS, 5 * self.every):
            problem = (
                f"The registry, or a new version being loaded, has not answered for {silent:.0f} seconds."
            )
        if problem is None or self.snapshot is None:
            return problem
        return f"{problem} Version {self.snapshot.version} keeps answering."

    @property
    def obstacle(self) -> str | None:
        """Why nothing can be answered, or None; asked without waiting."""
        return self.problem if self.current(wait=0) is None else None

    def look(self) -> None:
        """Look at the alias once, and load what it stands for if that is new."""
        try:
            version = version_named(self.address, self.name)
        except Exception as error:
            problem = f"The registry cannot be reached ({type(error).__name__}). Check MLFLOW_TRACKING_URI."
            if problem != self.problem:
                log.warning(problem, exc_info=error)
            self.problem = problem
            return
        self._news = time.monotonic()
        if version is None:
            self.problem = (
                no_version(self.name)
                if self.snapshot is None
                else f"No version has the alias '{self.name}' any more."
                if _exists(self.address)
                else "The registry is not there any more. Check MLFLOW_TRACKING_URI."
            )
            return
        gate = version.tags.get(
            GATE_TAG, ""
        )  # loaded anew when the gate has judged it, because /health says so
        forgotten = version.tags.get(FORGOTTEN_TAG, "")  # and when customers were taken out of its tables
        identity = (str(version.version), str(version.run_id), str(version.source), gate, forgotten)
        if identity == self._loaded:
            self.problem, self._failed = None, ()
        elif identity != self._failed or time.monotonic() >= self._retry_at:
            self._load(version, identity)
        else:
            self.problem = self._failure

    def _load(self, version: ModelVersion, identity: tuple[str, ...]) -> None:
        try:
            read = self.read or cast("Callable[[str, ModelVersion], Loaded]", load)
            snapshot = read(self.address, version)
        except Exception as error:
            log.warning("Version %s cannot be loaded", version.version, exc_info=error)
            self._wait = (
                min(2 * self._wait, RETRY_SECONDS[1]) if identity == self._failed else RETRY_SECONDS[0]
            )
            self._failed, self._retry_at = identity, time.monotonic() + self._wait
            why = error if isinstance(error, Unreadable) else type(error).__name__
            self.problem = self._failure = (
                f"Version {version.version} is {self.name} but could not be loaded ({why}). "
                "Run `segments rollback`, or `segments train --promote` for a new one."
            )
            return
        self.snapshot = snapshot
        for clear in self.swapped:
            clear()
        self._loaded, self._failed, self.problem = identity, (), None
        self._news = time.monotonic()
        gc.collect()
        gc.freeze()  # what was loaded stays; collecting it again and again costs tail latency
        log.info("Version %s answers", version.version)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                self.look()
            finally:
                self._looked.set()
            self._stopped.wait(self.every)


class Unreadable(Exception):
    """A part of a version that cannot be used; the message may be shown to anyone."""


def no_version(name: str) -> str:
    """What to say where no version is called `name`."""
    return NO_CHAMPION if name == CHAMPION else f"No version of {MODEL} is called '{name}'."


def version_named(address: str, name: str) -> ModelVersion | None:
    """The registry's record of the version that an alias or a number stands for, or None when there is none."""
    if not _exists(address):
        return None
    _prepare(address)
    import mlflow
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient(address, address)
    try:
        if name.isdecimal():
            return client.get_model_version(MODEL, name)
        return client.get_model_version_by_alias(MODEL, name)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def load(address: str, version: ModelVersion) -> Snapshot:
    """The snapshot of a version. Raises Unreadable, naming the part that is damaged or missing."""
    _prepare(address)
    _find_artifacts(address)
    if not version.run_id:
        raise Unreadable("it does not say which training it comes from")
    with tempfile.TemporaryDirectory() as folder:
        fetch = partial(read_artifact, address, version.run_id, folder)
        customers, profiles, summary = _outcome(fetch)
        past = {
            name: part(path, partial(_fetched_json, fetch, path))
            for name, path in _of_the_past(summary, customers).items()
        }
        moves = _moves(summary, fetch)
        histories = _histories(summary, fetch, customers["customer_id"].tolist())
        customers, summary = with_kept(customers, summary, version.run_id, address)
        model = part("model", lambda: load_model(address, version))
    part("answers", lambda: _check_answers(model, customers.head(COMPARED_CUSTOMERS)))
    by_hand = part("history", lambda: promoted_by_hand(address, version))
    number, registered = int(version.version), version.creation_timestamp / 1000
    snapshot = part(
        "tables",
        lambda: Snapshot.of(
            number,
            customers,
            profiles,
            summary,
            model.answers,
            gap=model.gap,
            registered=registered,
            by_hand=by_hand,
            moves=moves,
            distances=model.distances,
            **histories,
            **past,
        ),
    )
    _check_that_it_answers(snapshot)
    return snapshot


def promoted_by_hand(address: str, version: ModelVersion) -> str | None:
    """What to say of a champion that somebody made so by hand; None of one that a command promoted.

    A command enters what it does in the history, so its last entry leads to the champion.
    """
    import mlflow

    client = mlflow.MlflowClient(address, address)
    experiment = client.get_experiment_by_name(HISTORY_EXPERIMENT)
    order = ["attributes.start_time DESC"]
    runs = client.search_runs([experiment.experiment_id], order_by=order, max_results=1) if experiment else []
    number, last = str(version.version), "none"
    if runs:
        tags = runs[0].data.tags
        happened = runs[0].info.status == "FINISHED" or tags["to"] == number
        last = tags["to"] if happened else tags["from"]
    if last == number:
        return None
    before = int(last) if last.isdecimal() else None
    return by_hand_sentence(int(number), before, version.tags.get(GATE_TAG))


def _outcome(fetch: Callable[[str], Path]) -> tuple[pd.DataFrame, Any, Any]:
    """The scored customers, the profiles and the summary that a training left."""
    customers = part(SCORED_CUSTOMERS, lambda: read_table(fetch(SCORED_CUSTOMERS)))
    profiles = part(PROFILES, lambda: read_json(fetch(PROFILES)))
    return customers, profiles, part(SUMMARY, lambda: read_json(fetch(SUMMARY)))


def _of_the_past(summary: Mapping[str, Any], customers: pd.DataFrame) -> dict[str, str]:
    """What the version's training says of the past and of the days ahead: the paths of movement, forward check,
    evidence and forecast, where it has them."""
    missing = summary.get("missing")  # None: of a version from before there was movement
    paths = {}
    if missing is not None and "movement" not in missing:
        paths["movement"] = MOVEMENT
    if (
        "state" in customers
    ):  # so it is of a training that writes evidence, and a forward check of several cut-offs
        paths["evidence"] = EVIDENCE
        if "expected_spend" in customers:
            paths["forecast"] = FORECAST
        if "forward" not in (missing or {}):
            paths["forward"] = FORWARD
    return paths


def _check_that_it_answers(snapshot: Snapshot) -> None:
    """Before anyone asks: a version that cannot answer must not become the snapshot."""
    part("list of customers", lambda: lists.customers(snapshot, select(snapshot.all_customers, []), 1, 1))
    for query in queries.fixed(snapshot):
        part(query.__name__, partial(snapshot.answer, query))
    if snapshot.movement:
        part(MOVEMENT, lambda: queries.movement(snapshot, 1, 1))


def part(name: str, read: Callable[[], Part]) -> Part:
    """What `read` gives. Raises Unreadable, which says what cannot be read."""
    try:
        return read()
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"its {name} cannot be read: {type(error).__name__}") from error


def read_artifact(address: str, run_id: str, folder: str, path: str) -> Path:
    """An artifact of a run, copied into `folder`."""
    import mlflow

    copy = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path=path, dst_path=folder, tracking_uri=address, registry_uri=address
    )
    return Path(copy)


def read_table(path: Path) -> pd.DataFrame:
    """A table of an artifact."""
    import pandas as pd

    return pd.read_parquet(path)


def read_json(path: Path) -> Any:
    """What an artifact says as JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def _fetched_json(fetch: Callable[[str], Path], path: str) -> Any:
    return read_json(fetch(path))


def load_table(address: str, number: int) -> CustomerTable:
    """The customers of any registered version. Raises Unreadable, naming the part that is damaged or missing."""
    _prepare(address)
    version = part("record", lambda: version_named(address, str(number)))
    if version is None or not version.run_id:
        raise Unreadable("it does not say which training it comes from")
    with tempfile.TemporaryDirectory() as folder:
        fetch = partial(read_artifact, address, version.run_id, folder)
        customers, profiles, summary = _outcome(fetch)
        past = _of_the_past(summary, customers)
        forecast = part(FORECAST, lambda: read_json(fetch(FORECAST))) if "forecast" in past else None
        moves = _moves(summary, fetch)
        customers, summary = with_kept(customers, summary, version.run_id, address)
    return part("tables", lambda: customer_table(number, customers, profiles, summary, forecast, moves))


def registered_versions(address: str, data: str) -> list[tuple[int, str]]:
    """Number and as-of date of each version that was trained on data of this kind."""
    _prepare(address)
    import mlflow

    records = mlflow.MlflowClient(address, address).search_model_versions(f"name='{MODEL}'")
    return [
        (int(record.version), str(record.tags.get("as_of", "")))
        for record in records
        if record.tags.get(DATA_TAG) == data
    ]


def _moves(summary: Mapping[str, Any], fetch: Callable[[str], Path]) -> pd.DataFrame | None:
    """Where customers were before, of a version whose training left that."""
    if MOVES not in summary.get("customer_files", ()):
        return None
    return part(MOVES, lambda: read_table(fetch(MOVES)))


def _histories(
    summary: Mapping[str, Any], fetch: Callable[[str], Path], customers: Sequence[str]
) -> dict[str, Any]:
    """What customers did before, as far as the training left it; `customers` in the order of their table."""
    files = summary.get("customer_files", ())
    rows = {customer: index for index, customer in enumerate(customers)} if files else {}
    found: dict[str, Any] = {}
    if MONTHS in files:
        found["months"] = part(MONTHS, lambda: read_months(fetch(MONTHS), rows))
    if PAST_SEGMENTS in files:
        found["past_segments"] = part(
            PAST_SEGMENTS, lambda: past_segments(read_table(fetch(PAST_SEGMENTS)), rows)
        )
    return found


def load_model(address: str, version: ModelVersion) -> LoadedModel:
    """The model of a version, without the tables of its training. Raises Unreadable."""
    _prepare(address)
    _find_artifacts(address)
    with tempfile.TemporaryDirectory() as folder:
        model = part("model", lambda: _load_python_model(address, version, Path(folder)))
    loaded = LoadedModel(
        int(version.version),
        version.creation_timestamp / 1000,
        model.answers,
        model.features,
        getattr(model, "gap", None),
        part("history", lambda: promoted_by_hand(address, version)),
        space=model if hasattr(model, "centres") else None,
        checks_quotients=part("answer", lambda: _checks_quotients(model)),
        model_row=getattr(model, "row", None),
    )
    part("answer", lambda: loaded.answers(np.ones((1, len(FEATURES)))))
    return loaded


def _checks_quotients(model: Any) -> bool:
    """Whether a model refuses an AverageOrderValue that is not Monetary / Frequency; those of 0.1.0 do not."""
    from mlflow.exceptions import MlflowException

    wrong = np.array([[9.0 if name == OPTIONAL else 1.0 for name in model.features]])
    try:
        model.answers(wrong)
    except MlflowException:
        return True
    return False


@dataclass(frozen=True)
class LoadedModel:
    """A version's model.

    registered: when it came into the registry, in seconds since 1970; gap: None in old ones; by_hand: what to say of
    it if it is champion and no command promoted it. space: the model itself, as far as it
    knows columns, mean, scale, weights and centres; None in old ones. checks_quotients: whether the model itself
    refuses an AverageOrderValue that is not Monetary / Frequency. model_row: answers for one ordinary customer, faster;
    None in old ones.
    """

    version: int
    registered: float
    model_answers: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    features: Sequence[str]
    gap: float | None
    by_hand: str | None = None
    space: Any = None
    checks_quotients: bool = False
    model_row: Callable[[np.ndarray], Mapping[str, Any] | None] | None = None

    @cached_property
    def order(self) -> list[int] | None:
        """Where the model's features stand in FEATURES; None where they stand there in the same order."""
        return None if tuple(self.features) == FEATURES else [FEATURES.index(name) for name in self.features]

    @property
    def distances(self) -> Distances | None:
        """How far customers are from each centre; None of a model that does not say where these are."""
        return None if self.space is None else self._distances

    def _distances(self, values: np.ndarray) -> np.ndarray:
        from scipy.spatial.distance import cdist

        space = self.space
        order = [FEATURES.index(name) for name in self.features]
        logs = np.log1p(values.take(order, axis=1).take(space.columns, axis=1))
        points = (logs - space.mean) / space.scale * getattr(space, "weights", 1.0)
        return cdist(points, space.centres)

    def answers(self, values: np.ndarray) -> dict[str, list[Any]]:
        """(n, 5) values in the order of FEATURES to columns of n answers. Raises ValueError in words."""
        from mlflow.exceptions import MlflowException

        if self.order is not None:
            values = values.take(self.order, axis=1)
        if len(values) == 1 and self.model_row and (row := self.model_row(values)):
            return {name: [cell] for name, cell in row.items()}
        try:
            answers = self.model_answers(values)
        except MlflowException as error:
            raise ValueError(error.message) from None
        if not self.checks_quotients and (
            problem := quotient_problem(dict(zip(self.features, values.T, strict=True)))
        ):
            raise ValueError(problem)
        return {name: answer.tolist() for name, answer in answers.items()}


def _load_python_model(address: str, version: ModelVersion, folder: Path) -> Any:
    import mlflow

    try:
        copy = checked_copy(mlflow.MlflowClient(address, address), version, folder)
    except Tampered:
        raise Unreadable("its model's files are not those that were registered") from None
    except Untrusted as error:
        log.warning("%s", error)
        raise Unreadable(error.reason) from None
    except KeyProblem as error:
        log.warning("%s", error)
        raise Unreadable("the keys that this machine trusts cannot be read") from None
    return mlflow.pyfunc.load_model(str(copy), suppress_warnings=True).unwrap_python_model()


def _check_answers(model: LoadedModel, customers: pd.DataFrame) -> None:
    answers = model.answers(customers[list(FEATURES)].to_numpy(dtype=np.float64))
    if answers["segment"] != customers["segment"].tolist():
        raise Unreadable("its model and its table of customers do not belong together")


def _exists(address: str) -> bool:
    """False for an SQLite file that is not there, or that a first training is still making.

    MLflow would make the database, or race with who is making it.
    """
    path = database_file(address)
    if path is None:
        return True
    if not path.is_file():
        return False
    try:
        reader = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            rows = reader.execute("SELECT 1 FROM registered_models WHERE name = ?", (MODEL,))
            return rows.fetchone() is not None
        finally:
            reader.close()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False
        raise


def prepare_reading(address: str) -> None:
    """Make ready to read artifacts and records of the store at `address`."""
    _prepare(address)
    _find_artifacts(address)


def _find_artifacts(address: str) -> None:
    """Let the database of a project that was moved find its artifacts. Raises Unreadable where that cannot be."""
    try:
        if database := database_file(address):
            artifact_paths.follow(database)
    except artifact_paths.Misplaced as error:
        raise Unreadable(
            "the project was moved, and its database cannot be told where its files are now"
        ) from error


def _prepare(address: str) -> None:
    """Import MLflow, in its environment and with its log level."""
    # A connection that stays open would go on reading a database file that was replaced.
    pool = {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"} if address.startswith("sqlite:") else {}
    prepare_server(**pool)
    import mlflow  # noqa: F401

    set_log_level(logging.ERROR)
