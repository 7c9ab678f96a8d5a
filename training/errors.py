"""The one exception that users are meant to read, and what a place that cannot be used means for them."""

from __future__ import annotations

import re


class InputError(ValueError):
    """What was given cannot be used.

    The message says, in this order: what was given, what was expected, what to do. The command
    line prints it without a traceback and exits with code 2.
    """


class Rejected(InputError):
    """No setting keeps the limits. Nothing was registered; the run keeps what people can look at."""


FULL = "Free some space."
READ_ONLY = "Make it writable, or name another place with MLFLOW_TRACKING_URI."
DAMAGED = "It is damaged: put a backup in its place, or move it away and train anew."
TO_DO = {
    "database is locked": "Another program holds it: wait for that program, or stop it.",
    "disk is full": FULL,
    "No space left on device": FULL,
    "readonly database": READ_ONLY,
    "unable to open database file": READ_ONLY,
    "Read-only file system": READ_ONLY,
    "Permission denied": READ_ONLY,
    "not a database": DAMAGED,
    "database disk image is malformed": DAMAGED,
}


def explain(error: Exception, address: str) -> str:
    """What MLflow at `address`, its database or the system raised, in the order of an InputError's message."""
    text = str(error)
    to_do = next((hint for name, hint in TO_DO.items() if name in text), None)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}. Expected a file that can be read and written. {to_do or 'Check its path.'}"
    if isinstance(error, InputError | OSError):
        return text
    found = re.search(r"\(sqlite3\.\w+\) ([^\n]+)", text)  # the rest is SQL
    cause = (found.group(1) if found else text.splitlines()[0]).rstrip(".")
    return (
        f"The MLflow store at {address} cannot be used: {cause}. Expected a database that MLflow can read and "
        f"write, with its artifacts. {to_do or 'Check MLFLOW_TRACKING_URI.'}"
    )
