"""Checking a signature with the public key alone: a receiver has no run.key."""


def signed_by(public_hex: str, text: str, signature: str) -> bool:
    """Whether `signature` is that Ed25519 key's signature of `text`, both in hex, lower case and nothing else.

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
