"""Checking a signature with the public key alone: a receiver has no run.key."""


def signed_by(public_hex: str, text: str, signature: str) -> bool:
    """Whether `signature` (hex, lower case and nothing else) is that Ed25519 key's signature of `text`.

    False, never an error, for a key or signature that is none.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        given = bytes.fromhex(signature)
        if given.hex() != signature:
            return False
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_hex)).verify(given, text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
