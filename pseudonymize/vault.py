"""The vault: one folder of mode 0700 that holds all of the custodian's own state.

`vault.json` holds the secrets, wrapped by the key-encryption key (`pseudonymize.custody` says where that one is), and
who is given tokens; `keylog.jsonl` every use of a key; `suppressed.parquet` the forgotten; `links.parquet` which
identifiers are one person's; `quarantine/` what could not be read. Keys are derived when they are needed and are never
stored.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from pseudonymize.cmac import self_test
from pseudonymize.custody import (
    KEK_VARIABLE,
    KEY_FILE,
    PASSPHRASE_VARIABLE,
    Custody,
    CustodyRecord,
    EnvironmentRecord,
    EnvironmentVariable,
    KeyFile,
    KeyFileRecord,
    Passphrase,
    PassphraseRecord,
)
from pseudonymize.key_log import KeyLog, Seal
from pseudonymize.keys import BlockKey, Label, Purpose, RootSecret, VaultError, WrappingKey
from pseudonymize.vault_lock import locked
from pseudonymize.vault_record import (
    VAULT_FILE,
    EpochRecord,
    RecipientRecord,
    RootRecord,
    Status,
    VaultRecord,
    read_record,
    write_record,
)
from recsys.contracts.recipient import OWN_DOMAIN, SERVING, TRAINING
from recsys.contracts.token import Lineage
from recsys.errors import UsageError
from recsys.files import new_folder

FIRST: Final = "01"  # epoch and generation
DEFAULT_DOMAIN: Final = OWN_DOMAIN  # the product's own stages

_LOG_LABEL: Final = Label(purpose=Purpose.LOG, epoch=FIRST)


class Vault:
    """An open vault. Keys come out as handles, each for one label, and each use stands in the log first."""

    def __init__(self, path: Path, wrapping: WrappingKey, now: dt.datetime) -> None:
        self.path = path
        self.now = now
        self.record = read_record(path)
        self._wrapping = wrapping
        self._log = KeyLog(path, self._secret(self.record.master).derive(_LOG_LABEL))

    def take(self, action: str, *labels: Label) -> list[BlockKey]:
        """The keys for `labels`, after the use was logged: the same label, the same key.

        Raises:
            VaultError: A key was destroyed, or the log cannot be written.
        """
        with locked(self.path):
            self.record = read_record(self.path)
            keys = [self._source(label).derive(label) for label in labels]
            self._log.append(self.now, [{"action": action} | label.named() for label in labels])
        return keys

    def change(self, action: str, update: Callable[[VaultRecord], VaultRecord], **said: str) -> VaultRecord:
        """Replace the record by what `update` makes of the newest one, logged, while nobody else can."""
        with locked(self.path):
            changed = update(read_record(self.path))
            self._log.append(self.now, [{"action": action} | said])
            write_record(self.path, changed)
            self.record = changed
        return changed

    def refresh(self, now: dt.datetime) -> None:
        """Read the record again, for a process that lives long."""
        self.record, self.now = read_record(self.path), now

    def new_secret(self) -> str:
        """A new secret, wrapped, in hexadecimal."""
        return self._wrapping.new_root().hex()

    def current(self, domain: str) -> EpochRecord:
        """The epoch in which `domain` is given new tokens. A domain's first use makes its first epoch."""
        if not self.record.epochs_of(domain):
            self.change("new domain", lambda record: self._with_domain(record, domain), domain=domain)
        live = self.record.epochs_of(domain, status=Status.LIVE)
        if not live:
            raise VaultError(f"domain {domain!r} has no live epoch", where="the vault", mend="Rotate its key")
        return live[-1]

    def verify(self) -> Seal:
        """Unwrap every secret and follow the whole log, or raise `VaultError`."""
        with locked(self.path):
            self.record = read_record(self.path)
            roots, epochs = self.record.roots, self.record.epochs
            for wrapped in [*(root.wrapped for root in roots), *(epoch.wrapped for epoch in epochs)]:
                if wrapped is not None:
                    self._secret(wrapped)
            return self._log.verify()

    def _with_domain(self, record: VaultRecord, domain: str) -> VaultRecord:
        if record.epochs_of(domain):
            return record  # another run was first
        return with_epoch(record, Lineage(domain, FIRST), self.new_secret(), self.now)

    def _source(self, label: Label) -> RootSecret:
        match label.purpose:
            case Purpose.ROOT_TOKEN:
                wrapped = self.record.root(label.epoch).wrapped
            case Purpose.DOMAIN_TOKEN:
                wrapped = self.record.epoch(Lineage(label.domain, label.epoch)).wrapped
            case _:
                wrapped = self.record.master
        if wrapped is None:
            name = ".".join(part for part in (label.domain, label.epoch) if part)
            raise VaultError(f"the key of {name} was destroyed", where="the vault", mend="It cannot be made again")
        return self._secret(wrapped)

    def _secret(self, wrapped: str) -> RootSecret:
        return self._wrapping.unwrap(bytes.fromhex(wrapped), where=str(self.path / VAULT_FILE))


