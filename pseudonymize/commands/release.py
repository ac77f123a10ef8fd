"""`gate`: a release that is there, judged again, or made into one for a partner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pseudonymize.commands.options import (
    Apply,
    Catalogue,
    For,
    Json,
    KekFile,
    Page,
    domain_name,
    gatekeeper,
    opened,
    page_of_refusal,
)
from pseudonymize.fields_check import load_fields
from pseudonymize.gate.finished import finished_in
from pseudonymize.gate.grids import verdict_grids
from pseudonymize.gate.verdict import Verdict
from pseudonymize.judging import Partner, judged, learn_names, refused, remade
from pseudonymize.report_page import page
from pseudonymize.vault import Vault
from recsys.console import print_json, say, screen, step, today
from recsys.contracts.release import Release
from recsys.errors import UsageError
from recsys.files import write_text


def gate(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    folder: Annotated[Path, typer.Argument(metavar="RELEASE_DIR", help="What `run` wrote.")],
    release: For,
    against: Annotated[
        Path | None, typer.Option("--against", help="External: the retailer's own release, which the attacker has.")
    ] = None,
    fields: Annotated[Path | None, typer.Option("--fields", help="A field policy: its [gate] is what counts.")] = None,
    raw: Annotated[
        list[Path] | None, typer.Option("--raw", help="A raw file whose names must not stand in a text; repeat it.")
    ] = None,
    catalogue: Catalogue = None,
    vault: Annotated[
        Path | None,
        typer.Option("--vault", help="Says which domains are the retailer's own, and whose tokens are whose."),
    ] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="With --apply: the partner's own domain.")] = None,
    kek_file: KekFile = None,
    apply: Apply = False,  # noqa: FBT002 - a flag of the command line
    out: Annotated[Path | None, typer.Option("--out", help="With --apply: the new release's folder.")] = None,
    report: Page = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Judge a release, and say what would pass. With --apply, make of it one for a partner that does.

    Internal: texts that give somebody away refuse it; the rest is measured and told. External: so do amounts,
    attributes, items of fewer than k subjects, and histories of which too many are singled out by a few known points,
    or linked to the retailer's own (--against; else to themselves); and so do the retailer's own tokens, which --apply
    exchanges for those of a --domain of the partner's. Status 1 where the gate says no.

    Example: `recsys-pseudonymize gate --release external release --catalogue catalogue.parquet --report page.html`
    """
    if apply != (out is not None):
        raise UsageError("go together", where="--apply and --out", mend="Give both, or neither")
    if apply and against is not None:
        mend = "Take --against away: what is made is held against the very purchases that it is made of"
        raise UsageError("go separate ways", where="--apply and --against", mend=mend)
    if raw and fields is None:
        raise UsageError("needs --fields, which says what its columns are", where="--raw", mend="Give --fields, too")
    custodian = opened(vault, kek_file) if vault is not None else None
    partner = _partner(domain, custodian, apply=apply)
    policy = load_fields(fields) if fields is not None else None
    keeper = gatekeeper(release, policy, catalogue, custodian, apply=apply)
    finished = finished_in(folder)
    scan = keeper.new_scan()
    if policy is not None:
        learn_names(scan, policy, raw or [])
    with step(f"Release gate: {release}"), page_of_refusal(report, print_json if json else None):
        if out is not None and partner is not None:
            verdict, told = remade(keeper, finished, out, scan, today(), partner)
        else:
            verdict = judged(keeper, finished, scan, today(), own=against, vault=custodian)
            told = finished.release
    _tell(verdict, told, report, json=json)
    refused(verdict)
    say(f"{out or folder} passes as {release}.")


def _tell(verdict: Verdict, told: Release, report: Path | None, *, json: bool) -> None:
    """Show what the gate found, on the screen, as a page and as a program reads it."""
    for grid in verdict_grids(verdict):
        screen.print(grid)
    if report is not None:
        write_text(report, page(verdict, release=told))
        say(f"{report} says what the figures mean.")
    if json:
        print_json(verdict)


def _partner(domain: str | None, custodian: Vault | None, *, apply: bool) -> Partner | None:
    """Whom --apply makes a release for."""
    if not apply:
        if domain is not None:
            raise UsageError("belongs to --apply", where="--domain", mend="Take it away")
        return None
    if domain is None or custodian is None:
        mend = "Say whose tokens the partner is to be given, with the vault that makes them"
        raise UsageError("needs --vault and --domain", where="--apply", mend=mend)
    return Partner(domain_name(domain), custodian)
