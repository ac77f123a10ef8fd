"""The end of a rekeying, alike for every recipient: a receipt, the map destroyed, the receipt that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.rekey import RekeyReceipt
from recsys.errors import ContractError
from recsys.files import shred, write_text

_PARQUET: Final = b"PAR1"


def finish(receipt: RekeyReceipt, *, map_file: Path, out: Path) -> RekeyReceipt:
    """Write the receipt, destroy the map, write the receipt again with `destroyed`.

    Interrupted anywhere, `interrupted` finds at `out` what to go on with.
    """
    _write(receipt, out)
    if map_file.exists():
        shred(map_file)
    done = msgspec.structs.replace(receipt, destroyed=True)
    _write(done, out)
    return done


def interrupted(recipient: str, *, map_file: Path, out: Path) -> RekeyReceipt | None:
    """The receipt of a run that was interrupted after it began to destroy the map; None where there was none.

    Raises:
        ContractError: The map is gone, and no run was interrupted.
    """
    if map_file.is_file() and _begins(map_file) != bytes(len(_PARQUET)):
        return None
    receipt = _receipt(out)
    if receipt is None or receipt.recipient != recipient:
        raise ContractError("no such map", where=str(map_file), mend="A map is destroyed once it was applied")
    if receipt.destroyed:
        epochs = f"from epoch {receipt.from_epoch} to {receipt.to_epoch}"
        raise ContractError(
            f"no such map; {out} says that one {epochs} was applied and destroyed on {receipt.applied_at:%Y-%m-%d}",
            where=str(map_file),
            mend="There is nothing to do if that was this one",
        )
    return receipt


def _receipt(out: Path) -> RekeyReceipt | None:
    return decode_document(out.read_bytes(), RekeyReceipt, where=str(out)) if out.is_file() else None


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_PARQUET))


def _write(receipt: RekeyReceipt, out: Path) -> None:
    write_text(out, encode_document(receipt).decode())
