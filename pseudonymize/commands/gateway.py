"""`serve` and `callers …`: tokens over HTTP for calling systems, and who may ask for them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from pseudonymize.commands.bypass import logged
from pseudonymize.commands.options import Domain, Fields, Json, KekFile, VaultFolder, domain_name, opened
from pseudonymize.fields import nearest
from pseudonymize.fields_check import load_fields
from pseudonymize.gateway.callers import create_caller, read_callers, revoke_caller
from pseudonymize.gateway.deriving import Deriver
from pseudonymize.vault import DEFAULT_DOMAIN, Vault
from recsys.console import new_app, now, print_json, say, screen
from recsys.contracts.names import NAME_PATTERN, NAME_RULE
from recsys.errors import UsageError

_NewDomain = Annotated[bool, typer.Option("--new-domain", help="The domain may be one that was never used.")]

app: Final = new_app("Who may ask the token gateway: keys made here, kept as hashes in the vault.")


def serve(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    vault: VaultFolder,
    fields: Fields,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = 8010,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    tls_certificate: Annotated[
        Path | None, typer.Option(help="The certificate (PEM, with its chain), for HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, in PEM.")] = None,
    kek_file: KekFile = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Turn identifiers into tokens over HTTP, for systems that must not have a key, until told to stop.

    POST /v1/tokens, with a key from `callers create`; docs/gateway.md and /openapi.json say more. It follows the vault:
    who was forgotten has no token from the next request on. Of requests it keeps counts and nothing else.

    Example: `recsys-pseudonymize serve --vault ~/vault --fields fields.toml --port 8010`
    """
    policy = load_fields(fields)
    try:  # an extra of its own, and slow to load: no other command waits for it
        from pseudonymize.gateway.process import answer_requests  # noqa: PLC0415 - see the line above
        from web.terms import Terms  # noqa: PLC0415
        from web.tls import check_pair  # noqa: PLC0415
    except ModuleNotFoundError as error:
        mend = "Install the extra `gateway`"
        raise UsageError(f"needs the package {error.name}", where="serve", mend=mend) from None
    check_pair(tls_certificate, tls_key)
    deriver = Deriver(opened(vault, kek_file), policy.fields, now)
    terms = Terms(certificate=tls_certificate, key=tls_key)
    answer_requests(deriver, host, port, terms, lambda url: print_json({"url": url}) if json else typer.echo(url))


@app.command()
def create(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    vault: VaultFolder,
    fields: Fields,
    field: Annotated[list[str], typer.Option("--field", help="What it may ask for; repeat it.")],
    name: Annotated[str, typer.Option("--name", help="What you call it; letters, digits, . _ : -")] = "unnamed",
    domain: Domain = DEFAULT_DOMAIN,
    per_minute: Annotated[int, typer.Option("--per-minute", min=1, help="Values that it may ask for.")] = 6_000,
    new_domain: _NewDomain = False,  # noqa: FBT002 - a flag of the command line
    kek_file: KekFile = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Make a key and print it, this once: what is stored cannot be turned back into it.

    Whoever holds it can find out the token of any identifier they can guess: give each system its own, with no more
    values a minute than it needs. A --domain that no token was made of yet is a slip unless you say --new-domain.

    Example: `recsys-pseudonymize callers create --vault ~/vault --fields fields.toml --field loyalty_card --name till`
    """
    domain_name(domain)
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise UsageError("has an unfit value", where="--name", mend=f"Use {NAME_RULE}")
    policy = load_fields(fields)
    for one in field:
        if one not in policy.fields:
            mend = nearest(one, policy.fields, otherwise=f"The fields are: {', '.join(policy.fields)}")
            raise UsageError("is no field of this policy", where="--field", mend=mend)
    custodian = opened(vault, kek_file)
    if not new_domain:
        _check_known(domain, custodian)
    action = logged("new caller", domain, custodian, gated=False)
    key, made = create_caller(custodian, name, domain, field, per_minute, action=action)
    say(f"Key {made.key_id} ({name}): tokens of {domain} for {', '.join(made.fields)}. It is shown this once.")
    if json:
        print_json({"key_id": made.key_id, "name": name, "domain": domain, "fields": made.fields, "key": key})
    else:
        typer.echo(key)


@app.command("list")
def list_(vault: VaultFolder, kek_file: KekFile = None, json: Json = False) -> None:  # noqa: FBT002 - a flag of the command line
    """Show every key's id, name and rights; never the key.

    Example: `recsys-pseudonymize callers list --vault ~/vault`
    """
    rows = [
        {
            "key_id": one.key_id,
            "name": one.name,
            "domain": one.domain,
            "fields": ", ".join(one.fields),
            "per_minute": str(one.per_minute),
            "created": one.created.date().isoformat(),
            "revoked": one.revoked.date().isoformat() if one.revoked else "",
        }
        for one in read_callers(opened(vault, kek_file).path)
    ]
    grid = Grid("key_id", "name", "domain", "fields", "per_minute", "created", "revoked", box=SIMPLE_HEAD)
    for row in rows:
        grid.add_row(*row.values())
    screen.print(grid)
    if json:
        print_json(rows)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The part of the key after rk1., as list shows it.")],
    vault: VaultFolder,
    kek_file: KekFile = None,
) -> None:
    """End a key. A running gateway refuses it from its next request on.

    Example: `recsys-pseudonymize callers revoke 3f9c0a1b2c4d --vault ~/vault`
    """
    revoke_caller(opened(vault, kek_file), key_id)
    say("Revoked.")


def _check_known(domain: str, custodian: Vault) -> None:
    known = {DEFAULT_DOMAIN, *(epoch.domain for epoch in custodian.record.epochs)}
    if domain not in known:
        otherwise = f"Those in use are: {', '.join(sorted(known))}; --new-domain makes another"
        raise UsageError("is in use by nobody", where="--domain", mend=nearest(domain, known, otherwise=otherwise))
