"""The signing key of bundles: the only place in `training` that touches `cryptography`."""

from __future__ import annotations

import shlex
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from recsys.errors import BundleError, OutputError
from recsys.files import replacing
from recsys.signature import MANIFEST_CONTEXT

_OWNER_ONLY: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class SigningKey:
    """Signs manifests. Cannot be pickled, and shows nothing when printed."""

    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "SigningKey(…)"

    def __reduce__(self) -> str:
        raise TypeError("a signing key does not leave its process")

    @property
    def public(self) -> Ed25519PublicKey:
        """What verifies its signatures."""
        return self._key.public_key()

    def sign(self, manifest: bytes) -> bytes:
        """The signature that `recsys.signature.verify` checks; the same bytes, the same signature."""
        return self._key.sign(MANIFEST_CONTEXT + manifest)


def public_half(path: Path) -> Path:
    """Where the public key of the signing key at `path` stands."""
    return path.with_name(f"{path.name}.pub")


def create_signing_key(path: Path) -> None:
    """Write a new private key to `path` (PEM, PKCS #8, mode 0600) and its public half beside it.

    Raises:
        OutputError: One of the two is there already, or cannot be written. Neither is then written.
    """
    for taken in (path, public_half(path)):
        if taken.exists():
            raise OutputError(
                "is there already", where=str(taken), mend="Name another file: a new key makes signed bundles untrusted"
            )
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with replacing(public_half(path)) as beside_public, replacing(path, mode=_OWNER_ONLY) as beside:
        beside_public.write_bytes(public)
        beside.write_bytes(private)


def read_signing_key(path: Path) -> SigningKey:
    """Read a key that `create_signing_key` wrote.

    Raises:
        BundleError: Missing, not such a key, or readable by anyone but its owner.
    """
    try:
        mode, key = path.stat().st_mode, load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise BundleError(
            f"the signing key cannot be read ({error.strerror})",
            where=str(path),
            mend="Make one with `recsys-train keys init --signing-key`",
        ) from None
    except (ValueError, TypeError):
        raise _not_a_key(path) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path)
    if mode & _OTHERS:
        raise BundleError(
            "the signing key can be read by others", where=str(path), mend=f"chmod 600 {shlex.quote(str(path))}"
        )
    return SigningKey(key)


def _not_a_key(path: Path) -> BundleError:
    return BundleError(
        "is not an Ed25519 private key in PEM without a passphrase",
        where=str(path),
        mend="Name the file that `recsys-train keys init` wrote, not the .pub beside it",
    )
