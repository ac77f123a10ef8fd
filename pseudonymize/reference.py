"""The construction, one value at a time, with nothing clever: what `cmac` and `tokens` are held against in the tests.

It takes keys as bytes, which the rest of the package never does, and no command imports it.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.cmac import CMAC

from recsys.contracts.token import Lineage


def root_token(field_key: bytes, canonical: str) -> bytes:
    """AES-CMAC (RFC 4493) of the canonical value."""
    return cmac_of(field_key, canonical.encode())


def cmac_of(key: bytes, value: bytes) -> bytes:
    """AES-CMAC of any bytes."""
    mac = CMAC(AES(key))
    mac.update(value)
    return mac.finalize()


def domain_token(domain_key: bytes, root: bytes) -> bytes:
    """One AES block."""
    return Cipher(AES(domain_key), ECB()).encryptor().update(root)  # noqa: S305 - one block, as the construction says


def written_token(token: bytes, lineage: Lineage) -> str:
    """The written form: RFC 4648 base32, lower case, without padding."""
    return f"{lineage.prefix}{base64.b32encode(token).decode().rstrip('=').lower()}"
