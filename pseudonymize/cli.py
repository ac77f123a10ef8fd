"""The commands of `recsys-pseudonymize`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from pseudonymize.fields_check import load_fields
from pseudonymize.gate.never import Never, read_never
from pseudonymize.report import grids
from pseudonymize.run import Run
from pseudonymize.standard_input import tokens_of
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.tokens import DEFAULT_DOMAIN, FIRST_EPOCH
from pseudonymize.vault import create_vault, open_vault
from recsys.console import new_app, print_json, say, screen, today, warn
from recsys.contracts.token import DOMAIN_PATTERN, Lineage
from recsys.errors import UsageError

app: Final = new_app(
    "The identity gate: raw files in, tables of tokens out. Run it where the keys are, and nowhere else."
)
keys_app: Final = new_app("The vault and the keys in it.")
app.add_typer(keys_app, name="keys")

_Vault = Annotated[Path, typer.Option("--vault", help="The custodian's folder, made by `keys init`.")]
_Fields = Annotated[Path, typer.Option("--fields", help="The field policy: what becomes of each column.")]
_Domain = Annotated[str, typer.Option("--domain", help="Who may link the tokens with each other.")]
_KekFile = Annotated[
    Path | None, typer.Option("--kek-file", help="The key-encryption key, where it is not in the vault.")
]


@keys_app.command("init")
def keys_init(vault: _Vault, kek_file: _KekFile = None) -> None:
    """Make a vault with a new root secret.

    Its key-encryption key comes from the passphrase in the environment variable RECSYS_KEK_PASSPHRASE; else it is
    written to --kek-file; else to the file `kek` in the vault, which protects against other users of this machine but
    not against a copy of the whole folder.

    Example: `recsys-pseudonymize keys init --vault ~/vault`
    """
    create_vault(vault, kek_file=kek_file, environ=os.environ)
    say(f"{vault} holds a new root secret. Keep a copy of it offline: without it no token can be made again.")


@app.command()
def run(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT", help="Raw files: .csv or .parquet.")],
    fields: _Fields,
    vault: _Vault,
    out: Annotated[Path, typer.Option("--out", help="The release's folder: new, or empty.")],
    guards: Annotated[
        Path | None, typer.Option("--guards", help="The guards' policy, for what is never offered.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", help="The catalogue that --guards speaks of.")
    ] = None,
    domain: _Domain = DEFAULT_DOMAIN,
    kek_file: _KekFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as one line of JSON.")] = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Turn raw files into a release: purchases, subjects and evaluation sets, with tokens in place of people.

    Purchases in categories that --guards never offers are dropped here, and counted.

    Example: `recsys-pseudonymize run --fields fields.toml --vault ~/vault --out release customers.csv receipts.parquet`
    """
    lineage = _lineage(domain)
    if (guards is None) != (catalogue is None):
        raise UsageError("go together", where="--guards and --catalogue", mend="Give both, or neither")
    policy = load_fields(fields)
    never = read_never(guards, catalogue, warn=warn) if guards and catalogue else Never()
    opened = open_vault(vault, kek_file=kek_file, environ=os.environ)
    tokeniser = Tokeniser(opened, policy.fields, lineage)
    report = Run(policy, tokeniser, never, today()).write(inputs, out)
    for grid in grids(report):
        screen.print(grid)
    say(f"{out} holds the release {report.release.fingerprint[:12]}.")
    if json:
        print_json(report)


@app.command()
def token(
    vault: _Vault,
    fields: _Fields,
    field: Annotated[str, typer.Option("--field", help="The kind of identifier, as the field policy names it.")],
    domain: _Domain = DEFAULT_DOMAIN,
    kek_file: _KekFile = None,
) -> None:
    """Print the token of each identifier on standard input, one a line.

    Example: `recsys-pseudonymize token --vault ~/vault --fields fields.toml --field loyalty_card < cards.txt`
    """
    lineage = _lineage(domain)
    policy = load_fields(fields)
    opened = open_vault(vault, kek_file=kek_file, environ=os.environ)
    tokeniser = Tokeniser(opened, policy.fields, lineage)
    for line in tokens_of(sys.stdin.buffer, field, tokeniser):
        sys.stdout.write(f"{line}\n")


def _lineage(domain: str) -> Lineage:
    if not re.fullmatch(DOMAIN_PATTERN, domain):
        raise UsageError(
            "is not a domain's name", where="--domain", mend="Use up to 16 lower-case letters, digits and hyphens"
        )
    return Lineage(domain, FIRST_EPOCH)
