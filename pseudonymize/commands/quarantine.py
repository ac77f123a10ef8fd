"""`quarantine`: the rows that nobody could read, and for how long they have waited."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from pseudonymize.commands.options import Json, KekFile, VaultFolder, opened
from pseudonymize.quarantine_search import drop_older, kept
from recsys.console import print_json, say, screen, today


def quarantine(
    vault: VaultFolder,
    drop_older_than: Annotated[
        int | None, typer.Option("--drop-older-than", min=0, help="Drop what has been there for more days than this.")
    ] = None,
    kek_file: KekFile = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Show what waits in quarantine, a line for each run, and drop what has waited too long.

    These rows are raw, and `forget` finds a person in them only where the identifier can be read. So mend them soon,
    and drop them on a schedule. What is unfinished belongs to a run that is under way, or was cut short.

    Example: `recsys-pseudonymize quarantine --vault ~/vault --drop-older-than 30`
    """
    folder = opened(vault, kek_file).path
    if drop_older_than is not None:
        gone = drop_older(folder, today() - dt.timedelta(days=drop_older_than))
        say(f"Dropped: {sum(one.rows for one in gone)} rows of {len(gone)} runs.")
    left = kept(folder)
    grid = Grid("folder", "day", box=SIMPLE_HEAD)
    grid.add_column("rows", justify="right")
    for one in left:
        grid.add_row(one.folder, one.day.isoformat(), f"{one.rows:,}" if one.finished else "unfinished")
    screen.print(grid)
    if json:
        print_json(left)