def with_epoch(record: VaultRecord, lineage: Lineage, wrapped: str, now: dt.datetime) -> VaultRecord:
    """`record` with one more epoch, on the newest roots. A domain without recipients gets one of its own name.

    Raises:
        VaultError: Somebody of that name holds tokens of another domain: the one's orders would replace the other's.
    """
    epoch = EpochRecord(
        domain=lineage.domain,
        epoch=lineage.epoch,
        generation=record.roots[-1].generation,
        wrapped=wrapped,
        made_at=now,
    )
    recipients = record.recipients
    if not record.recipients_of(lineage.domain):
        names = (SERVING, TRAINING) if lineage.domain == DEFAULT_DOMAIN else (lineage.domain,)
        taken = {recipient.name for recipient in recipients} & set(names)
        if taken:
            raise VaultError(
                f"the new domain {lineage.domain!r} has no recipient, and {min(taken)} is another domain's",
                where="the vault",
                mend="Name its recipient first: `recipients add`",
            )
        recipients += tuple(RecipientRecord(name=name, domain=lineage.domain) for name in names)
    return msgspec.structs.replace(record, epochs=(*record.epochs, epoch), recipients=recipients)


def create_vault(path: Path, *, kek_file: Path | None, environ: Mapping[str, str], now: dt.datetime) -> None:
    """Make a vault with new secrets, whole or not at all.

    Args:
        path: The folder to make; its key-encryption key stands in it unless something else is chosen.
        kek_file: A new key file in another place.
        environ: Where a passphrase may stand, in `RECSYS_KEK_PASSPHRASE`, or a key, in `RECSYS_KEK`.
        now: When.

    Raises:
        VaultError: Something is there already.
        UsageError: More than one source of the key-encryption key was given.
        OutputError: The place cannot be written.
    """
    self_test()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise VaultError("exists already", where=str(path), mend="Name a new folder: a vault is never written over")
    named = [name for name in (PASSPHRASE_VARIABLE, KEK_VARIABLE) if name in environ]
    if len(named) + (kek_file is not None) > 1:
        where = "--kek-file" if kek_file is not None else PASSPHRASE_VARIABLE
        raise UsageError("stands beside another key-encryption key", where=where, mend=f"Unset {named[-1]}")
    with contextlib.ExitStack() as undo:
        if kek_file is not None and not kek_file.exists():
            undo.callback(kek_file.unlink, missing_ok=True)
        with new_folder(path, mode=0o700) as beside:
            _fill(beside, kek_file, environ, now)
        undo.pop_all()


def open_vault(path: Path, *, kek_file: Path | None, environ: Mapping[str, str], now: dt.datetime) -> Vault:
    """Open a vault.

    Raises:
        VaultError: Missing, unreadable, damaged, open to others, or wrapped by another key.
        RecsysError: The cipher fails its published vectors; no command goes on from here.
    """
    self_test()
    _check_folder(path)
    custody = _custody(read_record(path).custody, kek_file or path / KEY_FILE, environ)
    return Vault(path, custody.wrapping_key(), now)


def _fill(folder: Path, kek_file: Path | None, environ: Mapping[str, str], now: dt.datetime) -> None:
    custody: CustodyRecord = KeyFileRecord()
    file = kek_file or folder / KEY_FILE
    if PASSPHRASE_VARIABLE in environ:
        custody = PassphraseRecord(salt=secrets.token_hex(16))
    elif KEK_VARIABLE in environ:
        custody = EnvironmentRecord()
    else:
        KeyFile(file).create()
    wrapping = _custody(custody, file, environ).wrapping_key()
    master = wrapping.new_root()
    root = RootRecord(generation=FIRST, wrapped=wrapping.new_root().hex(), made_at=now)
    record = VaultRecord(custody=custody, master=master.hex(), roots=(root,))
    write_record(folder, with_epoch(record, Lineage(DEFAULT_DOMAIN, FIRST), wrapping.new_root().hex(), now))
    log = KeyLog(folder, wrapping.unwrap(master, where=VAULT_FILE).derive(_LOG_LABEL))
    log.begin()
    log.append(now, [{"action": "init"}])


def _custody(record: CustodyRecord, key_file: Path, environ: Mapping[str, str]) -> Custody:
    match record:
        case PassphraseRecord():
            return Passphrase(environ, record)
        case EnvironmentRecord():
            return EnvironmentVariable(environ)
        case KeyFileRecord():
            return KeyFile(key_file)


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
