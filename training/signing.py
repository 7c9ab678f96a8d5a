"""The key that signs models, for the commands."""

from __future__ import annotations

from contract import signatures
from training.errors import InputError


def check_signing_key() -> None:
    """Raise InputError, before any long work, when there is no key to sign with and none can be made."""
    try:
        signatures.signing_key()
    except signatures.KeyProblem as error:
        raise InputError(str(error)) from None


def new_key() -> None:
    """Sign with a new key from now on. Raises InputError."""
    try:
        signatures.make_key(replace=True)
    except signatures.KeyProblem as error:
        raise InputError(str(error)) from None


def signing_key_text() -> str:
    """Where the keys are, and the public half of the one that signs. Raises InputError."""
    check_signing_key()
    folder = signatures.keys_folder()
    return (
        f"Public key    {signatures.public_key(signatures.signing_key())}\n"
        f"Private key   {folder / signatures.PRIVATE_KEY} (stays on this machine)\n"
        f"Trusted here  {signatures.trusted_file()}, {len(signatures.trusted_keys())} in all\n"
        f"A machine that only serves needs that last file, in the same place or named by {signatures.TRUSTED}."
    )
