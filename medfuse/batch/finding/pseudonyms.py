"""Names of studies that tell nothing without a key.

A name is the HMAC-SHA-256 of the identity under a key that the user keeps in a file: the same patient
gets the same name in every run with that key, and nobody without it can go through a list of
patient numbers to find whose name it is, as is possible with a plain hash.
"""

from __future__ import annotations

import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path

from ...errors import ReadError, WriteError
from ...io.records import read_text

__all__ = ["Pseudonyms"]

_BYTES = 32


class Pseudonyms:
    """Makes names with one key.

    Parameters
    ----------
    key:
        At least 32 bytes.
    """

    def __init__(self, key: bytes):
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> Pseudonyms:
        """Read the key, or make a new one that only its owner can read.

        Raises
        ------
        ReadError, WriteError
            If the file holds no key, or cannot be read or made.
        """
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(_read(path))
        except OSError as error:
            raise WriteError(f"cannot make the key file {path}: {error.strerror}") from error
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
        return cls(_read(path))

    def name(self, *parts: str, digits: int = 10) -> str:
        """Hexadecimal digits for an identity of one or more parts."""
        text = "\x1f".join(parts).encode(errors="surrogateescape")  # a name of a file may be any bytes
        return hmac.new(self._key, text, sha256).hexdigest()[:digits]


def _read(path: Path) -> bytes:
    try:
        key = bytes.fromhex(read_text(path, "key file").strip())
    except ValueError as error:
        raise ReadError(
            f"cannot read the key file {path}: expected {2 * _BYTES} hexadecimal digits"
        ) from error
    if len(key) < _BYTES:
        raise ReadError(f"the key in {path} has {len(key)} bytes: expected {_BYTES} or more")
    return key
