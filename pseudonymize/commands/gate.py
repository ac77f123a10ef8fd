"""`run` and `token`: identifiers in, tokens out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pseudonymize.commands.options import (
    Domain,
    FieldName,
    Fields,
    Json,
    KekFile,
    RawInputs,
    VaultFolder,
    domain_name,
    opened,
)
from pseudonymize.fields_check import load_fields
from pseudonymize.gate.never import Never, read_never
from pseudonymize.report import grids
from pseudonymize.run import REPORT_FILE, Run
from pseudonymize.standard_input import tokens_of
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import DEFAULT_DOMAIN
from recsys.console import print_json, say, screen, today, warn
from recsys.errors import UsageError


def run(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    inputs: RawInputs,
    fields: Fields,
    vault: VaultFolder,
    out: Annotated[Path, typer.Option("--out", help="The release's folder: new, or empty.")],
    guards: Annotated[
        Path | None, typer.Option("--guards", help="The guards' policy, for what is never offered.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", help="The catalogue that --guards speaks of.")
    ] = None,
    domain: Domain = DEFAULT_DOMAIN,
    kek_file: KekFile = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Turn raw files into a release: purchases, subjects and evaluation sets, with tokens in place of people.

    Purchases in categories that --guards never offers are dropped here, and counted; so are the rows of people who
    were forgotten. Rows whose identifier cannot be read go to quarantine in the vault. `report.html` in the release
    says what became of everything.

    Example: `recsys-pseudonymize run --fields fields.toml --vault ~/vault --out release customers.csv receipts.parquet`
    """
    domain_name(domain)
    if (guards is None) != (catalogue is None):
        raise UsageError("go together", where="--guards and --catalogue", mend="Give both, or neither")
    policy = load_fields(fields)
    never = read_never(guards, catalogue, warn=warn) if guards and catalogue else Never()
    custodian = opened(vault, kek_file)
    tokeniser = Tokeniser(custodian, policy.fields, custodian.current(domain), action="run")
    report = Run(policy, tokeniser, never, today(), vault).write(inputs, out)
    for grid in grids(report):
        screen.print(grid)
    if report.quarantine_folder:
        warn(f"{sum(report.quarantine.values())} rows could not be read; they are in {report.quarantine_folder}")
    say(f"{out} holds the release {report.release.fingerprint[:12]}; see {out / REPORT_FILE}.")
    if json:
        print_json(report)


def token(
    vault: VaultFolder,
    fields: Fields,
    field: FieldName,
    domain: Domain = DEFAULT_DOMAIN,
    kek_file: KekFile = None,
) -> None:
    """Print the token of each identifier on standard input, one a line.

    Example: `recsys-pseudonymize token --vault ~/vault --fields fields.toml --field loyalty_card < cards.txt`
    """
    domain_name(domain)
    policy = load_fields(fields)
    custodian = opened(vault, kek_file)
    tokeniser = Tokeniser(custodian, policy.fields, custodian.current(domain), action="token")
    for line in tokens_of(sys.stdin.buffer, field, tokeniser):
        sys.stdout.write(f"{line}\n")
