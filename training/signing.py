"""The key that signs models, for the commands: what is wrong with it is an InputError here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from contract import signatures
from training.errors import InputError


def check_signing_key() -> None:
    """Raise InputError, before any long work, when there is no key to sign with and none can be made."""
    with _in_words():
        signatures.signing_key()


def new_key() -> None:
    """Sign with a new key from now on. Raises InputError."""
    with _in_words():
        signatures.make_key(replace=True)


def signing_key_text() -> str:
    """Where the keys are, and the public half of the one that signs. Raises InputError."""
    with _in_words():
        key, trusted = signatures.signing_key(), signatures.trusted_keys()
    return (
        f"Public key    {signatures.public_key(key)}\n"
        f"Private key   {signatures.keys_folder() / signatures.PRIVATE_KEY} (stays on this machine)\n"
        f"Trusted here  {signatures.trusted_file()}, {len(trusted)} in all\n"
        f"A machine that only serves needs that last file, in the same place or named by {signatures.TRUSTED}."
    )


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except signatures.KeyProblem as error:
        raise InputError(str(error)) from None
