"""`recsys-serve relink`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from recsys.amounts import amount
from recsys.console import now as this_instant
from recsys.console import print_json, say, step, warn
from recsys.contracts.document import encode_document
from recsys.contracts.relink import read_order
from recsys.files import write_text
from serving.commands.options import Json, State
from serving.stores import open_store


def relink(
    order: Annotated[Path, typer.Argument(metavar="ORDER", help="The relink order that the custodian sent.")],
    state: State,
    out: Annotated[Path | None, typer.Option("--out", help="Where the receipt for the custodian goes.")] = None,
    skip_earlier: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--skip-earlier", help="Everything here was released after the orders before this one.")
    ] = False,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Join people who turned out to be one, and part people who did not. Running servers know at once.

    Joined: histories and exposures add up, every dismissal stands, the stricter consent wins, the older arm stays.
    Parted: what was shown or refused counts for all; consents and histories begin anew, with what receipts tell apart,
    and with the next load. An order is obeyed once; where it was interrupted, run it again.

    Example: `recsys-serve relink serving.parquet --state sqlite:///state.db --out receipt.json`
    """
    asked = read_order(order)
    with contextlib.closing(open_store(state)) as store:
        earlier = store.relinked(asked.header.order_id)
        with step("Relinking"):
            receipt = earlier or store.relink(asked, skip=skip_earlier, now=this_instant())
    for line in receipt.told(again=earlier is not None):
        say(line)
    if receipt.erased:
        left = amount(receipt.erased, "token of erased people was", "tokens of erased people were")
        warn(f"{left} joined to nobody: the custodian should forget that, too")
    if out is not None:
        write_text(out, encode_document(receipt).decode())
        say(f"Receipt: {out}")
    if json:
        print_json(receipt)
