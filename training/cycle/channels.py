"""To whom a cycle tells its events: a signed webhook, a file of JSON lines, a command.

Webhooks follow the Standard Webhooks (headers webhook-id, webhook-timestamp and webhook-signature), for which there
are libraries in many languages. MLflow's own registry webhooks are not used: only its server sends them, after its
answer and from memory, so a store without a server sends none, and a server that stops loses them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from training.cycle.events import Event
from training.errors import InputError

SECRET_VARIABLE = "SEGMENTS_WEBHOOK_SECRET"  # pragma: allowlist secret
SECRET_PREFIX = "whsec_"  # pragma: allowlist secret; of one in base64, as the Standard Webhooks write it
TIMEOUT_SECONDS = 15.0
COMMAND_TIMEOUT_SECONDS = 120.0
WAITS_SECONDS = (1.0, 4.0)  # between the tries of one delivery


class Undelivered(Exception):
    """An event did not arrive. The message says why."""


class Channel(Protocol):
    """Where events go. `name` says where, without secrets, and is the same at each call."""

    @property
    def name(self) -> str: ...

    def send(self, event: Event) -> None:
        """Deliver an event. Raises Undelivered."""


@dataclass(frozen=True)
class Webhook:
    """POSTs events to an address, signed with a secret."""

    url: str
    secret: bytes = field(repr=False)
    waits: tuple[float, ...]

    @property
    def name(self) -> str:
        """Only the host: the path of a webhook is often a secret itself."""
        return f"webhook {urlsplit(self.url).hostname} {hashlib.sha256(self.url.encode()).hexdigest()[:8]}"

    def send(self, event: Event) -> None:
        for wait in self.waits:
            try:
                return self._post(event)
            except Undelivered:
                time.sleep(wait)
        return self._post(event)

    def _post(self, event: Event) -> None:
        import requests

        body = event.as_json().encode()
        headers = signed(self.secret, event.id, int(time.time()), body)
        try:
            answer = requests.post(
                self.url, data=body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            raise Undelivered(type(error).__name__) from None
        if not 200 <= answer.status_code < 300:
            raise Undelivered(f"HTTP {answer.status_code}")


def signed(secret: bytes, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a webhook: its id, its time, and their HMAC-SHA256 with the body."""
    content = f"{event_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


@dataclass(frozen=True)
class EventFile:
    """Appends events to a file, one line of JSON each."""

    path: Path

    @property
    def name(self) -> str:
        return f"file {self.path}"

    def send(self, event: Event) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                size, line = os.fstat(file.fileno()).st_size, self._start(event)
                try:
                    while line:
                        line = line[file.write(line) :]
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), size)  # a full disk leaves no half line
                    raise
        except OSError as error:
            raise Undelivered(error.strerror or str(error)) from None

    def _start(self, event: Event) -> bytes:
        """The line; on a new one, where a process was killed in the middle of the last."""
        before = self.path.read_bytes()[-1:]
        return (b"" if before in (b"", b"\n") else b"\n") + event.as_json().encode() + b"\n"


@dataclass(frozen=True)
class Command:
    """Runs a command with each event on its standard input; exit code 0 means delivered."""

    command: str

    @property
    def name(self) -> str:
        digest = hashlib.sha256(self.command.encode()).hexdigest()[:8]
        return f"command {Path(shlex.split(self.command)[0]).name} {digest}"

    def send(self, event: Event) -> None:
        try:
            done = subprocess.run(
                shlex.split(self.command),
                input=event.as_json(),
                text=True,
                timeout=COMMAND_TIMEOUT_SECONDS,
                stdout=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Undelivered(type(error).__name__) from None
        if done.returncode:
            raise Undelivered(f"exit code {done.returncode}")


def channels_of(urls: tuple[str, ...], file: str, command: str) -> list[Channel]:
    """The channels that a command's options name. Raises InputError when one of them cannot work."""
    channels: list[Channel] = [_webhook(url) for url in urls if url]
    if file:
        channels.append(EventFile(Path(file)))
    if command:
        channels.append(_command(command))
    return channels


def _webhook(url: str) -> Webhook:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("--notify is no address of a web server. Expected https://HOST/PATH. Correct it.")
    secret = os.environ.get(SECRET_VARIABLE, "")
    if not secret:
        raise InputError(
            f"--notify was given without {SECRET_VARIABLE}. Expected a secret in this environment variable, with which "
            "each message is signed and which the receiver knows. Set it."
        )
    return Webhook(url, _secret_bytes(secret), WAITS_SECONDS)


def _secret_bytes(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        raise InputError(
            f"{SECRET_VARIABLE} begins with {SECRET_PREFIX} and goes on with what is no base64. Expected base64 there, "
            "or a secret without this beginning. Correct it."
        ) from None


def _command(command: str) -> Command:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(
            f"--notify-command cannot be read ({error}). Expected a command as in a shell. Correct it."
        ) from None
    if not words:
        raise InputError("--notify-command is blank. Expected a command. Name one, or leave the option out.")
    return Command(command)
