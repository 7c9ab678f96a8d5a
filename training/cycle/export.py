"""The lists of a new champion: who joined and who left each of them since the champion before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.audience import ListFile, Wanted, pairs_of, write_audience
from training.store import registry

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Export:
    """Where lists go, who is in them (nothing named: one list for each segment), and for which tool they are."""

    folder: Path
    where: Sequence[str]
    form: str


def export_changes(client: MlflowClient, export: Export, version: int, before: int | None) -> list[ListFile]:
    """Write who joined and who left each list, or the lists themselves where there is no champion to compare with."""
    files: list[ListFile] = []
    since = str(before) if before and _same_kind(client, version, before) else ""
    for name, where in _lists(client, export, version).items():
        output = str(export.folder / f"{name}-v{version}.csv")
        files += write_audience(
            str(version), Wanted(pairs_of(where), export.form, since=since, output=output)
        )
    return files


def _lists(client: MlflowClient, export: Export, version: int) -> dict[str, list[str]]:
    """The filters of the lists, by the names of their files."""
    if any(export.where):
        return {"list": [text for text in export.where if text]}
    segments = registry.read_segments(client, version)
    return {f"segment-{number}": [f"segment={number}"] for number in range(len(segments.centres))}


def _same_kind(client: MlflowClient, version: int, before: int) -> bool:
    kinds = {registry.data_kind(registry.record_of(client, number)) for number in (version, before)}
    return len(kinds) == 1
