"""Runs that are made once, and things that are deleted once.

MLflow asks its server again where an answer was lost, as when the server is restarted. What was asked for may have been
done all the same: then the second answer tells of another run, or that there is nothing to delete.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

REQUEST_TAG = "request"  # another one for each thing that is asked for


def create_run(
    client: MlflowClient, experiment: str, tags: Mapping[str, str], name: str, start: int | None = None
) -> Run:
    """A new run, which began at `start` milliseconds since 1970 (None: now)."""
    run = client.create_run(experiment, start, with_request(tags), name)
    delete_doubles(client, run)
    return run


def with_request(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of what is to be made, by which it is known among its doubles."""
    return {**tags, REQUEST_TAG: uuid.uuid4().hex}


def delete_doubles(client: MlflowClient, run: Run) -> None:
    """Delete the runs that were made by the same request as `run`."""
    request = f"tags.{REQUEST_TAG} = '{run.data.tags[REQUEST_TAG]}'"
    for made in client.search_runs([run.info.experiment_id], request):
        if made.info.run_id != run.info.run_id:
            client.delete_run(made.info.run_id)


@contextlib.contextmanager
def already_gone() -> Iterator[None]:
    """What is deleted inside the `with` may be gone already."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
