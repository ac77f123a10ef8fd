"""`vault.json`: which keys there are, wrapped, and who is given tokens."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec

from pseudonymize.custody import CustodyRecord, read_private
from pseudonymize.keys import VaultError
from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.recipient import OWN_DOMAIN, SERVING, TRAINING, Recipient
from recsys.contracts.rekey import MapHeader
from recsys.contracts.token import DOMAIN_PATTERN, EPOCH_PATTERN, Lineage
from recsys.errors import ContractError
from recsys.files import write_text

VAULT_FILE: Final = "vault.json"
_RESTORE: Final = "Restore the vault from its copy"

_Wrapped = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})+$")]  # hexadecimal
_Domain = Annotated[str, msgspec.Meta(pattern=f"^{DOMAIN_PATTERN}$")]
_Number = Annotated[str, msgspec.Meta(pattern=f"^{EPOCH_PATTERN}$")]


class Status(StrEnum):
    """The life of a key: new tokens while it is live, none once retired, nothing at all once destroyed."""

    LIVE = "live"
    RETIRED = "retired"
    DESTROYED = "destroyed"


class RootRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A generation of the secret that the keys of all fields are derived from. `wrapped` is gone once destroyed."""

    generation: _Number
    wrapped: _Wrapped | None
    made_at: dt.datetime


class EpochRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The secret of one epoch of one domain, and the generation of roots that its tokens stand on."""

    domain: _Domain
    epoch: _Number
    generation: _Number
    status: Status = Status.LIVE
    wrapped: _Wrapped | None
    made_at: dt.datetime

    @property
    def lineage(self) -> Lineage:
        """What stands in its tokens."""
        return Lineage(self.domain, self.epoch)


class RecipientRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who holds tokens of a domain, and so is sent orders and maps."""

    name: Recipient
    domain: _Domain


class VaultRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`vault.json`. `master` is the root of the keys for the key log and the suppression list."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^vault/1$")] = "vault/1"
    custody: CustodyRecord
    master: _Wrapped
    roots: Annotated[tuple[RootRecord, ...], msgspec.Meta(min_length=1)]
    epochs: tuple[EpochRecord, ...] = ()
    recipients: tuple[RecipientRecord, ...] = ()
    maps: tuple[MapHeader, ...] = ()  # those that were issued

    def epochs_of(self, domain: str, *, status: Status | None = None) -> list[EpochRecord]:
        """The epochs of a domain, oldest first."""
        return [epoch for epoch in self.epochs if epoch.domain == domain and status in {None, epoch.status}]

    def epoch(self, lineage: Lineage) -> EpochRecord:
        """One epoch, or `VaultError`."""
        found = [epoch for epoch in self.epochs if epoch.lineage == lineage]
        if not found:
            raise VaultError(
                f"there is no epoch {lineage}", where="the vault", mend="See `recsys-pseudonymize keys list`"
            )
        return found[0]

    def root(self, generation: str) -> RootRecord:
        """One generation of roots, or `VaultError`."""
        found = [root for root in self.roots if root.generation == generation]
        if not found:
            raise VaultError("a generation of roots is missing", where=VAULT_FILE, mend=_RESTORE)
        return found[0]

    def recipients_of(self, domain: str) -> list[str]:
        """Who holds tokens of a domain, in order of their names."""
        return sorted(recipient.name for recipient in self.recipients if recipient.domain == domain)

    @property
    def own_domains(self) -> frozenset[str]:
        """The domains of the retailer's own training and serving: no partner is given a token of these."""
        stages = {recipient.domain for recipient in self.recipients if recipient.name in {TRAINING, SERVING}}
        return frozenset(stages | {OWN_DOMAIN})


def read_record(folder: Path) -> VaultRecord:
    """Read `vault.json`.

    Raises:
        VaultError: Missing, unreadable, damaged or open to others.
    """
    file = folder / VAULT_FILE
    try:
        return decode_document(read_private(file, mend=_RESTORE), VaultRecord, where=str(file))
    except ContractError as error:
        raise VaultError(error.what, where=error.where, mend=_RESTORE) from None


def write_record(folder: Path, record: VaultRecord) -> None:
    """Replace `vault.json`, whole or not at all."""
    write_text(folder / VAULT_FILE, encode_document(record).decode(), mode=0o600)
