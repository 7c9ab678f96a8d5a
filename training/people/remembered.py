"""Who asked to be forgotten: one run in an experiment of MLflow for each, with a keyed hash in the place of the id.

So every machine that trains on the store leaves them out, who asked when is on record, and a list that is lost is
noticed. The key lies with the key that signs: who has only the store cannot try out ids.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from contract.names import FORGOTTEN_EXPERIMENT
from contract.signatures import KEYS, keys_folder
from contract.words import counted
from training.errors import InputError
from training.reading.forgotten import Forgotten
from training.shop import Reading
from training.store import once, tracking
from training.store.history import user_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KEY_FILE = "forget-key"
HASH, KEY_HASH, DONE = "customer_hash", "key_hash", "done"
NOTE = (
    "One run is one customer who asked to be forgotten, known by a keyed hash. Trainings leave them out. "
    "`segments forget --undo ID` lets one back in. Do not delete this experiment: they would come back."
)


def forgotten(client: MlflowClient) -> Forgotten | None:
    """Whom trainings and scoring leave out; None: nobody. Raises InputError when the key is not on this machine."""
    runs = _entries(client)
    if not runs:
        return None
    key = _key_of(runs)
    return Forgotten(key, frozenset(run.data.tags[HASH] for run in runs))


def leaving_out(client: MlflowClient | None, reading: Reading) -> Reading:
    """The same reading without those who asked to be forgotten; None: there is no store yet. Raises InputError."""
    return replace(reading, forgotten=forgotten(client)) if client else reading


def check_none(client: MlflowClient, before: Forgotten | None, customers: Iterable[str]) -> None:
    """Raise InputError when one of the customers came onto the list since it was `before`."""
    now = forgotten(client)
    if now and now != before and any(now.among(customers)):
        raise InputError(
            "A customer asked to be forgotten while this training was at work, which counted that customer. Expected a "
            "training that leaves the customer out. Nothing of its tables was written. Run it again."
        )


def begun(client: MlflowClient, customers: Sequence[str]) -> dict[str, str]:
    """Put customers on the list; customer -> run of the entry, which is not ended yet. Raises InputError."""
    runs = _entries(client)
    people = Forgotten(_key_of(runs) if runs else _key(), frozenset())
    known = {run.data.tags[HASH]: run.info.run_id for run in runs}
    experiment = _experiment(client)
    entries = {}
    for customer in customers:
        own = people.hash_of(customer)
        tags = {HASH: own, KEY_HASH: _hash_of_key(people.key), DONE: "no", "mlflow.user": user_name()}
        run = known.get(own)
        entries[customer] = run or once.create_run(client, experiment, tags, own[:8]).info.run_id
    return entries


def ended(client: MlflowClient, entry: str) -> None:
    """Record that the customer of an entry was taken out everywhere."""
    client.set_tag(entry, DONE, "yes")
    client.set_terminated(entry)


def let_back(client: MlflowClient, customers: Sequence[str]) -> None:
    """Take customers off the list: the next training counts them again. Raises InputError for one who is not on it."""
    runs = _entries(client)
    people = Forgotten(_key_of(runs) if runs else "", frozenset())
    known = {run.data.tags[HASH]: run.info.run_id for run in runs}
    unknown = [customer for customer in customers if people.hash_of(customer) not in known]
    if unknown:
        raise InputError(
            f"--undo {', '.join(unknown)}: not on the list of {counted(len(runs), 'customer')} who asked to be "
            "forgotten. Expected an id as it was given to `segments forget`. Check it."
        )
    for customer in customers:
        client.delete_run(known[people.hash_of(customer)])


def unfinished(client: MlflowClient, but: Collection[str]) -> int:
    """How many customers are on the list and were not taken out everywhere, but for those of some entries."""
    open_entries = [run for run in _entries(client) if run.data.tags.get(DONE) != "yes"]
    return sum(run.info.run_id not in but for run in open_entries)


def _entries(client: MlflowClient) -> list[Run]:
    experiment = tracking.find_experiment(client, FORGOTTEN_EXPERIMENT)
    if experiment is None:
        return []
    return list(client.search_runs([experiment.experiment_id], max_results=tracking.MAX_RUNS_PER_SEARCH))


def _experiment(client: MlflowClient) -> str:
    experiment = tracking.experiment_id(client, FORGOTTEN_EXPERIMENT)
    client.set_experiment_tag(experiment, tracking.NOTE_TAG, NOTE)
    return experiment


def _key_of(runs: Sequence[Run]) -> str:
    """The key with which the list was made. Raises InputError when it is not the one of this machine."""
    file = keys_folder() / KEY_FILE
    key = _key() if file.exists() else ""
    if {run.data.tags[KEY_HASH] for run in runs} != {_hash_of_key(key)}:
        given = "is another one than theirs" if key else "is not on this machine"
        raise InputError(
            f"{counted(len(runs), 'customer')} asked to be forgotten, and the key {file}, by which they are known, "
            f"{given}. Expected the key of the machine where `segments forget` ran first: without it they would come "
            f"back. Copy it from there, or name its folder with {KEYS}."
        )
    return key


def _key() -> str:
    """The key of this machine; the first call makes it, for its user alone. Raises InputError."""
    file = keys_folder() / KEY_FILE
    try:
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=file.parent)
            with os.fdopen(handle, "w", encoding="ascii") as new:
                new.write(secrets.token_hex(32) + "\n")
            try:
                os.link(name, file)  # of two processes at once, one makes it
            except FileExistsError:
                pass
            finally:
                Path(name).unlink()
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise InputError(
            f"The key of forgotten customers cannot be used: {file}: {error}. Expected a file that this user can read "
            f"and write. Make it so, or name another folder with {KEYS}."
        ) from error


def _hash_of_key(key: str) -> str:
    return sha256(f"key {key}".encode()).hexdigest()[:16] if key else ""
