"""What the user names as the source: files, folders and patterns to the files to read."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from training.errors import InputError
from training.reading.address import is_address, shown

NAMED_ONE_BY_ONE = 5
READABLE = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet", ".xlsx")


def files(sources: Sequence[str | Path]) -> list[Path]:
    """Files, folders and patterns -> the files to read, each once, in the order given."""
    paths: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            inside = [file for file in sorted(path.iterdir()) if is_readable(file)]
            if not inside:
                raise InputError(
                    f"No readable file in the folder {path}. Expected one of: {', '.join(READABLE)}."
                )
            paths += inside
        elif path.exists():
            if not path.name.lower().endswith(READABLE):
                raise InputError(
                    f"{path} has an unknown ending. Expected one of: {', '.join(READABLE)}. "
                    "Rename it, or export it again."
                )
            paths.append(path)
        elif glob.has_magic(str(source)):
            # Unlike Path.glob, glob.glob leaves hidden files out.
            matching = [Path(name) for name in sorted(glob.glob(str(source), recursive=True))]  # noqa: PTH207
            if not matching:
                raise InputError(
                    f"No file matches {source}. Expected at least one. Check folder and pattern."
                )
            paths += files(matching)
        else:
            raise InputError(f"No such file: {path}. Expected a file, a folder or a pattern. Check the path.")
    if not paths:
        raise InputError("No source was given. Expected files, folders, patterns or a database address.")
    return list({path.resolve(): path for path in paths}.values())


def in_words(sources: Sequence[str]) -> str:
    """Sources as people read them: few by their names, many files as "113 files in data/raw"; no passwords."""
    if len(sources) <= NAMED_ONE_BY_ONE or any(map(is_address, sources)):
        return shown(", ".join(sources))
    folders = {str(Path(source).parent) for source in sources}
    return f"{len(sources):,} files in {folders.pop() if len(folders) == 1 else f'{len(folders):,} folders'}"


def is_readable(file: Path) -> bool:
    """Whether a file in a folder is one to read: by its ending, and not hidden."""
    name = file.name.lower()
    return file.is_file() and name.endswith(READABLE) and not name.startswith(".")


def check_same_columns(names: Sequence[str], path: Path, first_names: Sequence[str], first: Path) -> None:
    if set(names) != set(first_names):
        raise InputError(
            f"{path} has the columns {', '.join(names)}; {first} has {', '.join(first_names)}. "
            "Expected the same columns in all files. Rename them, or read the files in separate runs."
        )
