"""`link` and `unlink`: which identifiers are one person's, and which are not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from pseudonymize.commands.options import FieldName, Fields, Json, KekFile, RawInputs, VaultFolder, opened
from pseudonymize.fields import FieldPolicy, nearest
from pseudonymize.fields_check import load_fields, person_fields
from pseudonymize.linking.link import Kept, LinkReport
from pseudonymize.linking.link import link as link_people
from pseudonymize.linking.unlink import Asked
from pseudonymize.linking.unlink import unlink as unlink_people
from pseudonymize.standard_input import identifiers
from recsys.console import print_json, say, screen, warn
from recsys.errors import ContractError, UsageError

_Out = Annotated[
    Path | None, typer.Option("--out", help="Where the relink orders go: a new or empty folder; else into the vault.")
]

_Anyway = Annotated[bool, typer.Option("--anyway", help="Keep those apart, too, who are not one person here.")]


def link(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    inputs: RawInputs,
    vault: VaultFolder,
    fields: Fields,
    out: _Out = None,
    again: Annotated[bool, typer.Option("--again", help="Write orders though no token changed.")] = False,  # noqa: FBT002 - a flag of the command line
    kek_file: KekFile = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Learn from raw files which identifiers are one person's: a row's subject and its columns with action = 'link'.

    From then on every command gives them one token. Where a token changes, relink orders for training and serving are
    written: `recsys-train relink` and `recsys-serve relink` apply them. What is shared by too many, implausible, of
    somebody who was forgotten, or was taken apart before, is not linked; a file in the vault names it. --again is
    for a recipient that lost its order, or was rekeyed before it applied it.

    Example: `recsys-pseudonymize link --vault ~/vault --fields fields.toml customers.csv webshop.csv`
    """
    policy, custodian = load_fields(fields), opened(vault, kek_file)
    report = link_people(custodian, policy, inputs, Kept(again=again, out=out))
    for grid in _grids(report):
        screen.print(grid)
    say(f"{report.people:,} people, of whom {report.linked_people:,} have several identifiers.")
    named = f"; see {report.refused_file}" if report.refused_file else ""
    if report.refused:
        warn(f"{sum(report.refused.values()):,} links were refused{named}")
    if report.doubtful:
        warn(
            f"{report.doubtful:,} links of earlier files are by an identifier that is shared by too many since: "
            f"strangers may be joined. Give `link` all files to have them named{named}; `unlink` takes them apart"
        )
    if report.links_behind or report.separations_behind:
        behind = f"{report.links_behind:,} links and {report.separations_behind:,} separations"
        warn(f"{behind} are of a former field root and of people who are not in these files: give all of them")
    _say_orders(report.orders, report.renamed)
    if json:
        print_json(report)


def unlink(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    vault: VaultFolder,
    fields: Fields,
    field: FieldName,
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="[INPUT]...", help="Raw purchases: receipts tell histories apart.")
    ] = None,
    other: Annotated[
        str | None, typer.Option("--other", help="The field of the second identifier, where it is another one.")
    ] = None,
    out: _Out = None,
    anyway: _Anyway = False,  # noqa: FBT002 - a flag of the command line
    kek_file: KekFile = None,
    json: Json = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Say that two identifiers are not one person's: pairs on standard input, one a line, separated by a tab.

    It is for good: no later `link` joins them again. So nothing is done where the two of a line are not one person's,
    unless you say --anyway: an identifier may be mistyped. What else the person was known by goes with the nearer of
    the two, or, where it is as near to either, with neither. Relink orders for training and serving are written, with
    INPUT such as say which receipts are whose. What no receipt tells apart is removed.

    Example: `recsys-pseudonymize unlink --vault ~/vault --fields fields.toml --field loyalty_card < pairs.txt`
    """
    policy = load_fields(fields)
    named = (_person_field(policy, field, "--field"), _person_field(policy, other or field, "--other"))
    first, second = _pairs(identifiers(sys.stdin.buffer))
    report = unlink_people(
        opened(vault, kek_file), policy, Asked(named, first, second, tuple(inputs or ()), out, anyway)
    )
    say(f"{report.pairs:,} pairs are apart for good; {report.separated:,} links were cut.")
    if report.strangers:
        warn(
            f"{len(report.strangers):,} pairs were not one person's here; they are kept apart from now on all the same"
        )
    if report.renamed and not inputs:
        warn("without the raw purchases nothing tells histories apart: they remove them")
    _say_orders(report.orders, report.renamed)
    if json:
        print_json(report)


def _say_orders(orders: str | None, renamed: int) -> None:
    if orders is None:
        say("Nobody's token changed: there is nothing to order.")
    else:
        say(
            f"{renamed:,} identifiers have another token now. Orders: {orders}. Destroy them when they are carried out."
        )


def _person_field(policy: FieldPolicy, field: str, option: str) -> str:
    people = person_fields(policy)
    if field not in people:
        mend = nearest(field, people, otherwise=f"The fields that name people are: {', '.join(sorted(people))}")
        raise UsageError("names nobody in this field policy", where=option, mend=mend)
    return field


def _pairs(lines: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The two identifiers of each line, or `ContractError`, which repeats neither."""
    wrong = lines.str.count_matches("\t", literal=True) != 1
    if wrong.any():
        number = int(wrong.arg_true()[0]) + 1
        mend = "Write two identifiers on each line, with one tab between them"
        raise ContractError(f"line {number} is no pair", where="standard input", mend=mend)
    parts = lines.str.split_exact("\t", 1).struct
    return parts.field("field_0"), parts.field("field_1")


def _grids(report: LinkReport) -> list[Grid]:
    counts = {
        "Identifiers": report.identifiers,
        "Not read": report.unread,
        "Links refused, because": report.refused,
    }
    grids = []
    for title, rows in counts.items():
        if rows:
            grid = Grid("", title=title, box=SIMPLE_HEAD, show_header=False)
            grid.add_column("", justify="right")
            for name, count in rows.items():
                grid.add_row(name, f"{count:,}")
            grids.append(grid)
    return grids
