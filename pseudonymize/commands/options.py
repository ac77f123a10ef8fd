"""Options that several commands have, and what they stand for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from pseudonymize.vault import Vault, open_vault
from recsys.console import now
from recsys.contracts.token import DOMAIN_PATTERN
from recsys.errors import UsageError

VaultFolder = Annotated[Path, typer.Option("--vault", help="The custodian's folder, made by `keys init`.")]
Fields = Annotated[Path, typer.Option("--fields", help="The field policy: what becomes of each column.")]
FieldName = Annotated[str, typer.Option("--field", help="The kind of identifier, as the field policy names it.")]
Domain = Annotated[str, typer.Option("--domain", help="Who may link the tokens with each other.")]
KekFile = Annotated[
    Path | None, typer.Option("--kek-file", help="The key-encryption key, where it is not in the vault.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
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
