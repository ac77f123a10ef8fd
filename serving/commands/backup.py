"""`recsys-serve backup` and `recsys-serve forget-again`: a copy of the state, and what a restored one must not know."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Annotated

import typer

from recsys.console import now as this_instant
from recsys.console import print_json, say, step
from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.erasure import ErasedTokens
from recsys.files import write_text
from serving.commands.options import Json, Receipt, State
from serving.stores import open_store


def backup(state: State, out: Annotated[Path, typer.Option("--out", help="Where the copy goes.")]) -> None:
    """Copy a SQLite state of one moment, while servers go on. It holds tokens: keep it as safe as the state.

    Example: `recsys-serve backup --state sqlite:///state.db --out backup.db`
    """
    with contextlib.closing(open_store(state)) as store, step("Copying"):
        store.backup(out)
    say(f"{out} is a copy; restored, it takes `recsys-serve forget-again` before anybody is served from it.")


def forget_again(
    erased: Annotated[Path, typer.Argument(metavar="ERASED", help="What `recsys-serve export erased` wrote.")],
    state: State,
    out: Receipt,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Erase from a restored backup whoever was erased since it was made.

    Example: `recsys-serve forget-again erased.json --state sqlite:///state.db --out receipt.json`
    """
    raw = erased.read_bytes()
    tombstones = decode_document(raw, ErasedTokens, where=str(erased))
    order_id = hashlib.sha256(raw).hexdigest()[:32]  # the same file again is the same order
    with contextlib.closing(open_store(state)) as store, step("Erasing"):
        receipt = store.erase_again(tombstones, order_id=order_id, now=this_instant())
    write_text(out, encode_document(receipt).decode())
    say(f"Nobody of the {len(tombstones.erased):,} erased tokens is in the state. Receipt: {out}")
    if json:
        print_json(receipt)
