"""`redomain` and `epoch`: tokens in, tokens out, and `recipients`: who holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from pseudonymize import domains
from pseudonymize.commands.bypass import logged, passed_as_external
from pseudonymize.commands.options import Domain, Json, KekFile, VaultFolder, domain_name, opened
from pseudonymize.fields_check import load_fields
from pseudonymize.raw_map import raw_map
from pseudonymize.vault import DEFAULT_DOMAIN
from pseudonymize.vault_record import RecipientRecord, VaultRecord
from recsys.console import new_app, print_json, say
from recsys.errors import UsageError

recipients_app: Final = new_app("Who holds tokens of which domain, and so is sent orders and maps.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and hyphens.")]
_TokenFiles = Annotated[
    list[Path], typer.Argument(metavar="INPUT", help="Files with subject and basket tokens; raw ones with --fields.")
]


def redomain(
    file: Annotated[Path, typer.Argument(metavar="INPUT", help="A file with subject or basket tokens.")],
    vault: VaultFolder,
    source: Annotated[str, typer.Option("--from", help="The domain of its tokens.")],
    target: Annotated[str, typer.Option("--to", help="The domain that it is for.")],
    out: Annotated[Path, typer.Option("--out", help="The Parquet file to write.")],
    kek_file: KekFile = None,
) -> None:
    """Give a file tokens of another domain, which share nothing with anybody else's. It takes no identifier.

    Rows of people who were forgotten are left out, and counted. The domain's name becomes a recipient, unless
    `recipients add` named others. Nothing is generalised: unless INPUT is of a release that passed as external, it
    warns, and the key log says `ungated`. What a partner may have, `gate --release external --apply` makes.

    Example: `recsys-pseudonymize redomain --vault ~/vault --from rec --to ads --out ads.parquet purchases.parquet`
    """
    domain_name(source, option="--from")
    domain_name(target, option="--to")
    custodian = opened(vault, kek_file)
    action = logged("redomain", target, custodian, gated=passed_as_external(file))
    moved = domains.redomain(custodian, source, target, file, out, action=action)
    say(f"{out} holds {moved.rows:,} rows with tokens of {target!r}; {moved.suppressed:,} were suppressed.")


def epoch(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    inputs: _TokenFiles,
    vault: VaultFolder,
    out: Annotated[Path, typer.Option("--out", help="The map: a new Parquet file, mode 0600.")],
    domain: Domain = DEFAULT_DOMAIN,
    fields: Annotated[
        Path | None,
        typer.Option("--fields", help="A field policy: INPUT are raw files, as after `keys rotate --root`."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="The epoch that the map leads from, where that could be several.")
    ] = None,
    kek_file: KekFile = None,
) -> None:
    """Write the one-time map from an epoch's tokens to those of the newest one.

    `recsys-train rekey` and `recsys-serve rekey` apply it and destroy it; destroy every other copy too: whoever has it
    can link the two epochs. Then `keys retire` asks for their receipts.

    Example: `recsys-pseudonymize epoch --vault ~/vault --domain rec --out map.parquet release/purchases.parquet`
    """
    custodian = opened(vault, kek_file)
    domain_name(domain)
    if fields is None:
        count = domains.epoch_map(custodian, domain, inputs, out, source=source)
    else:
        count = raw_map(custodian, load_fields(fields), domain, inputs, out, source=source)
    holders = ", ".join(custodian.record.recipients_of(domain))
    say(f"{out} maps {count:,} tokens. Give a copy each to {holders}; applying it destroys theirs. Destroy this one.")


@recipients_app.command("add")
def add(name: _Name, vault: VaultFolder, domain: Domain = DEFAULT_DOMAIN, kek_file: KekFile = None) -> None:
    """Say that somebody holds tokens of a domain.

    Example: `recsys-pseudonymize recipients add --vault ~/vault --domain ads agency`
    """
    try:
        made = msgspec.convert({"name": name, "domain": domain_name(domain)}, RecipientRecord)
    except msgspec.ValidationError:
        mend = "Use up to 32 lower-case letters, digits and hyphens"
        raise UsageError("is not a recipient's name", where="NAME", mend=mend) from None

    def update(record: VaultRecord) -> VaultRecord:
        if name in {recipient.name for recipient in record.recipients}:
            raise UsageError("is there already", where="NAME", mend="A recipient holds tokens of one domain")
        return msgspec.structs.replace(record, recipients=(*record.recipients, made))

    opened(vault, kek_file).change("add recipient", update, domain=domain, recipient=name)
    say(f"{name} holds tokens of {domain!r}.")


@recipients_app.command("remove")
def remove(name: _Name, vault: VaultFolder, kek_file: KekFile = None) -> None:
    """Say that somebody holds no tokens any more.

    Example: `recsys-pseudonymize recipients remove --vault ~/vault agency`
    """

    def update(record: VaultRecord) -> VaultRecord:
        left = tuple(recipient for recipient in record.recipients if recipient.name != name)
        if left == record.recipients:
            raise UsageError("is no recipient", where="NAME", mend="See `recipients list`")
        return msgspec.structs.replace(record, recipients=left)

    opened(vault, kek_file).change("remove recipient", update, recipient=name)
    say(f"{name} is no recipient any more.")


@recipients_app.command("list")
def list_(vault: VaultFolder, kek_file: KekFile = None, json: Json = False) -> None:  # noqa: FBT002 - a flag of the command line
    """Show who holds tokens of which domain.

    Example: `recsys-pseudonymize recipients list --vault ~/vault`
    """
    recipients = opened(vault, kek_file).record.recipients
    for recipient in recipients:
        say(f"{recipient.domain}: {recipient.name}")
    if json:
        print_json(recipients)
