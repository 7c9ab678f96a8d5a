"""The files of a run in which customers can stand, to be read and replaced in whatever store they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contract.names import FACTS, FEATURE_TABLE, SCORED_CUSTOMERS
from training.people.erasure import ERASERS
from training.whole_file import replaced

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

WITHOUT_CUSTOMERS = ("model", "figures")  # folders of a run that hold no ids
# The facts say which sentences of the report name whom. A server that loads a version meanwhile finds nobody in its
# other files who is not in its tables.
LAST = (FACTS, SCORED_CUSTOMERS, FEATURE_TABLE)


@dataclass(frozen=True)
class RunFiles:
    """The files of one run; `folder` is where they are, None of a store that is no folder of this machine."""

    repository: ArtifactRepository
    folder: Path | None

    @classmethod
    def at(cls, address: str) -> RunFiles:
        """The files at the address of a run's artifacts."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

        repository = get_artifact_repository(address)
        if isinstance(repository, LocalArtifactRepository):
            return cls(repository, Path(repository.artifact_dir))
        return cls(repository, None)

    def names(self) -> list[str]:
        """The files that may hold customers, the tables that servers load last. Leftovers of a kill are removed."""
        names = [name for name in self._below("") if Path(name).suffix.lower() in ERASERS]
        return sorted(names, key=lambda name: (LAST.index(name) if name in LAST else -1, name))

    def _below(self, folder: str) -> Iterator[str]:
        for file in self.repository.list_artifacts(folder or None):
            if Path(file.path).name.startswith("."):
                self.repository.delete_artifacts(file.path)
            elif not file.is_dir:
                yield file.path
            elif file.path not in WITHOUT_CUSTOMERS:
                yield from self._below(file.path)

    def read(self, name: str) -> bytes:
        """The content of a file."""
        if self.folder:
            return (self.folder / name).read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            return Path(self.repository.download_artifacts(name, folder)).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Put another content in the place of a file's, as a whole."""
        if self.folder:
            with replaced(self.folder / name) as new:
                new.write_bytes(content)
            return
        with tempfile.TemporaryDirectory() as folder:
            new = Path(folder) / Path(name).name
            new.write_bytes(content)
            self.repository.log_artifact(str(new), str(Path(name).parent) if "/" in name else None)
