"""The model registry: register a challenger, promote it to champion, roll back, load a version."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.by_hand import by_hand_sentence
from contract.integrity import Tampered, Untrusted, check_code, checked_copy, digest_of, unsigned_copy
from contract.names import (
    CHALLENGER,
    CHAMPION,
    DATA_TAG,
    DETAILS_TAG,
    DIGEST_TAG,
    GATE_TAG,
    MODEL,
    OUTPUTS,
    PREVIOUS,
    REPORT,
    SEGMENTER,
    SIGNATURE_TAG,
)
from contract.signatures import KeyProblem, sign
from training.errors import InputError, is_passing
from training.identity import Predecessor, Segments
from training.store import artifact, history
from training.store.once import already_gone
from training.store.tracking import champion_lock

Floats = NDArray[np.float64]
LINKED_ALREADY = ("UNIQUE constraint", "unique constraint", "Duplicate entry")  # SQLite, PostgreSQL, MariaDB

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models.model import ModelInfo
    from mlflow.pyfunc import PyFuncModel


def log_model(
    client: MlflowClient,
    segmenter: Path,
    customers: pd.DataFrame,
    requirements: Sequence[str],
    metadata: Mapping[str, object],
) -> tuple[str, pd.DataFrame]:
    """Log the model into the active run; (its URI, its answers for all `customers`, (n, 5) features).

    The answers come from the model as it was logged and loaded again. So a model that cannot be served is
    never registered.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    signature = ModelSignature(
        inputs=Schema([ColSpec("double", name) for name in customers.columns]),
        outputs=Schema([ColSpec(kind, name) for kind, name in OUTPUTS]),
    )
    log = partial(
        mlflow.pyfunc.log_model,
        name="model",
        python_model=str(Path(__file__).with_name("model.py")),
        artifacts=artifact.artifacts(segmenter),
        signature=signature,
        input_example=customers.head(2),
        pip_requirements=list(requirements),
        metadata=dict(metadata),
    )
    uri = _logged_once(client, log).model_uri
    return uri, mlflow.pyfunc.load_model(uri, suppress_warnings=True).predict(customers)


def _logged_once(client: MlflowClient, log: Callable[[], ModelInfo]) -> ModelInfo:
    """The model that `log` logs into the active run.

    MLflow asks its server again where an answer was lost: a model may then have been made twice, or is linked with its
    run already, which MLflow takes for an error.
    """
    import mlflow
    from mlflow.entities import LoggedModelStatus
    from mlflow.exceptions import MlflowException

    try:
        logged = log()
    except MlflowException as error:
        if not any(words in str(error) for words in LINKED_ALREADY):
            raise
        logged = log()
    active = mlflow.active_run()
    assert active is not None
    run = active.info
    for model in client.search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'"):
        if model.status != LoggedModelStatus.READY:
            with already_gone():
                client.delete_logged_model(model.model_id)
    return logged


def check_answers(answers: pd.DataFrame, labels: NDArray[np.int64], anomalies: NDArray[np.bool_]) -> None:
    """Raise RuntimeError unless the logged model gives every training customer its training answer."""
    wrong = int(((answers.segment != labels) | (answers.is_anomaly != anomalies)).sum())
    if wrong:
        raise RuntimeError(f"The logged model disagrees with training on {wrong} of {len(labels)} customers.")


def register(
    client: MlflowClient, run: str, model_uri: str, tags: Mapping[str, str], description: str
) -> int:
    """Register the model that a run logged; the number of its version.

    A run registers its model once. If it did so before it was interrupted, that version is used: it is the same model.
    MLflow asks its server again where an answer was lost or was an error, and the version may have been made all the
    same: the latest stays.
    """
    import mlflow

    silence = io.StringIO()  # MLflow prints what the command says itself
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        if not _registered(client, run):
            files = Path(mlflow.artifacts.download_artifacts(model_uri))
            digest = digest_of(files)
            own = {DIGEST_TAG: digest, SIGNATURE_TAG: sign(digest, run)}
            mlflow.register_model(model_uri, MODEL, tags={**tags, **own})
    *doubles, version = _registered(client, run)
    for double in doubles:
        with already_gone():
            client.delete_model_version(MODEL, str(double))
    link = f"#/experiments/{client.get_run(run).info.experiment_id}/runs/{run}"
    links = f"\n- [Its training]({link}), and the [report]({link}/artifacts/{REPORT})"
    client.update_model_version(MODEL, str(version), description + links)
    return version


def _registered(client: MlflowClient, run: str) -> list[int]:
    """The versions that a run made of its model, lowest first; those that a person made of it have no digest."""
    records = client.search_model_versions(f"name='{MODEL}' and run_id='{run}'")
    return sorted(int(record.version) for record in records if DIGEST_TAG in record.tags)


