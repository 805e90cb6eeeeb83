"""The run's Ed25519 key (RFC 8032), kept in one file of mode 0600."""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vibeserve.core.errors import InfrastructureFailed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class RunKey:
    """Signs and verifies short texts. The key is read from disk on first use."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def create(cls, path: Path) -> "RunKey":
        """Make a new key; the file must not exist yet."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw())
        return cls(path)

    @cached_property
    def _private(self) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        try:
            return Ed25519PrivateKey.from_private_bytes(self._path.read_bytes())
        except (OSError, ValueError) as error:
            raise InfrastructureFailed(
                f"The run's key {self._path.name} cannot be read: {error}.",
                "Run as the user who created the run. Without its key a run can only be looked at.",
            ) from error

    @cached_property
    def public_hex(self) -> str:
        """The public key, 32 bytes in hex."""
        return self._private.public_key().public_bytes_raw().hex()

    def sign(self, text: str) -> str:
        """The signature of a text, in hex."""
        return self._private.sign(text.encode()).hex()

    def verify(self, text: str, signature: str) -> bool:
        """Whether `signature` is this key's signature of `text`."""
        return signed_by(self.public_hex, text, signature)


def signed_by(public_hex: str, text: str, signature: str) -> bool:
    """Whether `signature` is that public key's signature of `text`, both in hex, lower case and nothing else.

    False, never an error, for a key or signature that is none.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key, given = bytes.fromhex(public_hex), bytes.fromhex(signature)
        if (key.hex(), given.hex()) != (public_hex, signature):
            return False
        Ed25519PublicKey.from_public_bytes(key).verify(given, text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
