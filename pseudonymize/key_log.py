"""The log of every key use: one JSON line each, chained by SHA-256, its head sealed under a key of the vault.

Changing, removing or reordering a line breaks the chain; cutting lines off the end, or computing the whole chain anew,
breaks the seal, which only somebody with the vault's keys can make. Putting back an older log together with its older
seal goes unnoticed from within: keep what `keys verify` prints elsewhere to notice it.

A line is written and sealed before the key is used. Bytes after the sealed end are of a run that was cut short before
it used anything; the next one writes over them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
import polars as pl

from pseudonymize.cmac import cmac
from pseudonymize.custody import read_private
from pseudonymize.keys import BlockKey, VaultError
from recsys.contracts.document import decode_document, encode_document
from recsys.errors import ContractError, OutputError
from recsys.files import write_text

LOG_FILE: Final = "keylog.jsonl"
SEAL_FILE: Final = "keylog.seal"
_BEGINNING: Final = "0" * 64
_MEND: Final = "Find out who wrote to the vault, and restore the log from its copy"

_Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The log's end: how many entries and bytes it has, the last one's hash, and AES-CMAC over those."""

    entries: _Count = 0
    size: _Count = 0
    head: _Hash = _BEGINNING
    mac: str = ""

    def under(self, key: BlockKey) -> Seal:
        """This seal with its code."""
        text = f"{self.entries} {self.size} {self.head}".encode()
        mac = cmac(key, pl.Series([text], dtype=pl.Binary)).tobytes().hex()
        return msgspec.structs.replace(self, mac=mac)


@dataclass(frozen=True, slots=True)
class KeyLog:
    """The log in a vault's folder; `append` wants the vault's lock to be held."""

    folder: Path
    key: BlockKey

    def begin(self) -> None:
        """Write the log of a new vault, without entries."""
        write_text(self.folder / LOG_FILE, "", mode=0o600)
        self._write(Seal())

    def append(self, at: dt.datetime, entries: Iterable[Mapping[str, str]]) -> None:
        """Add entries and seal them; when this returns they are on disk."""
        seal = self._sealed()
        lines, head, count = b"", seal.head, seal.entries
        for entry in entries:
            count += 1
            line = json.dumps({"n": count, "at": at.isoformat(), **entry, "previous": head}, sort_keys=True).encode()
            head = hashlib.sha256(line).hexdigest()
            lines += line + b"\n"
        self._extend(seal.size, lines)
        self._write(Seal(entries=count, size=seal.size + len(lines), head=head))

    def verify(self) -> Seal:
        """The seal of a log whose every line is as it was written.

        Raises:
            VaultError: It is not; the first line that is wrong is named.
        """
        seal = self._sealed()
        raw = read_private(self.folder / LOG_FILE, mend=_MEND)[: seal.size]
        head, lines = _BEGINNING, raw.splitlines()
        for number, line in enumerate(lines, start=1):
            if _link(line) != (number, head):
                raise self._broken(f"line {number} does not follow the one before it")
            head = hashlib.sha256(line).hexdigest()
        if (len(lines), len(raw), head) != (seal.entries, seal.size, seal.head):
            raise self._broken(f"its {len(lines)} lines are not the {seal.entries} that were sealed")
        return seal

    def _extend(self, size: int, lines: bytes) -> None:
        file = self.folder / LOG_FILE
        try:
            with file.open("r+b") as log:
                log.truncate(size)
                log.seek(size)
                log.write(lines)
                log.flush()
                os.fsync(log.fileno())
        except OSError as error:
            what = f"the key log cannot be written ({error.strerror})"
            raise OutputError(what, where=str(file), mend="Free some space: no key is used without an entry") from None

    def _sealed(self) -> Seal:
        file = self.folder / SEAL_FILE
        try:
            seal = decode_document(read_private(file, mend=_MEND), Seal, where=str(file))
        except ContractError:
            raise self._broken("its seal is damaged") from None
        if seal.under(self.key).mac != seal.mac:
            raise self._broken("its seal was not made with the vault's key")
        return seal

    def _write(self, seal: Seal) -> None:
        write_text(self.folder / SEAL_FILE, encode_document(seal.under(self.key)).decode(), mode=0o600)

    def _broken(self, why: str) -> VaultError:
        return VaultError(f"the key log was tampered with: {why}", where=str(self.folder / LOG_FILE), mend=_MEND)


def _link(line: bytes) -> tuple[object, object]:
    """Which entry a line says it is, and the hash of the one before it."""
    try:
        said = json.loads(line)
    except ValueError:
        return None, None
    return (said.get("n"), said.get("previous")) if isinstance(said, dict) else (None, None)