def challenge(client: MlflowClient, version: int) -> None:
    """Give a version, of which everything is logged, the alias `challenger`."""
    client.set_registered_model_alias(MODEL, CHALLENGER, str(version))


def promote(client: MlflowClient, move: history.Move, verdicts: Mapping[str, str] = {}) -> None:
    """Move the champion's alias, keep the version before as `previous`, and enter the move in the history.

    The entry is begun, then `previous` is set, then `champion`, then the entry is ended. Each of these is one
    write. The champion's alias moves in one write from one version to another: wherever the process is
    killed, there is a champion that passed its gate. The history shows an entry that was not ended as cut off; the same
    promotion, tried again, goes on with it.

    Raises InputError when `move.before`, with which the gate compared, is no longer the champion.
    """
    with champion_lock(client):
        champion = version_of(client, CHAMPION)
        if champion == move.after:
            history.end_begun(client, move)
            return
        if champion != move.before:
            judged, now = (f"version {n}" if n else "no version" for n in (move.before, champion))
            raise InputError(
                f"Version {move.after} was judged while {judged} was champion, and {now} is now. Expected the "
                f"champion to stay meanwhile. Have it judged again: segments promote {move.after}"
            )
        with history.entry(client, move, verdicts):
            if champion is not None:
                client.set_registered_model_alias(MODEL, PREVIOUS, str(champion))
            client.set_registered_model_alias(MODEL, CHAMPION, str(move.after))


def moved_by_hand(client: MlflowClient, change: history.Change) -> str:
    """What to say of the last change of the champion, which was by hand."""
    if change.after is None:
        back = " Give it back: segments rollback." if version_of(client, PREVIOUS) else ""
        return f"The champion's alias was taken by hand from version {change.before}.{back}"
    return by_hand_sentence(change.after, change.before, record_of(client, change.after).tags.get(GATE_TAG))


def rollback(client: MlflowClient, command: str) -> tuple[int, int | None]:
    """Go back to the champion before this one, and enter it in the history; (champion now, champion before).

    It is the version with the alias `previous`, unless somebody moved the champion's alias by hand: then it is the
    version from which it was moved. Where the champion's alias or version was deleted by hand, the previous version
    becomes champion and keeps the alias `previous`, too.

    `champion` is set first, because that is what a rollback is for. If the process is killed between the two
    writes, both aliases stand for the earlier champion, and the history tells which version was left. Raises
    InputError when there is no previous version.
    """
    with champion_lock(client):
        champion = version_of(client, CHAMPION)
        previous = _left_by_hand(client, champion) or version_of(client, PREVIOUS)
        if previous is None or previous == champion:
            raise InputError(
                "There is no earlier champion to go back to. Expected a version with the alias "
                f"'{PREVIOUS}'; promote a second model first."
            )
        with history.entry(client, history.Move(champion, previous, command)):
            client.set_registered_model_alias(MODEL, CHAMPION, str(previous))
            if champion is not None:
                client.set_registered_model_alias(MODEL, PREVIOUS, str(champion))
    return previous, champion


def _left_by_hand(client: MlflowClient, champion: int | None) -> int | None:
    """The version from which somebody moved the alias by hand to `champion`; None: nobody did, or it is gone."""
    changes = history.changes_until(client, champion)
    if champion is None or not changes or changes[-1].how != history.BY_HAND:
        return None
    records = client.search_model_versions(f"name='{MODEL}'")
    before = changes[-1].before
    return before if before in {int(record.version) for record in records} else None


def predecessor(client: MlflowClient, kind: str, features: tuple[str, ...], weights: Floats) -> Predecessor:
    """The champion, for a model of `kind` (real or demo) data whose distances are of `features` with `weights` (d,)."""
    version = version_of(client, CHAMPION)
    if version is None:
        return Predecessor(None, None, "there is no champion")
    champion_kind = data_kind(record_of(client, version))
    if champion_kind != kind:
        return Predecessor(version, None, f"version {version} is of {champion_kind} data")
    try:
        segments = read_segments(client, version)
    except Exception as error:  # missing, cut short or of another form: the training goes on without it
        if is_passing(error):
            raise
        return Predecessor(version, None, f"version {version} cannot be read ({type(error).__name__})")
    if segments.features != features:
        return Predecessor(
            version, None, f"version {version} is of other features: {', '.join(segments.features)}"
        )
    if not np.allclose(segments.weights, weights):
        of = "other weights" if segments.weighted else "a release without weights"
        return Predecessor(version, None, f"version {version} is of {of}")
    return Predecessor(version, segments)


