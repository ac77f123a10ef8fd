"""`recsys-serve forget`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from recsys.console import now as this_instant
from recsys.console import print_json, say, step
from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.erasure import ErasureOrder
from recsys.contracts.recipient import SERVING
from recsys.errors import ContractError
from recsys.files import write_text
from serving.commands.options import Json, Receipt, State
from serving.orders import check_order
from serving.stores import open_store


def forget(
    order_file: Annotated[Path, typer.Argument(metavar="ORDER", help="The erasure order that the custodian sent.")],
    state: State,
    out: Receipt,
    vacuum: Annotated[bool, typer.Option("--vacuum", help="Rewrite the files too: takes as long as a copy.")] = False,  # noqa: FBT002 - a flag
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Erase a person, and answer with a receipt. Running servers know at once.

    What is deleted: history, consents, exposures, preferences, events, stored answers, and what the audit log says of
    them. What stays: a salted hash, so that late events and files do not bring them back while the epoch lasts, and in
    the audit log the numbers of the deleted records. The same order again gives the same receipt.

    Deleted rows are overwritten with zeros (SQLite) or left to vacuum (PostgreSQL); --vacuum leaves no byte of them in
    the tables' files. Backups and PostgreSQL's write-ahead log are out of reach: let them age out.

    Example: `recsys-serve forget order.json --state sqlite:///state.db --out receipt.json`
    """
    order = decode_document(order_file.read_bytes(), ErasureOrder, where=str(order_file))
    if order.recipient != SERVING:
        raise ContractError("is for another recipient", where=str(order_file), mend=f"This is {SERVING!r}")
    with contextlib.closing(open_store(state)) as store:
        check_order(order.subjects, store.lineages(), where="the order, $.subjects")
        with step("Erasing"):
            receipt = store.erase(order.subjects, order_id=order.order_id, now=this_instant())
        if vacuum:
            with step("Rewriting the files"):
                store.vacuum()
    write_text(out, encode_document(receipt).decode())
    rows = ", ".join(f"{count:,} in {table}" for table, count in receipt.deleted.items()) or "nothing was there"
    say(f"Deleted: {rows}. Receipt: {out}")
    if json:
        print_json(receipt)
