"""Options that several commands have, and what they stand for."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pseudonymize.fields import FieldPolicy
from pseudonymize.fields_check import sensitive_attributes
from pseudonymize.gate.keeper import Gatekeeper
from pseudonymize.gate.settings import GateSettings, ReleaseClass
from pseudonymize.gate.verdict import RefusedError, Verdict
from pseudonymize.report_page import page
from pseudonymize.vault import Vault, open_vault
from recsys.console import now, say
from recsys.contracts.recipient import OWN_DOMAIN
from recsys.contracts.token import DOMAIN_PATTERN
from recsys.errors import UsageError
from recsys.files import write_text

VaultFolder = Annotated[Path, typer.Option("--vault", help="The custodian's folder, made by `keys init`.")]
Fields = Annotated[Path, typer.Option("--fields", help="The field policy: what becomes of each column.")]
FieldName = Annotated[str, typer.Option("--field", help="The kind of identifier, as the field policy names it.")]
Domain = Annotated[str, typer.Option("--domain", help="Who may link the tokens with each other.")]
KekFile = Annotated[
    Path | None, typer.Option("--kek-file", help="The key-encryption key, where it is not in the vault.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
Catalogue = Annotated[
    Path | None, typer.Option("--catalogue", help="What --guards speaks of, and what items belong to.")
]
For = Annotated[ReleaseClass, typer.Option("--release", help="Whom it is for: the retailer's own, or a partner.")]
Apply = Annotated[
    bool, typer.Option("--apply", help="External: where it is refused as it is, generalise it until it passes.")
]
Page = Annotated[
    Path | None, typer.Option("--report", help="Write the officer's page here, also where the gate says no.")
]
RawInputs = Annotated[list[Path], typer.Argument(metavar="INPUT", help="Raw files: .csv or .parquet.")]


def opened(vault: Path, kek_file: Path | None) -> Vault:
    """The vault, as of now."""
    return open_vault(vault, kek_file=kek_file, environ=os.environ, now=now())


def domain_name(domain: str, *, option: str = "--domain") -> str:
    """A domain's name, or `UsageError`, which does not repeat it."""
    if not re.fullmatch(DOMAIN_PATTERN, domain):
        mend = "Use up to 16 lower-case letters, digits and hyphens, a letter first"
        raise UsageError("is not a domain's name", where=option, mend=mend)
    return domain


def gatekeeper(
    release: ReleaseClass, policy: FieldPolicy | None, catalogue: Path | None, custodian: Vault | None, *, apply: bool
) -> Gatekeeper:
    """The gatekeeper that a field policy asks for; what it draws nobody can draw again."""
    if apply and release is ReleaseClass.INTERNAL:
        raise UsageError("belongs to --release external", where="--apply", mend="Take it away")
    return Gatekeeper(
        release,
        looked_for(policy) if policy else GateSettings(),
        seed=secrets.randbits(63),
        catalogue=catalogue,
        sensitive=sensitive_attributes(policy) if policy else frozenset(),
        apply=apply,
        own=custodian.record.own_domains if custodian else frozenset({OWN_DOMAIN}),
    )


def looked_for(policy: FieldPolicy) -> GateSettings:
    """The gate's settings; the regions and numbers of its identifiers are looked for in texts, too."""
    regions = {field.region for field in policy.fields.values() if field.region}
    schemes = {field.scheme for field in policy.fields.values() if field.scheme}
    return msgspec.structs.replace(
        policy.gate,
        regions=tuple(dict.fromkeys([*policy.gate.regions, *sorted(regions)])),
        national_ids=tuple(dict.fromkeys([*policy.gate.national_ids, *sorted(schemes)])),
    )


@contextlib.contextmanager
def page_of_refusal(path: Path | None, shown: Callable[[Verdict], None] | None = None) -> Iterator[None]:
    """Write the page of a release that the block's gate refuses, and show the verdict as a program reads it."""
    try:
        yield
    except RefusedError as refused:
        if path is not None:
            write_text(path, page(refused.verdict))
            say(f"{path} shows what the gate found, and what would pass.")
        if shown is not None:
            shown(refused.verdict)
        raise
