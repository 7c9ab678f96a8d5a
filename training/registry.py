"""The model registry: register a challenger, promote it to champion, roll back."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training import history, integrity, package
from training.errors import InputError
from training.identity import Predecessor, Segments
from training.tracking import NAME, moving

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
OUTPUTS = (
    ("long", "segment"),
    ("string", "segment_name"),
    ("boolean", "is_anomaly"),
    ("double", "anomaly_score"),
    ("string", "anomaly_reason"),
    ("double", "distance"),
)


def log_model(
    artifact: Path, customers: pd.DataFrame, requirements: Sequence[str], metadata: Mapping[str, Any]
) -> tuple[str, pd.DataFrame]:
    """Log the model into the active run; (its URI, its answers for all `customers`, (n, 5) features).

    The answers come from the model as it was logged and loaded again, so a model that cannot be
    served is never registered.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    signature = ModelSignature(
        inputs=Schema([ColSpec("double", name) for name in customers.columns]),
        outputs=Schema([ColSpec(kind, name) for kind, name in OUTPUTS]),
    )
    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(Path(__file__).with_name("model.py")),
        artifacts={"segmenter": str(artifact)},
        signature=signature,
        input_example=customers.head(2),
        pip_requirements=list(requirements),
        metadata=dict(metadata),
    )
    return logged.model_uri, mlflow.pyfunc.load_model(logged.model_uri).predict(customers)


def check_answers(answers: pd.DataFrame, labels: np.ndarray, anomalies: np.ndarray) -> None:
    """Raise RuntimeError unless the logged model gives every training customer its training answer."""
    wrong = int(((answers.segment != labels) | (answers.is_anomaly != anomalies)).sum())
    if wrong:
        raise RuntimeError(f"The logged model disagrees with training on {wrong} of {len(labels)} customers.")


def register(client: Any, run: str, model_uri: str, tags: Mapping[str, str], description: str) -> int:
    """Register the model that a run logged, once, and give it the alias `challenger`; its version.

    A version that the run registered before it was interrupted is the one: it is the same model.
    """
    import mlflow

    registered = client.search_model_versions(f"name='{NAME}' and run_id='{run}'")
    with contextlib.redirect_stdout(sys.stderr):
        if registered:
            (found,) = registered
        else:
            seal = {integrity.TAG: integrity.digest(Path(mlflow.artifacts.download_artifacts(model_uri)))}
            found = mlflow.register_model(model_uri, NAME, tags={**tags, **seal})
    version = int(found.version)
    client.update_model_version(NAME, str(version), description)
    client.set_registered_model_alias(NAME, CHALLENGER, str(version))
    return version


def promote(client: Any, move: history.Move, verdicts: Mapping[str, str] = {}) -> None:
    """Move the champion's alias, remember the version before as `previous`, and enter it in the history.

    The entry is begun, then `previous` is set, then `champion`, then the entry is ended. Each is one
    write, and the champion's alias moves in one of them from a version to a version: killed anywhere,
    there is a champion that passed its gate. An entry that was not ended says that it was cut off.

    Raises InputError when the champion is not `move.before` any more, beside which the gate judged.
    """
    with moving():
        now = alias(client, CHAMPION)
        if now == move.after:
            return
        if now != move.before:
            judged, moved = (f"version {n}" if n else "no version" for n in (move.before, now))
            raise InputError(
                f"Version {move.after} was judged while {judged} was champion, and {moved} is now. Expected the "
                f"champion to stay meanwhile. Have it judged again: segments promote {move.after}"
            )
        with history.entry(client, move, verdicts):
            if now is not None:
                client.set_registered_model_alias(NAME, PREVIOUS, str(now))
            client.set_registered_model_alias(NAME, CHAMPION, str(move.after))


