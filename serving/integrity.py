"""A model's files, fetched and compared with what was registered, before any of them is loaded."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

TAG = "sha256"  # of a version: the digest of its model's files, as training recorded it


class Tampered(Exception):
    """The files are not those that were registered."""


def fetch(address: str, found: Any, folder: Path) -> Path:
    """A version's model, copied from the registry at `address` into `folder` and checked; the copy.

    A version without a digest, registered before there was one or by hand, is taken as it is. Compiled code
    beside the model's own would run in its place, so the copy loses it. Raises Tampered.
    """
    import mlflow

    # Not "models:/NAME/VERSION": MLflow would look that up at its global address.
    uri = mlflow.MlflowClient(address, address).get_model_version_download_uri(found.name, found.version)
    copy = Path(
        mlflow.artifacts.download_artifacts(
            uri, dst_path=str(folder), tracking_uri=address, registry_uri=address
        )
    )
    for cache in list(copy.rglob("__pycache__")):
        shutil.rmtree(cache)
    if TAG in found.tags and digest(copy) != found.tags[TAG]:
        raise Tampered(f"the files of version {found.version} are not those that were registered")
    return copy


def digest(folder: Path) -> str:
    """sha256 over names and contents of all files of a logged model but MLflow's note of who downloaded it."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != "registered_model_meta" and "__pycache__" not in path.parts:
            found.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()
