"""`recsys-serve keys`: who may ask for what."""

from __future__ import annotations

import contextlib
import re
from typing import Annotated, Final

import typer
from rich.table import Table

from recsys.console import new_app, print_json, say, screen
from recsys.console import now as this_instant
from recsys.contracts.names import NAME_PATTERN, NAME_RULE
from recsys.errors import UsageError
from serving.commands.options import Json, State
from serving.keys import SCOPES, new_key
from serving.stores import open_store

app: Final = new_app("""API keys: made here, kept as hashes in the state, sent as `Authorization: Bearer rk1.…`.""")


@app.command()
def create(
    state: State,
    scope: Annotated[str, typer.Option("--scope", help=f"What it may do, with commas: {', '.join(SCOPES)}.")],
    name: Annotated[str, typer.Option("--name", help="What you call it; letters, digits, . _ : -")] = "unnamed",
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Make a key and print it, this once: what is stored cannot be turned back into it.

    Example: `recsys-serve keys create --state sqlite:///state.db --scope decide,events --name checkout`
    """
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise UsageError("has an unfit value", where="--name", mend=f"Use {NAME_RULE}")
    key, stored = new_key(name, [part.strip() for part in scope.split(",") if part.strip()], now=this_instant())
    with contextlib.closing(open_store(state)) as store:
        store.keys.add(stored)
    say(f"Key {stored.key_id} ({name}) may: {', '.join(sorted(stored.scopes))}. It is shown this once.")
    if json:
        print_json({"key_id": stored.key_id, "name": name, "scopes": sorted(stored.scopes), "key": key})
    else:
        typer.echo(key)


@app.command("list")
def list_keys(
    state: State,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Show every key's id, name, scopes and dates; never the key.

    Example: `recsys-serve keys list --state sqlite:///state.db`
    """
    with contextlib.closing(open_store(state)) as store:
        keys = store.keys.all()
    table = Table("key_id", "name", "scopes", "created", "revoked")
    for key in keys:
        ended = f"{key.revoked:%Y-%m-%d}" if key.revoked else ""
        table.add_row(key.key_id, key.name, ", ".join(sorted(key.scopes)), f"{key.created:%Y-%m-%d}", ended)
    screen.print(table)
    if json:
        shown = [
            {
                "key_id": key.key_id,
                "name": key.name,
                "scopes": sorted(key.scopes),
                "created": key.created,
                "revoked": key.revoked,
            }
            for key in keys
        ]
        print_json(shown)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The part of the key after rk1., as list shows it.")],
    state: State,
) -> None:
    """End a key. Every running server refuses it from its next request on.

    Example: `recsys-serve keys revoke 3f9c0a1b2c4d --state sqlite:///state.db`
    """
    with contextlib.closing(open_store(state)) as store:
        if not store.keys.revoke(key_id, now=this_instant()):
            raise UsageError("is no key that holds", where="KEY_ID", mend="See recsys-serve keys list")
    say("Revoked.")
