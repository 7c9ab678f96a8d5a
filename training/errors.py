"""The one exception that users are meant to read, and what they can do when the store fails."""

from __future__ import annotations

import errno
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
START_AGAIN = (
    "Look whether MLflow's server, its database and its bucket run, and call again. A training that was begun goes on "
    "with --resume, and a cycle with the next call."
)
RESTORE = "It is damaged: put a backup in its place, or move it away and train again."
STORE_LIBRARIES = ("mlflow", "sqlalchemy", "sqlite3", "requests", "boto3", "botocore", "s3transfer")
SERVER_ERRORS = "again and again errors of the server"
SILENCES = {  # by words of the errors of a store that does not answer, or whose database or bucket does not
    "failed with timeout exception": "no answer in time",
    "timed out": "no answer in time",
    "Connection refused": "connection refused",
    "Connection aborted": "the connection broke",
    "Connection reset": "the connection broke",
    "too many 500 error": SERVER_ERRORS,
    "too many 50": "its server, or what it needs, is down",
    "Could not connect to the endpoint URL": "its bucket cannot be reached",
    "timeout on endpoint URL": "its bucket does not answer in time",
    "Connection was closed before": "its bucket broke the connection",
    "connection failed:": "its database cannot be reached",
    "server closed the connection": "its database broke the connection",
    "the database system is": "its database is starting or stopping",
    "terminating connection": "its database was stopped",
    "Can't connect to MySQL": "its database cannot be reached",
    "Lost connection to MySQL": "its database broke the connection",
}
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
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


def is_of_store(error: BaseException) -> bool:
    """Whether an error comes from MLflow, its database or its artifacts."""
    return type(error).__module__.split(".")[0] in STORE_LIBRARIES


def silence_of(error: BaseException) -> str:
    """Why the store does not answer, in a few words; "" for an error of another kind."""
    if not is_of_store(error):
        return ""
    return next((cause for words, cause in SILENCES.items() if words in str(error)), "")


def is_passing(error: BaseException, server_errors: bool = False) -> bool:
    """Whether an error says nothing about what was to be read: the store is silent, or the disk is full.

    Behind a server, a file that is missing in a bucket and a bucket that is gone are the same error of the server:
    `server_errors` says whether that is one of these.
    """
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return True
    silence = silence_of(error)
    return bool(silence) and (server_errors or silence != SERVER_ERRORS)


def explain(error: Exception, address: str) -> str:
    """An error of MLflow at `address`, its database or the system, told in the order of an InputError's message."""
    text = str(error)
    if silence := silence_of(error):
        return (
            f"The MLflow store at {address} does not answer any more: {silence}. Expected a store that answers for as "
            f"long as the command works. {START_AGAIN}"
        )
    file = address.removeprefix("sqlite:///").split("?")[0]
    remedy = next((remedy.format(file=file) for words, remedy in REMEDIES.items() if words in text), None)
    if isinstance(error, OSError) and error.strerror:
        path = f"{error.filename}: " if error.filename else ""
        return f"{path}{error.strerror}. Expected a file that can be read and written. {remedy or 'Check its path.'}"
    if isinstance(error, InputError | OSError) and not is_of_store(error):
        return text
    sqlite_error = re.search(r"\(sqlite3\.\w+\) ([^\n]+)", text)  # the rest of the text is SQL
    cause = (sqlite_error.group(1) if sqlite_error else text.splitlines()[0]).rstrip(".")
    return (
        f"The MLflow store at {address} cannot be used: {cause}. Expected a database that MLflow can read and "
        f"write, with its artifacts. {remedy or 'Check MLFLOW_TRACKING_URI.'}"
    )
