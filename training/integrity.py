"""Whether a registered model is still the one that was registered, file by file."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from training.errors import InputError

TAG = "sha256"  # of a version: the digest of its model's files


def digest(folder: Path) -> str:
    """sha256 over names and contents of all files of a logged model.

    Left out are MLflow's note of who downloaded it, and `__pycache__`, which `check` takes away.
    """
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != "registered_model_meta" and "__pycache__" not in path.parts:
            found.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def check(folder: Path, tags: dict[str, str], version: int) -> None:
    """Raise InputError unless a private copy of a version's model has the digest of the version's tags.

    A version without the tag, registered before there was one or by hand, is taken as it is. Compiled
    code beside the model's own would run in its place, so the copy loses it.
    """
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    if TAG in tags and digest(folder) != tags[TAG]:
        raise InputError(
            f"The files of model version {version} are not those that were registered: they were changed or "
            f"damaged since. Expected sha256 {tags[TAG]}. Restore them from a backup, go back with "
            "`segments rollback`, or train again."
        )
