"""Lists of customers as files, from the tables that trainings left: what the API gives, on the command line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contract.lists.audiences import (
    CHANGES,
    CONTROL,
    PARTS,
    TREATED,
    HoldOut,
    changed,
    group_lines,
    part_of,
    version_before,
)
from contract.lists.customers import CustomerTable, customer_table
from contract.lists.file_names import file_name
from contract.lists.files import PLAIN, check_form, lines_of, reachable
from contract.lists.hold_out import share_of
from contract.lists.problems import ListError, shown
from contract.lists.selections import Selection, select
from contract.names import FORECAST, MODEL, MOVES, PROFILES, SCORED_CUSTOMERS, SUMMARY
from contract.people import with_kept
from contract.words import amount, counted
from training.errors import InputError, is_passing
from training.whole_file import replaced

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Wanted:
    """What is asked of `segments audience`: a filter's names and values, and how its list becomes files.

    hold_out: a share, "" for none; since: a version or a day, "" for neither; output: the main file, "" for one whose
    name says who is in it.
    """

    pairs: Sequence[tuple[str, str]]
    form: str = PLAIN
    hold_out: str = ""
    seed: int = 0
    since: str = ""
    output: str = ""


@dataclass(frozen=True)
class ListFile:
    """A file that was written: how many customers are in it, and a sentence about it."""

    path: Path
    customers: int
    sentence: str

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"path": str(self.path), "customers": self.customers, "sentence": self.sentence}


def write_audience(model: str, wanted: Wanted) -> list[ListFile]:
    """Write the files of a list of a model version's customers.

    Raises InputError when the list cannot be given.
    """
    from training.store import registry
    from training.store.connection import connect

    client = connect()
    version = registry.find(client, model)
    try:
        return list(_written(client, version, wanted))
    except ListError as problem:
        raise InputError(str(problem)) from None


def pairs_of(texts: Sequence[str]) -> list[tuple[str, str]]:
    """segment=0 -> (segment, 0), of each --where. Raises InputError."""
    for text in texts:
        if text and "=" not in text:
            raise InputError(
                f"--where {shown(text)} has no value. Expected NAME=VALUE, such as state=late or min_monetary=500."
            )
    return [(name.strip(), value) for name, _, value in (text.partition("=") for text in texts if text)]


def read_table(client: MlflowClient, version: int) -> CustomerTable:
    """All customers of a version's training. Raises InputError when the run does not keep them any more."""
    import pandas as pd
    from mlflow.exceptions import MlflowException

    from training.store import registry

    run = registry.run_of(registry.record_of(client, version))
    try:
        with tempfile.TemporaryDirectory() as folder:

            def path(name: str) -> Path:
                return Path(client.download_artifacts(run, name, folder))

            customers = pd.read_parquet(path(SCORED_CUSTOMERS))
            profiles, summary = (json.loads(path(name).read_text("utf-8")) for name in (PROFILES, SUMMARY))
            forecast = (
                json.loads(path(FORECAST).read_text("utf-8")) if "expected_spend" in customers else None
            )
            moves = pd.read_parquet(path(MOVES)) if MOVES in summary.get("customer_files", ()) else None
    except (MlflowException, OSError) as error:
        if is_passing(error):
            raise
        raise InputError(
            f"Version {version} has no table of customers in its training run {run}. Expected {SCORED_CUSTOMERS}, "
            "which training leaves there. Choose another version with --model, or train a new one: segments train."
        ) from None
    customers, summary = with_kept(customers, summary, run, client.tracking_uri)
    return customer_table(version, customers, profiles, summary, forecast, moves)


def registered_versions(client: MlflowClient, version: int) -> list[tuple[int, str]]:
    """Number and as-of date of each version that was trained on data of the same kind as `version`."""
    from training.store import registry

    kind = registry.data_kind(registry.record_of(client, version))
    records = client.search_model_versions(f"name='{MODEL}'")
    return [
        (int(record.version), str(record.tags.get("as_of", "")))
        for record in records
        if registry.data_kind(record) == kind
    ]


def _written(client: MlflowClient, version: int, wanted: Wanted) -> Iterator[ListFile]:
    form = check_form(wanted.form)
    hold_out = HoldOut(share_of(wanted.hold_out), wanted.seed) if wanted.hold_out else None
    asked = select(read_table(client, version), wanted.pairs)
    chosen = reachable(asked, form)
    path = Path(wanted.output or file_name(asked, *([] if form == PLAIN else [form])))
    fields = chosen.fields if any(name == "fields" for name, _ in wanted.pairs) else ()
    if wanted.since:
        before = version_before(wanted.since, registered_versions(client, version), version)
        then = reachable(select(read_table(client, before), wanted.pairs, asked.table.segments), form)
        for change in CHANGES:
            own = part_of(changed(chosen, then, change), hold_out)
            target = beside(path, f"{change}-since-v{before}")
            _write(target, lines_of(own.table, own.indices, form, fields))
            sentence = f"{counted(len(own), 'customer')} {change} the list since version {before}: {target}"
            yield ListFile(target, len(own), sentence)
        return
    own = part_of(chosen, hold_out)
    _write(path, lines_of(own.table, own.indices, form, fields))
    unreached = len(asked) - len(chosen)
    lost = f"; {unreached:,} more have no address or number that can be used" if unreached else ""
    money = amount(float(own.table.numbers["Monetary"][own.indices].sum()))
    sentence = f"{counted(len(own), 'customer')}, who spent {money} so far, written to {path}{lost}."
    yield ListFile(path, len(own), sentence)
    if hold_out:
        yield from _groups(chosen, hold_out, path)


def _groups(chosen: Selection, hold_out: HoldOut, path: Path) -> Iterator[ListFile]:
    """Write who is written to and who is held out, for `segments lift`."""
    for part in PARTS:
        _write(beside(path, part), group_lines(chosen, hold_out, part))
    control = len(part_of(chosen, hold_out, CONTROL))
    yield ListFile(
        beside(path, CONTROL),
        control,
        f"{counted(control, 'customer')} held out: {beside(path, CONTROL)}. Keep it and {beside(path, TREATED)}, "
        f"and ask for the effect later: segments lift {path} ORDERS",
    )


def beside(path: Path, part: str) -> Path:
    """list.csv -> list-control.csv."""
    return path.with_name(f"{path.stem}-{part}{path.suffix or '.csv'}")


def _write(path: Path, lines: Iterator[str]) -> None:
    with replaced(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
