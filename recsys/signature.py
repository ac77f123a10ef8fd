"""The only place in the core that touches `cryptography`: verifying a signature with a public key."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from recsys.errors import BundleError, IntegrityError

PublicKey = Ed25519PublicKey
MANIFEST_CONTEXT: Final = b"recsys bundle manifest v1\x00"  # a signature for this purpose serves no other


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read the PEM file of an Ed25519 public key that the caller has reason to trust."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise BundleError(
            f"the trusted key cannot be read ({error.strerror})",
            where=str(path),
            mend="Name the .pub file that `recsys-train keys init` wrote",
        ) from None
    except ValueError:
        raise BundleError(
            "is not a public key in PEM", where=str(path), mend="Name the .pub file, not the signing key"
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError("is not an Ed25519 key", where=str(path), mend="Name the right .pub file")
    return key


def verify(key: Ed25519PublicKey, signature: bytes, manifest: bytes, *, where: str) -> None:
    """Return when `signature` over `manifest` was made with the private half of `key`.

    Raises:
        IntegrityError: It was not.
    """
    try:
        key.verify(signature, MANIFEST_CONTEXT + manifest)
    except InvalidSignature:
        raise IntegrityError(
            "the signature is not the trusted key's: the manifest was changed, or somebody else signed it",
            where=where,
            mend="Do not use this bundle; get it again, or trust the key of whoever signed it",
        ) from None
