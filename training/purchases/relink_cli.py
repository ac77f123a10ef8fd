"""`recsys-train relink`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys.amounts import amount
from recsys.console import now, print_json, say, step, warn
from recsys.contracts.document import encode_document
from recsys.contracts.relink import read_order
from recsys.files import write_text
from training.purchases.relink import relink


def relink_command(
    order: Annotated[Path, typer.Argument(metavar="ORDER", help="The relink order that the custodian sent")],
    *,
    purchases: Annotated[Path, typer.Option(help="The folder of the dataset")],
    out: Annotated[Path | None, typer.Option(help="Where the receipt for the custodian goes")] = None,
    skip_earlier: Annotated[
        bool, typer.Option("--skip-earlier", help="Everything here was released after the orders before this one")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the receipt as one line of JSON")] = False,
) -> None:
    """Join the rows of people who turned out to be one, and part those of people who did not.

    All tables change at once, or none. Where it was interrupted, run it again: an order is obeyed once. Append what was
    released before the order first: later releases speak of the person alone.

    Example: `recsys-train relink training.parquet --purchases purchases --out receipt.json`
    """
    asked = read_order(order)
    with step("Relinking"):
        done = relink(asked, purchases, skip=skip_earlier, now=now())
    receipt = done.receipt
    for line in receipt.told(again=not done.new):
        say(line)
    if receipt.erased:
        left = amount(receipt.erased, "token of erased people was", "tokens of erased people were")
        warn(f"{left} joined to nobody: the custodian should forget that, too")
    if out is not None:
        write_text(out, encode_document(receipt).decode())
        say(f"Receipt: {out}")
    if json:
        print_json(receipt)
