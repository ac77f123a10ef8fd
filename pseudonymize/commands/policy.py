"""`check`, `suggest` and `record`: the field policy before any key is touched."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from pseudonymize.commands.options import Fields, Json, RawInputs
from pseudonymize.dry_run import Check, dry_run, refuse_bad
from pseudonymize.fields import FieldPolicy
from pseudonymize.fields_check import load_fields
from pseudonymize.processing_record import processing_record
from pseudonymize.reasons import why
from pseudonymize.report import rows_grid
from pseudonymize.suggestion import suggest as draft
from recsys.console import now, print_json, say, screen, warn


def check(inputs: RawInputs, fields: Fields, json: Json = False) -> None:  # noqa: FBT002 - a flag of the command line
    """Say, column by column, what would become of these files and why. It needs no vault and writes nothing.

    Status 1 where a run would be refused.

    Example: `recsys-pseudonymize check --fields fields.toml customers.csv receipts.parquet`
    """
    policy = load_fields(fields)
    found = dry_run(policy, inputs, now())
    for grid in _grids(found, policy):
        screen.print(grid)
    if json:
        print_json(found)
    refuse_bad(found)
    say("A run would pass.")


def suggest(file: Annotated[Path, typer.Argument(metavar="INPUT", help="A raw file: .csv or .parquet.")]) -> None:
    """Draft a field policy from a file, with a reason beside each column. Read it before you use it.

    It goes by the names of columns and the forms of the first rows: rules of thumb, which miss what
    is unusual and know no meanings. What it does not recognise, it drops.

    Example: `recsys-pseudonymize suggest customers.csv > fields.toml`
    """
    sys.stdout.write(draft(file))
    warn(
        "This is a draft by rules of thumb. Read every line: a person can be named in a column that it did not notice."
    )


def record(fields: Fields) -> None:
    """Print the public record of processing, in Markdown: what is collected, why, in what form, for how long.

    Example: `recsys-pseudonymize record --fields fields.toml > record.md`
    """
    sys.stdout.write(processing_record(load_fields(fields)))


def _grids(found: Check, policy: FieldPolicy) -> list[Grid]:
    grids, tables = [], {table.name: table for table in policy.tables}
    for table in found.tables:
        grid = Grid(
            "column", "role", "would become", "why", title=f"{table.table}: {table.rows:,} rows", box=SIMPLE_HEAD
        )
        grid.add_column("distinct values", justify="right")
        for column in table.columns:
            reason = why(tables[table.table].columns[column.column])
            became = column.became.replace("rec.01", "the domain")
            grid.add_row(column.column, column.role, became, reason, column.count)
        grids.append(grid)
    if found.bad_rows:
        grids.append(rows_grid("Bad rows", "rows that do not fit", found.bad_rows))
    return grids