def rollback(client: Any, command: str) -> tuple[int, int | None]:
    """Swap champion and previous, and enter it in the history; (champion now, champion before).

    Where the champion's alias or version was deleted by hand, the previous one is champion and stays `previous`.

    `champion` is set first, because that is what a rollback is for; killed between the two writes, both
    aliases are the earlier champion, and the history tells which one was left. Raises InputError with
    no previous one.
    """
    with moving():
        now, before = alias(client, CHAMPION), alias(client, PREVIOUS)
        if before is None or before == now:
            raise InputError(
                "There is no earlier champion to go back to. Expected a version with the alias "
                f"'{PREVIOUS}'; promote a second model first."
            )
        with history.entry(client, history.Move(now, before, command)):
            client.set_registered_model_alias(NAME, CHAMPION, str(before))
            if now is not None:
                client.set_registered_model_alias(NAME, PREVIOUS, str(now))
    return before, now


def predecessor(client: Any, kind: str, features: tuple[str, ...]) -> Predecessor:
    """The champion, for a model of `kind` (real or demo) data whose distances are of `features`."""
    version = alias(client, CHAMPION)
    if version is None:
        return Predecessor(None, None, "there is no champion")
    of = tags(client, version).get("data", "unknown")
    if of != kind:
        return Predecessor(version, None, f"version {version} is of {of} data")
    try:
        found = segments(version)
    except Exception as error:  # missing, cut short, of another form: no reason to lose a training
        return Predecessor(version, None, f"version {version} cannot be read ({type(error).__name__})")
    if found.features != features:
        return Predecessor(
            version, None, f"version {version} is of other features: {', '.join(found.features)}"
        )
    return Predecessor(version, found)


def segments(version: int) -> Segments:
    """The segments of a version, read from its artifact: none of its code is run."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        uri = f"models:/{NAME}/{version}/artifacts/segmenter.skops"
        return package.read_segments(Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder)))


def tags(client: Any, version: int) -> dict[str, str]:
    """The tags of a version."""
    return client.get_model_version(NAME, str(version)).tags


def alias(client: Any, name: str) -> int | None:
    """The version an alias stands for, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return int(client.get_model_version_by_alias(NAME, name).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None  # no such alias, or no model at all
        raise


def find(client: Any, wanted: str) -> int:
    """A version from what a person types, an alias or a number. Raises InputError when there is none."""
    found = int(wanted) if wanted.isdecimal() else alias(client, wanted)
    known = {int(v.version): v for v in client.search_model_versions(f"name='{NAME}'")}
    if found not in known:
        names = ", ".join(str(version) for version in sorted(known)) or "none"
        to_do = "Name one of these." if known else "Run `segments train` to make one."
        if known and wanted == CHAMPION:
            to_do = "Make one champion: segments promote VERSION."
        raise InputError(
            f"No model version '{wanted}'. Expected {CHAMPION}, {CHALLENGER}, {PREVIOUS} or one of: {names}. {to_do}"
        )
    return found


def load(version: int) -> Any:
    """The registered model as a pyfunc. Raises InputError when its files are missing, damaged or changed."""
    import mlflow

    folder = tempfile.TemporaryDirectory()
    try:
        model = mlflow.pyfunc.load_model(str(fetch(version, folder.name)))
    except InputError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise InputError(
            f"Version {version} cannot be loaded ({what}). Expected its artifacts as training logged them. Put them "
            "back from a backup, run `segments rollback`, or `segments train --promote` for a new one."
        ) from error
    weakref.finalize(model, folder.cleanup)  # not before: it reads its example when asked for it
    return model


def fetch(version: int, folder: str) -> Path:
    """The model's files, copied into `folder`. Raises InputError when they are not those that were registered."""
    import mlflow

    client = mlflow.MlflowClient()
    # Given models:/NAME/VERSION instead, MLflow writes into the model's own folder.
    place = client.get_model_version_download_uri(NAME, str(version))
    copy = Path(mlflow.artifacts.download_artifacts(place, dst_path=folder))
    integrity.check(copy, tags(client, version), version)
    return copy
