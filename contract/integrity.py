"""A registered model's files: their digest, and a private copy of them that is checked before anything is loaded."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from contract.names import DIGEST_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


class Tampered(Exception):
    """A model's files are not those that were registered. The message names the version and the expected digest."""


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
    copy loses all `__pycache__`: compiled code would run in place of the model's own. Raises Tampered.
    """
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
