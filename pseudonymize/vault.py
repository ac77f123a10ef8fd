"""The vault: one folder of mode 0700 that holds all of the custodian's own state. For now that is the root secret.

`vault.json` holds the root secret wrapped by the key-encryption key; `pseudonymize.custody` says where that one is.
Every other key is derived when it is needed and is never stored.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from pseudonymize.custody import (
    KEY_FILE,
    PASSPHRASE_VARIABLE,
    Custody,
    CustodyRecord,
    KeyFile,
    KeyFileRecord,
    Passphrase,
    PassphraseRecord,
    read_private,
)
from pseudonymize.keys import BlockKey, Label, RootSecret, VaultError
from recsys.contracts.document import decode_document, encode_document
from recsys.errors import ContractError, OutputError, UsageError
from recsys.files import write_text

VAULT_FILE: Final = "vault.json"


class VaultRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`vault.json`."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^vault/1$")] = "vault/1"
    custody: CustodyRecord
    root: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})+$")]  # wrapped, in hexadecimal


class Vault:
    """An open vault. Keys come out as handles, each for one label."""

    def __init__(self, root: RootSecret) -> None:
        self._root = root

    def key(self, label: Label) -> BlockKey:
        """The key for `label`: the same label, the same key."""
        return self._root.derive(label)


def create_vault(path: Path, *, kek_file: Path | None, environ: Mapping[str, str]) -> None:
    """Make a vault with a new root secret, whole or not at all.

    Args:
        path: The folder to make; its key-encryption key stands in it unless something else is chosen.
        kek_file: A new key file in another place.
        environ: Where a passphrase may stand, in `RECSYS_KEK_PASSPHRASE`.

    Raises:
        VaultError: Something is there already.
        UsageError: Both a key file and a passphrase were given.
        OutputError: The place cannot be written.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise VaultError("exists already", where=str(path), mend="Name a new folder: a vault is never written over")
    if kek_file is not None and PASSPHRASE_VARIABLE in environ:
        raise UsageError("stands beside a passphrase", where="--kek-file", mend=f"Unset {PASSPHRASE_VARIABLE}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))  # mode 0700
            undo.callback(shutil.rmtree, beside, ignore_errors=True)
            if kek_file is not None and not kek_file.exists():
                undo.callback(kek_file.unlink, missing_ok=True)
            _fill(beside, kek_file, environ)
            beside.replace(path)
            undo.pop_all()
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", where=str(path), mend="Name a place that you may write to"
        ) from None


def open_vault(path: Path, *, kek_file: Path | None, environ: Mapping[str, str]) -> Vault:
    """Open a vault.

    Raises:
        VaultError: Missing, unreadable, damaged, open to others, or wrapped by another key.
    """
    _check_folder(path)
    file = path / VAULT_FILE
    raw = read_private(file, mend="Restore the vault from its copy")
    try:
        record = decode_document(raw, VaultRecord, where=str(file))
    except ContractError as error:
        raise VaultError(error.what, where=error.where, mend="Restore the vault from its copy") from None
    custody = _custody(record.custody, kek_file or path / KEY_FILE, environ)
    return Vault(custody.wrapping_key().unwrap(bytes.fromhex(record.root), where=str(file)))


def _fill(folder: Path, kek_file: Path | None, environ: Mapping[str, str]) -> None:
    record: CustodyRecord = KeyFileRecord()
    file = kek_file or folder / KEY_FILE
    if PASSPHRASE_VARIABLE in environ:
        record = PassphraseRecord(salt=secrets.token_hex(16))
    else:
        KeyFile(file).create()
    root = _custody(record, file, environ).wrapping_key().new_root()
    document = VaultRecord(custody=record, root=root.hex())
    write_text(folder / VAULT_FILE, encode_document(document).decode(), mode=0o600)


def _custody(record: CustodyRecord, key_file: Path, environ: Mapping[str, str]) -> Custody:
    return Passphrase(environ, record) if isinstance(record, PassphraseRecord) else KeyFile(key_file)


def _check_folder(path: Path) -> None:
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise VaultError(
            f"the vault cannot be read ({error.strerror})",
            where=str(path),
            mend="Name the folder that `recsys-pseudonymize keys init` made",
        ) from None
    if not path.is_dir() or not os.access(path, os.X_OK):
        raise VaultError("is not a folder that can be entered", where=str(path), mend="Name the vault's folder")
    if mode & 0o077:
        raise VaultError(
            f"has mode {mode:04o}: others can enter the vault",
            where=str(path),
            mend="Run `chmod 700` on it, find out who was in, and consider a new vault",
        )
