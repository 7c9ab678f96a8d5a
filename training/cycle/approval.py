"""Approval by a person: a tag of the version, which the MLflow UI, `segments approve` and the next cycle share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.names import APPROVAL_TAG, MODEL
from training.errors import InputError
from training.store import registry
from training.store.history import user_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

WAITING, APPROVED, REJECTED, SUPERSEDED = "waiting", "approved", "rejected", "superseded"
BY_TAG, REASON_TAG = f"{APPROVAL_TAG}.by", f"{APPROVAL_TAG}.reason"
NOTE_START = "\n- **Waits for approval.**"


@dataclass(frozen=True)
class Approval:
    """What was decided about a version, by whom (nobody knows it of a tag set in the UI), and why."""

    state: str
    by: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return (
            self.state + (f" by {self.by}" if self.by else "") + (f": {self.reason}" if self.reason else "")
        )


def approval_of(client: MlflowClient, version: int) -> Approval | None:
    """The approval of a version; None when the version is gone."""
    for record in _records(client):
        if int(record.version) == version:
            tags = record.tags
            return Approval(
                tags.get(APPROVAL_TAG, "").strip().lower(), tags.get(BY_TAG, ""), tags.get(REASON_TAG, "")
            )
    return None


def ask(client: MlflowClient, version: int) -> None:
    """Let a version wait for a person, and no other. A decision that was made already stays."""
    approval = approval_of(client, version)
    if approval and approval.state:
        return
    record = registry.record_of(client, version)
    note = (
        f"{NOTE_START} To approve, change the tag `{APPROVAL_TAG}` to `{APPROVED}` (or `{REJECTED}`), or run "
        f"`segments approve {version}`."
    )
    client.update_model_version(MODEL, str(version), (record.description or "").split(NOTE_START)[0] + note)
    supersede(client, version)
    _decide(client, version, Approval(WAITING))


def supersede(client: MlflowClient, version: int) -> None:
    """Let nothing wait any longer that is older than `version`."""
    for other in waiting_versions(client):
        if other < version:
            _decide(client, other, Approval(SUPERSEDED, reason=f"version {version} is newer"))


def waiting_versions(client: MlflowClient) -> list[int]:
    """The versions that wait for a person, oldest first."""
    numbers = [int(record.version) for record in _records(client) if record.tags.get(APPROVAL_TAG) == WAITING]
    return sorted(numbers)


def decide(client: MlflowClient, name: str, rejection: str) -> tuple[int, Approval]:
    """Approve the version of this number or alias, or with a `rejection` reject it; "" is the one that waits.

    Raises InputError when it does not wait.
    """
    waiting = waiting_versions(client)
    version = registry.find(client, name) if name else next(iter(waiting[-1:]), None)
    if version is None or version not in waiting:
        which = f"Version {version} does not wait" if version else "No version waits"
        numbers = ", ".join(map(str, waiting)) or "none"
        raise InputError(
            f"{which} for approval. Expected a version that `segments cycle --approve by-hand` left waiting: "
            f"{numbers}. "
            "To promote another one: segments promote VERSION"
        )
    state = REJECTED if rejection else APPROVED
    approval = Approval(state, user_name(), rejection)
    _decide(client, version, approval)
    return version, approval


def approved_elsewhere(client: MlflowClient, version: int) -> None:
    """Let a version that was promoted by hand wait no longer."""
    approval = approval_of(client, version)
    if approval and approval.state == WAITING:
        _decide(client, version, Approval(APPROVED, reason="promoted by hand"))


def _decide(client: MlflowClient, version: int, approval: Approval) -> None:
    """Write who and why first: the state is what the next cycle acts on."""
    for tag, text in ((BY_TAG, approval.by), (REASON_TAG, approval.reason), (APPROVAL_TAG, approval.state)):
        if text:
            client.set_model_version_tag(MODEL, str(version), tag, text)


def _records(client: MlflowClient) -> list[ModelVersion]:
    return list(client.search_model_versions(f"name='{MODEL}'", max_results=10_000))
