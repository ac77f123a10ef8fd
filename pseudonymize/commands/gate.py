"""`run` and `token`: identifiers in, tokens out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pseudonymize.commands.bypass import logged
from pseudonymize.commands.options import (
    Apply,
    Catalogue,
    Domain,
    FieldName,
    Fields,
    Json,
    KekFile,
    Page,
    RawInputs,
    VaultFolder,
    domain_name,
    gatekeeper,
    opened,
    page_of_refusal,
)
from pseudonymize.fields_check import load_fields
from pseudonymize.gate.never import Never, read_never
from pseudonymize.gate.papers import papers_of
from pseudonymize.gate.settings import ReleaseClass
from pseudonymize.gate.verdict import Verdict
from pseudonymize.report import grids
from pseudonymize.report_page import page
from pseudonymize.run import Run
from pseudonymize.standard_input import tokens_of
from pseudonymize.tokeniser import Tokeniser
from pseudonymize.vault import DEFAULT_DOMAIN
from recsys.console import print_json, say, screen, today, warn
from recsys.errors import UsageError
from recsys.files import write_text


def run(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    inputs: RawInputs,
    fields: Fields,
    vault: VaultFolder,
    out: Annotated[Path, typer.Option("--out", help="The release's folder: new, or empty.")],
    guards: Annotated[
        Path | None, typer.Option("--guards", help="The guards' policy, for what is never offered.")
    ] = None,
    catalogue: Catalogue = None,
    release: Annotated[
        ReleaseClass | None,
        typer.Option("--release", help="Whom it is for: the retailer's own, or a partner. [default: internal]"),
    ] = None,
    apply: Apply = False,  # noqa: FBT002 - a flag of the command line
    report: Page = None,
    domain: Domain = DEFAULT_DOMAIN,
    kek_file: KekFile = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Turn raw files into a release: purchases, subjects and evaluation sets, with tokens in place of people.

    Purchases in categories that --guards never offers are dropped here, and counted; so are the rows of people who
    were forgotten. Rows whose identifier cannot be read go to quarantine in the vault. The release gate looks at what
    would go out, and refuses it whole where a text gives somebody away or, of a release for a partner, histories do.
    `report.html` in the release says what became of everything; of one for a partner, OUT.report.html beside it. A
    partner's has a --domain of its own; without --release external nothing is judged as a partner's, and it says so.

    Example: `recsys-pseudonymize run --fields fields.toml --vault ~/vault --out release customers.csv receipts.parquet`
    """
    domain_name(domain)
    if guards is not None and catalogue is None:
        raise UsageError("speaks of a catalogue", where="--guards", mend="Give --catalogue, too")
    policy = load_fields(fields)
    never = read_never(guards, catalogue, warn=warn) if guards and catalogue else Never()
    custodian = opened(vault, kek_file)
    whom = release or ReleaseClass.INTERNAL
    keeper = gatekeeper(whom, policy, catalogue, custodian, apply=apply)
    keeper.check_domain(domain)
    action = logged("run", domain, custodian, gated=whom is ReleaseClass.EXTERNAL, asked=release is not None)
    tokeniser = Tokeniser(custodian, policy.fields, custodian.current(domain), action=action)
    with page_of_refusal(report, _print_verdict if json else None):
        done = Run(policy, tokeniser, never, today(), vault, keeper).write(inputs, out)
    for grid in grids(done):
        screen.print(grid)
    if done.quarantine_folder:
        warn(f"{sum(done.quarantine.values())} rows could not be read; they are in {done.quarantine_folder}")
    if report is not None:
        write_text(report, page(done.gate, done))
    say(f"{out} holds the release {done.release.fingerprint[:12]}; see {papers_of(out, whom).page}.")
    if json:
        print_json(done)


def _print_verdict(verdict: Verdict) -> None:
    print_json({"gate": verdict})


def token(
    vault: VaultFolder,
    fields: Fields,
    field: FieldName,
    domain: Domain = DEFAULT_DOMAIN,
    kek_file: KekFile = None,
) -> None:
    """Print the token of each identifier on standard input, one a line.

    Tokens of a partner's domain come by no gate: it warns, and the key log says so.

    Example: `recsys-pseudonymize token --vault ~/vault --fields fields.toml --field loyalty_card < cards.txt`
    """
    domain_name(domain)
    policy = load_fields(fields)
    custodian = opened(vault, kek_file)
    if domain != DEFAULT_DOMAIN and not custodian.record.epochs_of(domain):
        warn(f"{domain!r} is new: nobody has tokens of it yet, and orders will be written for it from now on.")
    action = logged("token", domain, custodian, gated=False)
    tokeniser = Tokeniser(custodian, policy.fields, custodian.current(domain), action=action)
    for line in tokens_of(sys.stdin.buffer, field, tokeniser):
        sys.stdout.write(f"{line}\n")
