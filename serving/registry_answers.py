"""Answers of the registry that a request needs: kept for a while, and longer where the registry does not answer."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from werkzeug.exceptions import HTTPException, ServiceUnavailable

NEW_SECONDS = 10.0  # that an answer is not asked for again
SILENT_SECONDS = 2.0  # that a registry which did not answer is left alone
RETRY_AFTER_SECONDS = 5

Value = TypeVar("Value")
log = logging.getLogger(__name__)


class Held(NamedTuple, Generic[Value]):
    """What the registry said to a question, or that it said nothing; not asked again until then (`time.monotonic`)."""

    question: Hashable
    answer: Value | ServiceUnavailable
    until: float


@dataclass(eq=False)
class RegistryAnswer(Generic[Value]):
    """The latest answer of the registry to a question.

    One thread asks at a time. The others, and all where the registry does not answer, get the answer of before. So a
    registry that is restarted costs no request, and one that hangs costs one thread.
    """

    _held: Held[Value] | None = None
    _asking: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def clear(self) -> None:
        """Forget the answer."""
        self._held, self._asking = None, threading.Lock()

    def get(self, question: Hashable, ask: Callable[[], Value]) -> Value:
        """The answer to `question`. Raises ServiceUnavailable where there is none yet and the registry is silent."""
        held, asking = self._of(question), self._asking
        if held and (held.until > time.monotonic() or asking.locked()):
            return _said(held)
        with asking:
            held = self._of(question)  # another thread may have asked meanwhile
            if held is None or held.until <= time.monotonic():
                held = self._held = _asked(question, ask, held)
            return _said(held)

    def _of(self, question: Hashable) -> Held[Value] | None:
        held = self._held
        return held if held and held.question == question else None


def _asked(question: Hashable, ask: Callable[[], Value], before: Held[Value] | None) -> Held[Value]:
    """What the registry says now, or the answer of `before` where it says nothing."""
    try:
        with registry_asked():
            return Held(question, ask(), time.monotonic() + NEW_SECONDS)
    except ServiceUnavailable as silence:
        return Held(question, before.answer if before else silence, time.monotonic() + SILENT_SECONDS)


def _said(held: Held[Value]) -> Value:
    if isinstance(held.answer, ServiceUnavailable):
        raise ServiceUnavailable(held.answer.description, retry_after=RETRY_AFTER_SECONDS)
    return held.answer


@contextlib.contextmanager
def registry_asked() -> Iterator[None]:
    """Ask the registry inside the `with`. Raises ServiceUnavailable, in words, where it does not answer."""
    try:
        yield
    except HTTPException:
        raise
    except Exception as error:
        log.warning("The registry does not answer", exc_info=error)
        raise ServiceUnavailable(
            f"The registry does not answer ({type(error).__name__}). Expected MLflow at MLFLOW_TRACKING_URI. What the "
            "champion alone tells is still answered; ask for this again later.",
            retry_after=RETRY_AFTER_SECONDS,
        ) from error
