"""Who holds the key-encryption key: a file, a passphrase in somebody's head, or whoever starts the process.

A key service can join here: anything that is a `Custody`.

Custody is chosen when a vault is made and recorded in it. The default, a key file inside the vault, keeps the root
secret out of reach of other users of the machine and of whoever finds a copy of `vault.json` alone; it does not help
against a copy of the whole folder. For that, keep the key file elsewhere, or use a passphrase.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from pseudonymize.keys import KEY_BYTES, VaultError, WrappingKey
from recsys.errors import UsageError
from recsys.files import write_text

PASSPHRASE_VARIABLE: Final = "RECSYS_KEK_PASSPHRASE"  # noqa: S105 - where it stands, not what it is
KEK_VARIABLE: Final = "RECSYS_KEK"  # 64 hexadecimal digits, put there by a secret manager
KEY_FILE: Final = "kek"  # inside the vault, unless another is named

_SHORTEST_PASSPHRASE: Final = 12


class KeyFileRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="file", tag_field="kind"):
    """The key-encryption key stands in a file."""


class PassphraseRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="passphrase", tag_field="kind"):
    """The key-encryption key is scrypt (RFC 7914) of a passphrase. The costs are those OWASP asks for: 128 MB, r 8."""

    salt: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
    n: Annotated[int, msgspec.Meta(ge=2**14, le=2**20)] = 2**17
    r: Annotated[int, msgspec.Meta(ge=8, le=16)] = 8
    p: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1


class EnvironmentRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="environment", tag_field="kind"):
    """The key-encryption key stands in an environment variable."""


CustodyRecord = KeyFileRecord | PassphraseRecord | EnvironmentRecord


class Custody(Protocol):
    """Anything that can produce a vault's key-encryption key."""

    def wrapping_key(self) -> WrappingKey:
        """The key, or `VaultError`."""
        ...


class KeyFile:
    """A file of mode 0600 that holds the key in hexadecimal."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        """Write a new key; a file that is there already is somebody's key and stays."""
        if self._path.exists():
            raise VaultError("exists already", where=str(self._path), mend="Name a new file for the new key")
        write_text(self._path, secrets.token_hex(KEY_BYTES) + "\n", mode=0o600)

    def wrapping_key(self) -> WrappingKey:
        """The key in the file."""
        text = read_private(self._path, mend="Restore the key file, or name it with --kek-file")
        return _wrapping_key(text.decode("ascii", errors="replace"), str(self._path))


class EnvironmentVariable:
    """A key in hexadecimal from the environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def wrapping_key(self) -> WrappingKey:
        """The key in the variable."""
        if KEK_VARIABLE not in self._environ:
            mend = "Put the vault's key-encryption key into this environment variable"
            raise UsageError("is not set", where=KEK_VARIABLE, mend=mend)
        return _wrapping_key(self._environ[KEK_VARIABLE], KEK_VARIABLE)


class Passphrase:
    """A passphrase from the environment, never from the command line."""

    def __init__(self, environ: Mapping[str, str], record: PassphraseRecord) -> None:
        self._environ = environ
        self._record = record

    def wrapping_key(self) -> WrappingKey:
        """The key that the passphrase gives."""
        passphrase = self._environ.get(PASSPHRASE_VARIABLE, "")
        if len(passphrase) < _SHORTEST_PASSPHRASE:
            raise UsageError(
                f"holds fewer than {_SHORTEST_PASSPHRASE} characters" if passphrase else "is not set",
                where=PASSPHRASE_VARIABLE,
                mend="Put the vault's passphrase into this environment variable",
            )
        record = self._record
        scrypt = Scrypt(salt=bytes.fromhex(record.salt), length=KEY_BYTES, n=record.n, r=record.r, p=record.p)
        return WrappingKey(scrypt.derive(passphrase.encode()))


def _wrapping_key(text: str, where: str) -> WrappingKey:
    try:
        material = bytes.fromhex(text.strip())
    except ValueError:
        material = b""
    if len(material) != KEY_BYTES:
        what = "is not a key-encryption key: expected 64 hexadecimal digits"
        raise VaultError(what, where=where, mend="Restore it from its copy")
    return WrappingKey(material)


def read_private(path: Path, *, mend: str) -> bytes:
    """Read a file that nobody else may read.

    Raises:
        VaultError: Missing, unreadable, or open to group or others.
    """
    try:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise VaultError(
                f"has mode {mode:04o}: others can read it",
                where=str(path),
                mend="Run `chmod 600` on it, find out who read it, and consider a new vault",
            )
        return path.read_bytes()
    except OSError as error:
        raise VaultError(f"cannot be read ({error.strerror})", where=str(path), mend=mend) from None
