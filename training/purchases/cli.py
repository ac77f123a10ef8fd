"""The commands that change a purchases dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.amounts import amount
from recsys.console import now, print_json, say, step, today, warn
from recsys.contracts.dataset import dataset_in
from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.erasure import ErasureOrder
from recsys.contracts.recipient import TRAINING
from recsys.contracts.rekey import RekeyReceipt, read_map
from recsys.contracts.rekeying import finish, interrupted
from recsys.errors import ContractError
from recsys.files import write_text
from training.purchases.append import Appended, append
from training.purchases.forget import forget
from training.purchases.rekey import earlier_receipt, rekey

_Purchases = Annotated[Path, typer.Option(help="The folder of the dataset")]
_Out = Annotated[Path, typer.Option(help="Where the receipt for the custodian goes")]
_Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON for a program")]


def append_command(
    release: Annotated[Path, typer.Argument(metavar="RELEASE_DIR", help="What `recsys-pseudonymize run` wrote")],
    *,
    purchases: Annotated[Path, typer.Option(help="The folder of the dataset; made with its first release")],
    accept_epoch: Annotated[
        bool, typer.Option("--accept-epoch", help="Take a release of an epoch that is new to the dataset")
    ] = False,
    json: _Json = False,
) -> None:
    """Add a release to a dataset of purchases: once, and without the persons who were erased.

    Append releases in the order in which they were made: of a person who stands in several, the later consents hold.

    Example: `recsys-train append release --purchases purchases`
    """
    with step("Checking and appending"):
        done = append(release, purchases, accept_epoch=accept_epoch, today=today())
    rows = ", ".join(f"{count:,} {table}" for table, count in done.record.rows.items())
    if not done.new:
        say(f"It was there already, nothing was changed: {rows}")
    else:
        say(f"Appended {rows}")
        _doubts(done, release)
    if json:
        print_json(
            {
                "new": done.new,
                "rows": done.record.rows,
                "suppressed": done.record.suppressed,
                "fingerprint": done.fingerprint,
            }
        )


def forget_command(
    order: Annotated[Path, typer.Argument(metavar="ORDER", help="The order that the custodian sent")],
    *,
    purchases: _Purchases,
    models: Annotated[Path, typer.Option(help="Where bundles live: those that the person was part of are named")],
    out: _Out,
    json: _Json = False,
) -> None:
    """Erase a person from a dataset of purchases, and answer with a receipt. Told twice, it answers the same.

    Example: `recsys-train forget training.json --purchases purchases --models models --out receipt.json`
    """
    if not order.is_file():
        raise ContractError("no such file", where=str(order), mend="Name the order that the custodian sent")
    if not models.is_dir():  # a misspelt folder would make a receipt that names no bundle
        raise ContractError("no such folder", where=str(models), mend="Name the folder of all bundles")
    asked = decode_document(order.read_bytes(), ErasureOrder, where=str(order))
    with step("Erasing"):
        done = forget(asked, purchases, models, now=now())
    write_text(out, encode_document(done.receipt).decode())
    receipt = done.receipt
    rows = ", ".join(f"{count:,} {table}" for table, count in receipt.deleted.items() if count) or "no rows"
    say(f"Erased {rows}" if done.new else f"Obeyed already on {receipt.completed_at:%Y-%m-%d}: erased {rows}")
    for bundle in receipt.bundles:
        say(f"Learned from purchases of that person, among others: {bundle.name} {bundle.version}")
    if done.unknown:
        warn(f"Nobody can tell whether these were too: {', '.join(done.unknown)}")
    say(f"Receipt: {out}")
    if json:
        print_json(receipt)


def rekey_command(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="The one-time map that the custodian sent")],
    *,
    purchases: _Purchases,
    out: _Out,
    json: _Json = False,
) -> None:
    """Move a dataset to the tokens of a new epoch, destroy the map, and answer with a receipt.

    Either every token is replaced or nothing is changed. Where it was interrupted, run it again.

    Example: `recsys-train rekey map.parquet --purchases purchases --out receipt.json`
    """
    receipt = interrupted(TRAINING, map_file=map_file, out=out)
    if receipt is not None:
        _check_applied(receipt, purchases, out)
        say("Going on where it was interrupted: the map had been applied")
    else:
        with step("Rekeying"):
            done = rekey(read_map(map_file), purchases, now=now())
        receipt = done.receipt
        if not done.new:
            say(f"This map was applied already, on {receipt.applied_at:%Y-%m-%d}; nothing was changed but its file")
    finished = finish(receipt, map_file=map_file, out=out)
    replaced = ", ".join(f"{count:,} in {table}" for table, count in finished.replaced.items() if count) or "none"
    say(f"Tokens replaced: {replaced}. Epoch {finished.from_epoch} is {finished.to_epoch} now; the map is destroyed")
    say(f"Receipt: {out}")
    if json:
        print_json(finished)


def _doubts(done: Appended, release: Path) -> None:
    suppressed = ", ".join(f"{count:,} {table}" for table, count in done.record.suppressed.items())
    if suppressed:
        warn(f"Left out, as they are about erased persons: {suppressed}")
    if done.repeated_baskets:
        there = amount(done.repeated_baskets, "receipt was", "receipts were")
        warn(f"{there} there already: if releases overlap, their lines count twice")
    say(f"Delete {release} now: an erasure does not reach it")


def _check_applied(receipt: RekeyReceipt, purchases: Path, out: Path) -> None:
    dataset = dataset_in(purchases)
    if dataset is None or earlier_receipt(dataset, receipt.map_id) is None:
        raise ContractError(
            "is the receipt for a map that was not applied to this dataset",
            where=str(out),
            mend="Name another file, and the map that the custodian sent",
        )
