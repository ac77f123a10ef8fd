"""Handles to keys: a key can be used, and not seen.

No handle can be printed, pickled, copied or compared, and none gives its bytes away; so a key cannot slip into a log,
an exception or another process by accident. Each kind does one thing only, so that a key made for one purpose cannot
be used for another. Python hides nothing from code in its own process: this guards against mistakes, not attackers.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, NoReturn

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)
from numpy.typing import NDArray

from recsys.errors import RecsysError

KEY_BYTES: Final = 32  # AES-256

_PIECE: Final = 1 << 20  # bytes
_ROOM: Final = 15  # bytes that `update_into` asks for beyond what it writes


class VaultError(RecsysError):
    """A vault, or a key in it, that cannot be used."""


class Purpose(StrEnum):
    """What keys are for."""

    ROOT_TOKEN = "root token"  # noqa: S105 - a purpose, not a password
    DOMAIN_TOKEN = "domain token"  # noqa: S105 - as above
    SUPPRESSION = "suppression"
    LINKS = "links"
    LOG = "key log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a key is for. Two labels that differ anywhere give unrelated keys.

    `epoch` is the epoch of a domain, or the generation of a field's root.
    """

    purpose: Purpose
    field: str = ""
    domain: str = ""
    epoch: str
    canonical: str = ""  # name and version of the canonical form

    def encoded(self) -> bytes:
        """The parts in order, each after its length in four bytes: no two labels encode alike."""
        parts = [getattr(self, field.name).encode() for field in fields(self)]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    def named(self) -> dict[str, str]:
        """The parts that say something, by their names; for the key log."""
        return {field.name: str(part) for field in fields(self) if (part := getattr(self, field.name))}


class _Handle:
    __slots__ = ("_material",)
    __hash__ = None  # type: ignore[assignment]  # a key is not to be found in a set either

    def __init__(self, material: bytes) -> None:
        self._material = material

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, not shown>"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("keys are not compared")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("keys are neither pickled nor copied")


class BlockKey(_Handle):
    """A key that encrypts single AES blocks, and undoes it."""

    __slots__ = ()

    def encrypt_blocks(self, blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Encrypt each row of an (n, 2) array, sixteen bytes, on its own."""
        return _blockwise(self._cipher().encryptor(), blocks)

    def decrypt_blocks(self, blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """What `encrypt_blocks` made these rows from."""
        return _blockwise(self._cipher().decryptor(), blocks)

    def _cipher(self) -> Cipher[ECB]:
        # Electronic code book is the single-block permutation that CMAC and the domain tokens are defined by.
        return Cipher(AES(self._material), ECB())  # noqa: S305 - see the line above


class RootSecret(_Handle):
    """The secret that every other key is derived from."""

    __slots__ = ()

    def derive(self, label: Label) -> BlockKey:
        """The key for `label`, by HKDF-SHA256 (RFC 5869)."""
        derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label.encoded())
        return BlockKey(derivation.derive(self._material))


class WrappingKey(_Handle):
    """A key-encryption key: it wraps the root secret at rest by AES-KWP (RFC 5649)."""

    __slots__ = ()

    def new_root(self) -> bytes:
        """A new root secret, wrapped; `unwrap` gives the handle."""
        return aes_key_wrap_with_padding(self._material, secrets.token_bytes(KEY_BYTES))

    def unwrap(self, wrapped: bytes, *, where: str) -> RootSecret:
        """The root secret in `wrapped`, or `VaultError` where a byte was changed or the key is another."""
        try:
            material = aes_key_unwrap_with_padding(self._material, wrapped)
        except (InvalidUnwrap, ValueError):
            material = b""
        if len(material) != KEY_BYTES:
            raise VaultError(
                "the root secret cannot be unwrapped: the vault is damaged, or the key-encryption key is not its own",
                where=where,
                mend="Give the key file or passphrase that it was made with, or restore the vault from its copy",
            )
        return RootSecret(material)


def _blockwise(cipher: CipherContext, blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    given = np.ascontiguousarray(blocks).view(np.uint8).reshape(-1)
    made = np.empty(given.nbytes + _ROOM, np.uint8)
    for start in range(0, given.nbytes, _PIECE):  # pieces that stay in the cache: six times as fast as all at once
        piece = given[start : start + _PIECE]
        cipher.update_into(piece.data, made[start : start + piece.nbytes + _ROOM].data)
    return made[: given.nbytes].view(np.uint64).reshape(-1, 2)
