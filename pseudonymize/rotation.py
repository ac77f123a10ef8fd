"""The lives of keys: a new epoch, a retired one, a destroyed one. Every step is one change of the vault, and logged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from pseudonymize.keys import VaultError
from pseudonymize.suppression import read_list
from pseudonymize.vault import Vault, with_epoch
from pseudonymize.vault_record import EpochRecord, RootRecord, Status, VaultRecord
from recsys.contracts.document import decode_document
from recsys.contracts.rekey import RekeyReceipt
from recsys.contracts.token import Lineage
from recsys.errors import ContractError, UsageError

_LAST: Final = 99  # an epoch has two digits


def rotate(vault: Vault, domain: str) -> EpochRecord:
    """A new epoch of a domain, on the same field root: `epoch` makes the map to it without any identifier.

    Raises:
        VaultError: There is no such domain: its name may be misspelt.
    """

    def update(record: VaultRecord) -> VaultRecord:
        if not record.epochs_of(domain):
            what = f"there is no domain {domain!r}"
            raise VaultError(what, where="the vault", mend="See `recsys-pseudonymize keys list`")
        return with_epoch(record, _next(record, domain), vault.new_secret(), vault.now)

    return vault.change("rotate", update, domain=domain).epochs_of(domain)[-1]


def rotate_root(vault: Vault) -> RootRecord:
    """A new field root, and with it a new epoch of every domain: going there takes the raw identifiers once more."""

    def update(record: VaultRecord) -> VaultRecord:
        number = _number(len(record.roots) + 1)
        root = RootRecord(generation=number, wrapped=vault.new_secret(), made_at=vault.now)
        record = msgspec.structs.replace(record, roots=(*record.roots, root))
        for domain in sorted({epoch.domain for epoch in record.epochs}):
            record = with_epoch(record, _next(record, domain), vault.new_secret(), vault.now)
        return record

    return vault.change("rotate root", update).roots[-1]


def retire(vault: Vault, lineage: Lineage, receipts: Iterable[Path]) -> None:
    """No more tokens of an epoch, once each of the domain's recipients has answered that it holds none.

    Raises:
        VaultError: It is the domain's newest epoch, is not live, or data of it is still in use.
        ContractError: A file that is no receipt.
    """
    given = [_receipt(path) for path in receipts]

    def update(record: VaultRecord) -> VaultRecord:
        _check_may_retire(record, lineage, given)
        return _with_status(record, lineage, Status.RETIRED)

    vault.change("retire", update, domain=lineage.domain, epoch=lineage.epoch)


def destroy(vault: Vault, domain: str | None, epoch: str | None) -> list[str]:
    """Destroy the keys of retired epochs, of all or of one, and field roots that nothing stands on any more.

    Returns what was destroyed. Without its key nobody can make, or undo, a token of that epoch.

    Raises:
        VaultError: There is nothing to destroy.
    """
    destroyed: list[str] = []

    def update(record: VaultRecord) -> VaultRecord:
        chosen = [
            found.lineage
            for found in record.epochs
            if found.status is Status.RETIRED and domain in {None, found.domain} and epoch in {None, found.epoch}
        ]
        for lineage in chosen:
            record = _with_status(record, lineage, Status.DESTROYED)
        roots = _unused_roots(record, vault)
        destroyed.extend([*map(str, chosen), *(f"field root {generation}" for generation in roots)])
        if not destroyed:
            mend = "Retire an epoch first, with the receipts of those who held its tokens"
            raise VaultError("no retired epoch is there to destroy", where="the vault", mend=mend)
        kept = [
            msgspec.structs.replace(root, wrapped=None) if root.generation in roots else root for root in record.roots
        ]
        return msgspec.structs.replace(record, roots=tuple(kept))

    vault.change("destroy", update)
    return destroyed


def _unused_roots(record: VaultRecord, vault: Vault) -> list[str]:
    """Roots whose epochs are all destroyed, and by which nobody on the suppression list would be recognised."""
    alive = {epoch.generation for epoch in record.epochs if epoch.status is not Status.DESTROYED}
    needed = {kind.generation for kind in read_list(vault.path).kinds()}
    older = [root for root in record.roots[:-1] if root.wrapped is not None]
    return [root.generation for root in older if root.generation not in alive | needed]


def _check_may_retire(record: VaultRecord, lineage: Lineage, given: list[RekeyReceipt]) -> None:
    epoch, where = record.epoch(lineage), str(lineage)
    if epoch.status is not Status.LIVE:
        raise VaultError(f"is {epoch.status} already", where=where, mend="See `recsys-pseudonymize keys list`")
    if record.epochs_of(lineage.domain, status=Status.LIVE)[-1] == epoch:
        raise VaultError("is the domain's newest epoch", where=where, mend="Rotate first")
    issued = {header.map_id for header in record.maps if header.source == lineage}
    answered = {
        receipt.recipient
        for receipt in given
        if receipt.map_id in issued and (receipt.domain, receipt.from_epoch) == (lineage.domain, lineage.epoch)
    }
    missing = [name for name in record.recipients_of(lineage.domain) if name not in answered]
    if missing:
        what = f"data of it may be in use: no receipt of {', '.join(missing)} for a map that was issued here"
        raise VaultError(what, where=where, mend="Give the receipts of all recipients with --receipt")
    for receipt in given:
        left = sum(receipt.unmapped.values())
        if receipt.map_id in issued and (left or not receipt.destroyed):
            why = (
                f"{receipt.recipient} still holds {left} of its tokens" if left else f"{receipt.recipient} kept the map"
            )
            mend = "Issue a map that names them all, and see that it is destroyed where it is applied"
            raise VaultError(why, where=where, mend=mend)


def _with_status(record: VaultRecord, lineage: Lineage, status: Status) -> VaultRecord:
    changed = [
        msgspec.structs.replace(epoch, status=status, wrapped=None if status is Status.DESTROYED else epoch.wrapped)
        if epoch.lineage == lineage
        else epoch
        for epoch in record.epochs
    ]
    return msgspec.structs.replace(record, epochs=tuple(changed))


def _next(record: VaultRecord, domain: str) -> Lineage:
    return Lineage(domain, _number(len(record.epochs_of(domain)) + 1))


def _number(number: int) -> str:
    if number > _LAST:
        raise VaultError("there is no epoch after 99", where="the vault", mend="Make a new domain")
    return f"{number:02}"


def _receipt(path: Path) -> RekeyReceipt:
    try:
        return decode_document(path.read_bytes(), RekeyReceipt, where=str(path))
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(path), mend="Name a receipt") from None
    except ContractError as error:
        raise ContractError(error.what, where=error.where, mend="Name a file that `rekey` wrote") from None
