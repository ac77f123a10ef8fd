"""`forget` and `lift`: one person, from an identifier on standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pseudonymize.canonical import CanonicalForm
from pseudonymize.commands.options import FieldName, Fields, KekFile, VaultFolder, opened
from pseudonymize.fields import nearest
from pseudonymize.fields_check import load_fields, person_fields
from pseudonymize.forgetting import forget as forget_people
from pseudonymize.forgetting import lift as lift_people
from pseudonymize.quarantine_search import drop_people
from pseudonymize.standard_input import canonical, identifiers
from recsys.console import say, warn
from recsys.errors import UsageError


def forget(
    vault: VaultFolder,
    fields: Fields,
    field: FieldName,
    out: Annotated[Path, typer.Option("--out", help="Where the orders go, one a recipient: a new or empty folder.")],
    kek_file: KekFile = None,
) -> None:
    """Forget each person whose identifier stands on standard input, one a line, with all that is linked with it.

    They go on the suppression list, which every later run checks, and each recipient's tokens of them go into an order:
    `recsys-train forget` carries out training.json, the server's erasure serving.json, partners the others. Destroy the
    orders when they are carried out. Rows of theirs that wait in quarantine are dropped, as far as they can be read.

    Example: `recsys-pseudonymize forget --vault ~/vault --fields fields.toml --field card --out orders < card.txt`
    """
    form = _form(fields, field)
    custodian = opened(vault, kek_file)
    values = identifiers(sys.stdin.buffer)
    done = forget_people(custodian, field, form, values, out)
    say(
        f"{done.people} forgotten, known by {done.identifiers} identifiers; {done.known} were on the list already. "
        f"Orders: {', '.join(done.recipients)}."
    )
    aside = drop_people(custodian.path, form, canonical(values, form))
    if aside.dropped:
        say(f"{aside.dropped} rows of theirs were in quarantine, and are dropped.")
    if aside.left:
        warn(
            f"{aside.left} rows are left in quarantine. Theirs may be among them where the {field} cannot be read or "
            "stands for somebody under another field: mend those rows soon, and then drop them (`quarantine --help`)"
        )


def lift(vault: VaultFolder, fields: Fields, field: FieldName, kek_file: KekFile = None) -> None:
    """Take each person on standard input off the suppression list: they came back. What was erased stays erased.

    Example: `recsys-pseudonymize lift --vault ~/vault --fields fields.toml --field loyalty_card < card.txt`
    """
    form = _form(fields, field)
    custodian = opened(vault, kek_file)
    values = identifiers(sys.stdin.buffer)
    held = lift_people(custodian, field, form, values)
    say(f"{held} of {values.n_unique()} were on the suppression list and are not any more.")


def _form(fields: Path, field: str) -> CanonicalForm:
    policy = load_fields(fields)
    people = person_fields(policy)
    if field not in people:
        mend = nearest(field, people, otherwise=f"The fields that name people are: {', '.join(sorted(people))}")
        raise UsageError("names nobody in this field policy", where="--field", mend=mend)
    return policy.fields[field].form()
