"""`recsys-serve rekey`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from recsys.console import now as this_instant
from recsys.console import print_json, say, step
from recsys.contracts.recipient import SERVING
from recsys.contracts.rekey import RekeyReceipt, read_map
from recsys.contracts.rekeying import finish, interrupted
from recsys.errors import ContractError
from serving.commands.options import Json, Receipt, State
from serving.stores import Store, open_store


def rekey(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="The one-time map that the custodian sent.")],
    state: State,
    out: Receipt,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Move the state to the tokens of a new epoch, destroy the map, and answer with a receipt.

    Histories, preferences, exposures, arms, events and the audit log go with the person. Either every token is replaced
    or nothing is changed. Where it was interrupted, run it again. Running servers take up the new epoch by themselves.

    Example: `recsys-serve rekey map.parquet --state sqlite:///state.db --out receipt.json`
    """
    with contextlib.closing(open_store(state)) as store:
        receipt = _applied(store, map_file, out)
    finished = finish(receipt, map_file=map_file, out=out)
    replaced = ", ".join(f"{count:,} in {table}" for table, count in finished.replaced.items())
    say(f"Tokens replaced: {replaced}. Epoch {finished.from_epoch} is {finished.to_epoch} now; the map is destroyed.")
    say(f"Receipt: {out}")
    if json:
        print_json(finished)


def _applied(store: Store, map_file: Path, out: Path) -> RekeyReceipt:
    """The receipt of the map, which is applied unless it was before."""
    pending = interrupted(SERVING, map_file=map_file, out=out)
    if pending is not None:
        if store.rekeyed(pending.map_id) is None:
            raise ContractError(
                "is the receipt for a map that was not applied to this state",
                where=str(out),
                mend="Name another file, and the map that the custodian sent",
            )
        say("Going on where it was interrupted: the map had been applied.")
        return pending
    applied = read_map(map_file)
    earlier = store.rekeyed(applied.header.map_id)
    if earlier is not None:
        say(f"This map was applied already, on {earlier.applied_at:%Y-%m-%d}; nothing was changed but its file.")
        return earlier
    with step("Rekeying"):
        return store.rekey(applied, now=this_instant())
