"""Signatures of registered models: the key of who trains, and the public keys that this machine trusts (Ed25519)."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from contract.names import MODEL

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEYS = "SEGMENTS_KEYS"  # in the environment: the folder of the keys
TRUSTED = (
    "SEGMENTS_TRUSTED_KEYS"  # in the environment: the file of the public keys, where it is not in that folder
)
PRIVATE_KEY, TRUSTED_KEYS = "signing-key.pem", "trusted-keys"


class KeyProblem(Exception):
    """The keys cannot be read or made. The message says where, and what to do."""


def keys_folder() -> Path:
    """Where the keys are: outside every project, so that who reads or copies a store has no key of it."""
    return Path(os.environ.get(KEYS) or Path.home() / ".config" / "segments")


def trusted_file() -> Path:
    """The file of the public keys that this machine trusts."""
    return Path(os.environ.get(TRUSTED) or keys_folder() / TRUSTED_KEYS)


def sign(digest: str, run: str) -> str:
    """The signature of a model: of the sha256 of its files, and of the run that logged it. Raises KeyProblem."""
    return _text(signing_key().sign(_message(digest, run)))


def is_signed(signature: str, digest: str, run: str) -> bool:
    """Whether a key that this machine trusts made the signature. Raises KeyProblem when the keys cannot be read."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in trusted_keys():
        try:
            Ed25519PublicKey.from_public_bytes(_bytes(key)).verify(_bytes(signature), _message(digest, run))
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def signing_key() -> Ed25519PrivateKey:
    """The key that signs here; the first call makes it, and lets this machine trust it. Raises KeyProblem."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    file = keys_folder() / PRIVATE_KEY
    try:
        if not file.exists():
            make_key(replace=False)
        key = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise _problem(file, error) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblem(f"{file} is no Ed25519 key. Expected one. `segments key --rotate` makes a new one.")
    return key


def make_key(*, replace: bool) -> None:
    """Make a key and trust it; versions that a key before it signed stay trusted. Raises KeyProblem.

    Without `replace`, a key that another process makes at the same moment is left as it is.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, folder = Ed25519PrivateKey.generate(), keys_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with trusted_file().open("a", encoding="ascii") as trusted:
            trusted.write(f"{public_key(key)}\n")
        handle, name = tempfile.mkstemp(dir=folder)  # only the user may read it
        with os.fdopen(handle, "wb") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        if replace or not (folder / PRIVATE_KEY).exists():
            Path(name).replace(folder / PRIVATE_KEY)
        else:
            Path(name).unlink()
    except OSError as error:
        raise _problem(folder, error) from error


def public_key(key: Ed25519PrivateKey) -> str:
    """A line of the file of trusted keys: the 32 bytes of the public half in base64."""
    return _text(key.public_key().public_bytes_raw())


def trusted_keys() -> list[str]:
    """The public keys that this machine trusts, one per line of their file. Raises KeyProblem."""
    file = trusted_file()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise _problem(file, error) from error
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def _message(digest: str, run: str) -> bytes:
    return f"{MODEL}\0{digest}\0{run}".encode()


def _problem(path: Path, error: Exception) -> KeyProblem:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
    return KeyProblem(
        f"The key that signs models cannot be used: {path}: {reason}. Expected a folder that only this user can "
        f"write. Make it so, or name another one with {KEYS}."
    )


def _text(given: bytes) -> str:
    return base64.b64encode(given).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
