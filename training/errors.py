"""The one exception that users are meant to read, and what they can do when the store fails."""

from __future__ import annotations

import re


class InputError(ValueError):
    """The input cannot be used.

    The message says, in this order: what was given, what was expected, what to do. The command
    line prints it without a traceback, and exits with code 2.
    """


class Rejected(InputError):
    """No setting keeps the limits. Nothing was registered; the run keeps what people can look at."""


FREE_SPACE = "Free some space."
ALLOW_WRITING = "Make it writable, or name another place with MLFLOW_TRACKING_URI."
RESTORE = "It is damaged: put a backup in its place, or move it away and train again."
REMEDIES = {  # by words of the error
    "database is locked": "Another program holds it: wait for that program, or stop it. This names it: fuser -v {file}",
    "disk is full": FREE_SPACE,
    "No space left on device": FREE_SPACE,
    "readonly database": ALLOW_WRITING,
    "unable to open database file": ALLOW_WRITING,
    "Read-only file system": ALLOW_WRITING,
    "Permission denied": ALLOW_WRITING,
    "not a database": RESTORE,
    "database disk image is malformed": RESTORE,
}


def explain(error: Exception, address: str) -> str:
    """An error of MLflow at `address`, its database or the system, told in the order of an InputError's message."""
    text = str(error)
    file = address.removeprefix("sqlite:///").split("?")[0]
    remedy = next((remedy.format(file=file) for words, remedy in REMEDIES.items() if words in text), None)
    if isinstance(error, OSError) and error.strerror:
        path = f"{error.filename}: " if error.filename else ""
        return f"{path}{error.strerror}. Expected a file that can be read and written. {remedy or 'Check its path.'}"
    if isinstance(error, InputError | OSError):
        return text
    sqlite_error = re.search(r"\(sqlite3\.\w+\) ([^\n]+)", text)  # the rest of the text is SQL
    cause = (sqlite_error.group(1) if sqlite_error else text.splitlines()[0]).rstrip(".")
    return (
        f"The MLflow store at {address} cannot be used: {cause}. Expected a database that MLflow can read and "
        f"write, with its artifacts. {remedy or 'Check MLFLOW_TRACKING_URI.'}"
    )
