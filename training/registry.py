"""The model registry: register a challenger, promote it to champion, roll back."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.errors import InputError
from training.tracking import NAME

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
        found = registered[0] if registered else mlflow.register_model(model_uri, NAME, tags=dict(tags))
    version = int(found.version)
    client.update_model_version(NAME, str(version), description)
    client.set_registered_model_alias(NAME, CHALLENGER, str(version))
    return version


@dataclass(frozen=True)
class Rule:
    """One rule of the gate: what it asks, what was found, and whether it holds."""

    name: str
    expected: str
    found: str
    holds: bool


def gate(client: Any, version: int, limits: Any) -> list[Rule]:
    """The rules that a version must keep to become champion, each with its value and verdict.

    limits: `sweep.Limits`; the values are those its training logged as tags of the version.
    """
    tags = _version(client, version).tags
    champion = alias(client, CHAMPION)

    def number(tag: str) -> float:
        return float(tags.get(tag, "nan"))

    rules = [
        Rule("segments", f">= {limits.min_segments}", tags.get("k", "?"), number("k") >= limits.min_segments),
        Rule(
            "stability (bootstrap ARI)",
            f">= {limits.min_stability:g}",
            f"{number('stability'):.3f}",
            number("stability") >= limits.min_stability,
        ),
        Rule(
            "smallest segment",
            f">= {limits.min_share:.1%}",
            f"{number('smallest_share'):.1%}",
            number("smallest_share") >= limits.min_share,
        ),
        Rule(
            "anomaly rate",
            f"{limits.min_anomaly_rate:.1%} to {limits.max_anomaly_rate:.1%}",
            f"{number('anomaly_rate'):.1%}",
            limits.min_anomaly_rate <= number("anomaly_rate") <= limits.max_anomaly_rate,
        ),
        _answers_rule(version),
    ]
    if champion is not None and _version(client, champion).tags.get("data") == "real":
        rules.append(
            Rule("data", "real, as the champion's", tags.get("data", "?"), tags.get("data") == "real")
        )
    return rules


def promote(client: Any, version: int) -> None:
    """Make `version` the champion and remember the one before as `previous`."""
    before = alias(client, CHAMPION)
    if before == version:
        return
    if before is not None:
        client.set_registered_model_alias(NAME, PREVIOUS, str(before))
    client.set_registered_model_alias(NAME, CHAMPION, str(version))


def rollback(client: Any) -> tuple[int, int]:
    """Swap champion and previous; (champion now, champion before). Raises InputError with no previous one."""
    now, before = alias(client, CHAMPION), alias(client, PREVIOUS)
    if now is None or before in (None, now):
        raise InputError(
            "There is no earlier champion to go back to. Expected a version with the alias "
            f"'{PREVIOUS}'; promote a second model first."
        )
    client.set_registered_model_alias(NAME, CHAMPION, str(before))
    client.set_registered_model_alias(NAME, PREVIOUS, str(now))
    return before, now


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
        raise InputError(
            f"No model version '{wanted}'. Expected {CHAMPION}, {CHALLENGER}, {PREVIOUS} or one of: {names}. "
            "Run `segments train` to make one."
        )
    return found


def location(version: int) -> str:
    """Where a version's model is. Given models:/NAME/VERSION instead, MLflow writes into it on loading."""
    import mlflow

    return str(mlflow.MlflowClient().get_model_version_download_uri(NAME, str(version)))


def load(version: int) -> Any:
    """The registered model as a pyfunc. Raises InputError when its artifacts are missing or damaged."""
    import mlflow

    try:
        return mlflow.pyfunc.load_model(location(version))
    except Exception as error:
        what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise InputError(
            f"Version {version} cannot be loaded ({what}). Expected its artifacts as training logged them. Put them "
            "back from a backup, run `segments rollback`, or `segments train --promote` for a new one."
        ) from error


def _version(client: Any, version: int) -> Any:
    return client.get_model_version(NAME, str(version))


def _answers_rule(version: int) -> Rule:
    try:
        model = load(version)
        answered = len(model.predict(model.input_example))
    except Exception as error:
        cause = error.__cause__ or error
        return Rule("answers", "its input example", f"{type(cause).__name__}: {cause}", False)
    return Rule("answers", "its input example", f"{answered} rows", answered > 0)