def read_segments(client: MlflowClient, version: int) -> Segments:
    """The segments of a version, read from its artifact. None of its code is run."""
    import mlflow

    store = client.tracking_uri
    uri = f"models:/{MODEL}/{version}/artifacts/{SEGMENTER}"
    with tempfile.TemporaryDirectory() as folder:
        file = mlflow.artifacts.download_artifacts(
            uri, dst_path=folder, tracking_uri=store, registry_uri=store
        )
        return artifact.read_segments(Path(file))


def record_of(client: MlflowClient, version: int) -> ModelVersion:
    """The registry's record of a version: its tags, its run, where its files are."""
    return client.get_model_version(MODEL, str(version))


def details_of(record: ModelVersion) -> dict[str, object]:
    """What the training of a version measured. An older version has a tag for each of it."""
    return {**record.tags, **json.loads(record.tags.get(DETAILS_TAG, "{}"))}


def data_kind(record: ModelVersion) -> str:
    """What data a version was trained on: real or demo; unknown for a version without the tag."""
    return str(record.tags.get(DATA_TAG, "unknown"))


def as_of(record: ModelVersion) -> datetime | None:
    """Until when a version's training data go; None for a version without the tag."""
    text = record.tags.get("as_of")
    return datetime.fromisoformat(text) if text else None


def run_of(record: ModelVersion) -> str:
    """The run that trained a version. Raises InputError for one that was registered without a run."""
    if not record.run_id:
        raise InputError(
            f"Version {record.version} was registered without a run. Expected a version that `segments train` made, "
            "whose run keeps its data. Name another version, or train again."
        )
    return record.run_id


def version_of(client: MlflowClient, alias: str) -> int | None:
    """The version that an alias stands for, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return int(client.get_model_version_by_alias(MODEL, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None  # no such alias, or no model at all
        raise


def find(client: MlflowClient, name: str) -> int:
    """The version that a person names by its alias or its number. Raises InputError when there is none."""
    version = int(name) if name.isdecimal() else version_of(client, name)
    known = {int(record.version) for record in client.search_model_versions(f"name='{MODEL}'")}
    if version is None or version not in known:
        numbers = ", ".join(str(number) for number in sorted(known)) or "none"
        to_do = "Name one of these." if known else "Run `segments train` to make one."
        if known and name == CHAMPION:
            to_do = f"Name one: --model {max(known)}. Or make one champion: segments promote {max(known)}"
        raise InputError(
            f"No model version '{name}'. Expected {CHAMPION}, {CHALLENGER}, {PREVIOUS} or one of: {numbers}. {to_do}"
        )
    return version


def load(client: MlflowClient, version: int) -> PyFuncModel:
    """The registered model as a pyfunc. Raises InputError when its files are missing, damaged or changed."""
    import mlflow

    folder = tempfile.TemporaryDirectory()
    try:
        model: PyFuncModel = mlflow.pyfunc.load_model(str(fetch(client, version, Path(folder.name))))
    except InputError:
        raise
    except Exception as error:
        if is_passing(error, server_errors=True):
            raise
        cause = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise InputError(
            f"Version {version} cannot be loaded ({cause}). Expected its artifacts as training logged them. Put them "
            "back from a backup, run `segments rollback`, or `segments train --promote` for a new one."
        ) from error
    # The folder stays as long as the model, which reads its input example from there when it is asked for it.
    weakref.finalize(model, folder.cleanup)
    return model


def fetch(client: MlflowClient, version: int, folder: Path) -> Path:
    """The model's files, copied into `folder`. Raises InputError when they are not those that were registered."""
    try:
        return checked_copy(client, record_of(client, version), folder)
    except (Tampered, Untrusted, KeyProblem) as error:
        raise InputError(str(error)) from None


def sign_version(client: MlflowClient, version: int) -> None:
    """Sign a version of an earlier release, whose digest and code are known. Raises InputError."""
    record = record_of(client, version)
    digest = record.tags.get(DIGEST_TAG)
    if digest is None:
        raise InputError(
            f"Version {version} has no tag {DIGEST_TAG}: nobody can say whether its files are those that were "
            "registered. Expected a version that `segments train` registered. Train again."
        )
    try:
        with tempfile.TemporaryDirectory() as folder:
            check_code(record, unsigned_copy(client, record, Path(folder)))
        signature = sign(digest, str(record.run_id))
    except (Tampered, Untrusted, KeyProblem) as error:
        raise InputError(str(error)) from None
    client.set_model_version_tag(MODEL, str(version), SIGNATURE_TAG, signature)
