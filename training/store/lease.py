"""A lease that the MLflow store grants to one process at a time, on whatever machine it runs.

The store makes an object of a name once, and tells all others that it exists. So the lease is a registered model
`NAME-lease-N`, which has no versions: who makes the next N has the lease until it is released, or until it expires
because nobody renewed it. The highest N is never deleted, only the ones below, so no N comes a second time: somebody
who was delayed for long, and then makes a number that was deleted, finds a higher one and has nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from contract.mlflow_setup import lose_patience
from training.errors import InputError, silence_of
from training.store.once import REQUEST_TAG, already_gone, with_request

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

LEASE_SECONDS = 300.0  # after which a lease that nobody renews is free; clocks may differ by less
RENEWALS_PER_LEASE = 5
OWNER, EXPIRES, PROCESS = "owner", "expires", "holder"  # tags; a released lease has expired at 0
RETRY_SECONDS = 0.2
NOTE = "A lease of `segments`: one process at a time, see docs/unattended.md. It has no versions."


class Busy(InputError):
    """Somebody else has the lease."""


@dataclass
class Lease:
    """A lease that this process holds."""

    client: MlflowClient
    name: str
    number: int
    seconds: float
    _renewed: float = field(default_factory=time.monotonic)
    _ended: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise Busy when the lease may have gone to somebody else, because this process could not renew it."""
        expired = time.monotonic() - self._renewed > self.seconds
        if expired or _numbers(self.client, self.name)[-1:] != [self.number]:
            raise Busy(
                f"The lease {_object(self.name, self.number)} was not renewed in time, and another process may have "
                "it. Expected to hold it to the end. Nothing is lost: the next call goes on from here."
            )

    def renew(self) -> None:
        """Hold it for another `seconds`."""
        now = time.monotonic()
        _set(self.client, self.name, self.number, EXPIRES, str(time.time() + self.seconds))
        self._renewed = now

    def keep_renewing(self) -> None:
        """Renew it again and again until it is released; a store that does not answer is asked again."""
        while not self._ended.wait(self.seconds / RENEWALS_PER_LEASE):
            with contextlib.suppress(Exception):
                self.renew()

    def release(self) -> None:
        """Let others have it."""
        self._ended.set()
        _set(self.client, self.name, self.number, EXPIRES, "0")


@contextlib.contextmanager
def leased(client: MlflowClient, name: str, seconds: float = LEASE_SECONDS) -> Iterator[Lease]:
    """Hold the lease `name` inside the `with`. Raises Busy when another process holds it."""
    lease = take(client, name, seconds)
    renewal = threading.Thread(target=lease.keep_renewing, daemon=True)
    renewal.start()
    try:
        yield lease
    except Exception as error:
        if silence_of(error):
            lose_patience()
        raise
    finally:
        lease._ended.set()
        renewal.join()
        with contextlib.suppress(Exception):  # the store may be what failed; the lease expires by itself
            lease.release()


@contextlib.contextmanager
def leased_in_turn(client: MlflowClient, name: str, patience_seconds: float) -> Iterator[Lease]:
    """Hold the lease `name` inside the `with`; wait for another holder so long. Raises Busy after that."""
    deadline = time.monotonic() + patience_seconds
    with contextlib.ExitStack() as stack:
        while True:
            try:
                lease = stack.enter_context(leased(client, name))
                break
            except Busy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)
        yield lease


def take(client: MlflowClient, name: str, seconds: float = LEASE_SECONDS) -> Lease:
    """The lease `name`, if nobody holds it. Raises Busy."""
    numbers = _numbers(client, name)
    last = numbers[-1] if numbers else 0
    if last:
        _check_free(client, name, last)
    number = last + 1
    if not _made(client, name, number, seconds):
        raise Busy(_at_work(name, number, "another process, which took it at this moment"))
    if _numbers(client, name)[-1:] != [number]:
        with already_gone():
            client.delete_registered_model(_object(name, number))
        raise Busy(_at_work(name, number, "another process, which was quicker"))
    for old in numbers:
        with contextlib.suppress(Exception):  # who follows deletes it
            client.delete_registered_model(_object(name, old))
    return Lease(client, name, number, seconds)


def _made(client: MlflowClient, name: str, number: int, seconds: float) -> bool:
    """Whether this process, and no other, made the object of the lease.

    MLflow sends a request again whose answer was lost, as when its server is restarted: then the object is there
    already, and is this one's.
    """
    from mlflow.exceptions import MlflowException

    expires = str(time.time() + seconds)
    tags = with_request({OWNER: _owner(), PROCESS: _this_process(), EXPIRES: expires})
    try:
        client.create_registered_model(_object(name, number), tags, NOTE)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return _is_of(client, name, number, tags[REQUEST_TAG])
    return True


def _is_of(client: MlflowClient, name: str, number: int, request: str) -> bool:
    """Whether the object of the lease was made by a request. False, too, where it is gone again."""
    from mlflow.exceptions import MlflowException

    try:
        made = client.get_registered_model(_object(name, number))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return bool(made.tags.get(REQUEST_TAG) == request)


def _check_free(client: MlflowClient, name: str, number: int) -> None:
    from mlflow.exceptions import MlflowException

    try:
        held = client.get_registered_model(_object(name, number))
    except MlflowException as error:
        if (
            error.error_code == "RESOURCE_DOES_NOT_EXIST"
        ):  # a quicker one, who found that it had come too late
            raise Busy(_at_work(name, number, "another process, which took it at this moment")) from None
        raise
    expires = float(held.tags.get(EXPIRES, "0"))
    if expires > time.time() and not _is_dead(held):
        until = datetime.fromtimestamp(expires)
        raise Busy(
            _at_work(name, number, f"{held.tags.get(OWNER)}, until {until:%H:%M:%S} unless it renews it")
        )


def _at_work(name: str, number: int, who: str) -> str:
    return (
        f"Another process is at work: {_object(name, number)} is held by {who}. Expected one at a time. Wait for it, "
        "and call again: what it does not do, the next call does."
    )


def _numbers(client: MlflowClient, name: str) -> list[int]:
    """The numbers of the lease's objects, lowest first."""
    start = _object(name, "")
    models = client.search_registered_models(f"name LIKE '{start}%'", max_results=1000)
    ends = [model.name.removeprefix(start) for model in models]
    return sorted(int(end) for end in ends if re.fullmatch(r"[0-9]+", end))


def _object(name: str, number: int | str) -> str:
    return f"{name}-lease-{number}"


def _set(client: MlflowClient, name: str, number: int, tag: str, value: str) -> None:
    client.set_registered_model_tag(_object(name, number), tag, value)


def _owner() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _this_process() -> str:
    """This process among all that ever ran: the boot of its machine, its name space, its number and its start."""
    started = _start_of(os.getpid())
    return " ".join([*_machine(), str(os.getpid()), started or ""])


def _machine() -> tuple[str, str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return boot, str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # not Linux: only the time tells that a holder is gone
        return "", ""


def _is_dead(held: RegisteredModel) -> bool:
    """Whether the holder was a process of this machine that has ended. False where that cannot be known."""
    boot, space, *process = str(held.tags.get(PROCESS, "")).split(" ")
    if not boot or (boot, space) != _machine() or len(process) != 2:
        return False
    number, started = process
    return _start_of(int(number)) != started


def _start_of(process: int) -> str | None:
    """When a process started, in clock ticks since the boot, which no setting of the clock moves; None: it has ended.

    See proc_pid_stat(5): `state` and `starttime` are the fields 3 and 22, and the second one may hold blanks.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *others = fields.rpartition(")")[2].split()
    return None if state in "ZX" else others[18]
