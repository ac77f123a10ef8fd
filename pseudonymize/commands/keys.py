"""`keys …`: the vault, and the lives of the keys in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from pseudonymize import rotation
from pseudonymize.commands.options import Domain, Json, KekFile, VaultFolder, domain_name, opened
from pseudonymize.vault import DEFAULT_DOMAIN, create_vault
from recsys.console import new_app, now, print_json, say, screen
from recsys.contracts.token import Lineage

app: Final = new_app("The vault and the keys in it.")


@app.command("init")
def init(vault: VaultFolder, kek_file: KekFile = None) -> None:
    """Make a vault with new secrets.

    Its key-encryption key comes from the passphrase in the environment variable RECSYS_KEK_PASSPHRASE, or is the 64
    hexadecimal digits in RECSYS_KEK; else it is written to --kek-file; else to the file `kek` in the vault, which
    protects against other users of this machine but not against a copy of the whole folder.

    Example: `recsys-pseudonymize keys init --vault ~/vault`
    """
    create_vault(vault, kek_file=kek_file, environ=os.environ, now=now())
    say(f"{vault} holds a new root secret. Keep a copy of it offline: without it no token can be made again.")


@app.command("list")
def list_(vault: VaultFolder, kek_file: KekFile = None, json: Json = False) -> None:  # noqa: FBT002 - a flag of the command line
    """Show the epochs of every domain, the field roots that they stand on, and who holds their tokens.

    Example: `recsys-pseudonymize keys list --vault ~/vault`
    """
    record = opened(vault, kek_file).record
    rows = [
        {
            "domain": epoch.domain,
            "epoch": epoch.epoch,
            "root": epoch.generation,
            "status": str(epoch.status),
            "made": epoch.made_at.date().isoformat(),
            "recipients": ", ".join(record.recipients_of(epoch.domain)),
        }
        for epoch in sorted(record.epochs, key=lambda epoch: epoch.lineage)
    ]
    grid = Grid(*rows[0], box=SIMPLE_HEAD)
    for row in rows:
        grid.add_row(*row.values())
    screen.print(grid)
    if json:
        print_json(rows)


@app.command("rotate")
def rotate(
    vault: VaultFolder,
    domain: Domain = DEFAULT_DOMAIN,
    root: Annotated[bool, typer.Option("--root", help="A new field root, and a new epoch of every domain.")] = False,  # noqa: FBT002 - a flag of the command line
    kek_file: KekFile = None,
) -> None:
    """Begin a new epoch. The one before stays readable until it is retired.

    From one epoch to the next, `epoch` makes a map out of tokens alone. After --root it takes the raw files.

    Example: `recsys-pseudonymize keys rotate --vault ~/vault --domain rec`
    """
    custodian = opened(vault, kek_file)
    if root:
        made = rotation.rotate_root(custodian)
        say(f"Field root {made.generation}: every domain has a new epoch on it.")
    else:
        say(f"New tokens are of {rotation.rotate(custodian, domain_name(domain)).lineage} from now on.")


@app.command("retire")
def retire(
    vault: VaultFolder,
    epoch: Annotated[str, typer.Option("--epoch", help="The epoch's two digits.")],
    domain: Domain = DEFAULT_DOMAIN,
    receipt: Annotated[list[Path] | None, typer.Option("--receipt", help="What `rekey` answered; repeat it.")] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="More receipts.")] = None,
    kek_file: KekFile = None,
) -> None:
    """Make no more tokens of an epoch. Refused until every recipient of the domain has answered for its map.

    Example: `recsys-pseudonymize keys retire --vault ~/vault --domain rec --epoch 01 --receipt a.json b.json`
    """
    lineage = Lineage(domain_name(domain), epoch)
    rotation.retire(opened(vault, kek_file), lineage, [*(receipt or []), *(more or [])])
    say(f"{lineage} is retired. `keys destroy` makes it unreadable for good.")


@app.command("destroy")
def destroy(
    vault: VaultFolder,
    domain: Annotated[str | None, typer.Option("--domain", help="Of this domain only.")] = None,
    epoch: Annotated[str | None, typer.Option("--epoch", help="This epoch only.")] = None,
    kek_file: KekFile = None,
) -> None:
    """Destroy the keys of retired epochs: nobody can make or undo their tokens again. Destroy copies of the vault too.

    Example: `recsys-pseudonymize keys destroy --vault ~/vault`
    """
    destroyed = rotation.destroy(opened(vault, kek_file), domain, epoch)
    say(f"Destroyed: {', '.join(destroyed)}.")


@app.command("verify")
def verify(vault: VaultFolder, kek_file: KekFile = None, json: Json = False) -> None:  # noqa: FBT002 - a flag of the command line
    """Check the cipher, unwrap every key, and follow the log of key uses from its first line to its seal.

    Example: `recsys-pseudonymize keys verify --vault ~/vault`
    """
    seal = opened(vault, kek_file).verify()
    say(f"All keys unwrap; {seal.entries} uses are logged. Keep this elsewhere: {seal.entries} {seal.head}")
    if json:
        print_json({"entries": seal.entries, "head": seal.head})
