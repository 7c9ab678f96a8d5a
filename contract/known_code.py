"""The code that a model of this project may bring along: nothing else of an artifact store is run."""

from __future__ import annotations

import hashlib
from pathlib import Path

KNOWN_CODE = {  # sha256 of a file: what it is
    "3978fd275b65106afa6df7d537fe1f056f9d181d99c4f581b68874eabd408f84": "model.py of 0.1.0",  # pragma: allowlist secret
    "5e40cc7a6936e3f966a66c8c76ec47d088063c5dae6f6b13d3c8cbefa4d23f49": "model.py",  # pragma: allowlist secret
    "2a1e3748988dba8586fe8163a7c153733a305e2c556be4a1f7a534b9447a4e3e": "scoring.py",  # pragma: allowlist secret
}
LOADER = "mlflow.pyfunc.loaders.code_model"
CODE_SUFFIXES = (".py", ".pyc", ".so", ".pyd", ".pkl", ".pickle", ".pth")


def unknown_code(folder: Path) -> str | None:
    """What of a logged model is no code of this project, or None. Nothing of it is run to say so.

    `folder` has no compiled code beside its files (see `contract.integrity.checked_copy`).
    """
    for path in sorted(folder.rglob("*")):
        is_code = path.suffix.lower() in CODE_SUFFIXES and path.is_file()
        if is_code and hashlib.sha256(path.read_bytes()).hexdigest() not in KNOWN_CODE:
            return path.name
    return None if _is_loaded_as_ours(folder / "MLmodel") else "MLmodel"


def _is_loaded_as_ours(file: Path) -> bool:
    """Whether MLflow loads `model.py` in the usual way, with no further code on its path."""
    import yaml

    try:
        flavors = yaml.safe_load(file.read_text(encoding="utf-8"))["flavors"]
        ours = flavors["python_function"]
        return (
            list(flavors) == ["python_function"]
            and ours["loader_module"] == LOADER
            and ours.get("code") is None
            and Path(ours["model_code_path"]).name == "model.py"
            and all(_is_inside(own["path"]) for own in ours["artifacts"].values())
            and (file.parent / "model.py").is_file()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return False


def _is_inside(path: str) -> bool:
    return not Path(path).is_absolute() and ".." not in Path(path).parts
