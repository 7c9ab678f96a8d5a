"""A registered model's files: their digest, and a private copy of them that is checked before anything is loaded."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from contract.known_code import unknown_code
from contract.names import DIGEST_TAG, SIGNATURE_TAG
from contract.signatures import TRUSTED, is_signed

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

# In the environment: load what is registered, whoever registered it.
TRUST_REGISTRY = "SEGMENTS_TRUST_REGISTRY"


class Tampered(Exception):
    """A model's files are not those that were registered. The message names the version and the expected digest."""


class Untrusted(Exception):
    """Nobody who is trusted vouches for a model, or it brings code of its own.

    `reason` may be shown to anyone; the message also says what to do.
    """

    def __init__(self, version: str, reason: str, remedy: str) -> None:
        super().__init__(
            f"Version {version} is not loaded: {reason}. Expected a model that `segments train` signed. {remedy} Where "
            f"everyone who can write to the registry may run code on this machine: {TRUST_REGISTRY}=1."
        )
        self.reason = reason


def digest_of(folder: Path) -> str:
    """sha256 over the names and contents of all files of a logged model.

    Two things are left out: MLflow's note of who downloaded the model, and `__pycache__`, which `checked_copy`
    removes.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != "registered_model_meta" and "__pycache__" not in path.parts:
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def checked_copy(client: MlflowClient, version: ModelVersion, folder: Path) -> Path:
    """The files of a version's model, copied from the client's store into `folder`; the path of the copy.

    A version without a digest is taken as it is: it was registered by hand, or before there was a digest. The
    copy loses all `__pycache__`: compiled code would run in place of the model's own. Raises Tampered; and Untrusted
    unless a trusted key signed it and its code is known, or the registry is trusted.
    """
    copy = unsigned_copy(client, version, folder)
    if not os.environ.get(TRUST_REGISTRY):
        _check_signature(version)
        check_code(version, copy)
    return copy


def unsigned_copy(client: MlflowClient, version: ModelVersion, folder: Path) -> Path:
    """As `checked_copy`, of a model that is not loaded, whoever made it. Raises Tampered."""
    import mlflow

    store = client.tracking_uri
    # For models:/NAME/VERSION, MLflow would ask its global address instead, and write into the model's own folder.
    uri = client.get_model_version_download_uri(version.name, str(version.version))
    copy = Path(
        mlflow.artifacts.download_artifacts(uri, dst_path=str(folder), tracking_uri=store, registry_uri=store)
    )
    for cache in list(copy.rglob("__pycache__")):
        shutil.rmtree(cache)
    expected = version.tags.get(DIGEST_TAG)
    if expected is not None and digest_of(copy) != expected:
        raise Tampered(
            f"The files of model version {version.version} are not those that were registered: they were changed or "
            f"damaged since then. Expected sha256 {expected}. Restore them from a backup, go back with "
            "`segments rollback`, or train again."
        )
    return copy


def check_code(version: ModelVersion, copy: Path) -> None:
    """Raise Untrusted when a model's files hold code that is not this project's."""
    if unknown := unknown_code(copy):
        raise Untrusted(
            str(version.version),
            f"its {unknown} is no code that this release knows",
            "Train again with this release.",
        )


def _check_signature(version: ModelVersion) -> None:
    digest, signature = version.tags.get(DIGEST_TAG, ""), version.tags.get(SIGNATURE_TAG, "")
    if not signature or not is_signed(signature, digest, str(version.run_id)):
        raise Untrusted(
            str(version.version),
            "no key that this machine trusts has signed it",
            f"If it is yours, run `segments sign {version.version}` where it was trained; a machine that only serves "
            f"needs the file `trusted-keys` from there (see `segments key`, and {TRUSTED}).",
        )
