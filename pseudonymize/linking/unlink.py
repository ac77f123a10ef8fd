"""`unlink`: two identifiers are not one person's after all, and no later file makes them so again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from pseudonymize.fields import FieldPolicy
from pseudonymize.fields_check import subject_fields
from pseudonymize.linking.entries import Entries
from pseudonymize.linking.keeping import changing_links, keep, renamed
from pseudonymize.linking.link import ranks_of
from pseudonymize.linking.receipts import Division, receipts_of
from pseudonymize.links.parting import parted
from pseudonymize.links.table import ID, OTHER, Links, write_links
from pseudonymize.standard_input import canonical
from pseudonymize.vault import Vault
from recsys.errors import ContractError

_WHERE: Final = "standard input"
_LINES: Final = 5  # that are told


class UnlinkReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `receipts` tell the purchases of those apart who have another token now.

    `strangers` are the lines of pairs that were not one person's: a slip, perhaps.
    """

    pairs: int
    strangers: tuple[int, ...]
    separated: int
    renamed: int
    receipts: int
    orders: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The pairs, as they were given.

    Args:
        fields: The field of the first identifier of each pair, and of the second.
        first: One identifier a row.
        second: The one that it is not one person with.
        inputs: Raw files with the receipts of these people.
        out: Where the orders go; None: into the vault.
        anyway: Whether pairs that are not one person's are kept apart, too.
    """

    fields: tuple[str, str]
    first: pl.Series
    second: pl.Series
    inputs: Sequence[Path]
    out: Path | None
    anyway: bool = False


def unlink(vault: Vault, policy: FieldPolicy, asked: Asked) -> UnlinkReport:
    """Take the pairs apart for good, and write the orders for those whose token changes.

    Raises:
        ContractError: A line that is no pair of identifiers, or two that are one; or, unless `anyway`, a pair that is
            not one person's: what is done here is not undone.
        VaultError: The links are damaged, or another command holds them for too long.
    """
    pairs = _pairs(policy, asked)
    entries = Entries(vault, policy, _values(pairs))
    with changing_links(vault) as before:
        strangers = _strangers(before, entries, pairs)
        if strangers and not asked.anyway:
            raise _not_one(strangers)
        edges = entries.edges(pairs)
        after = parted(before, [((a, b), (c, d)) for a, b, c, d in edges.iter_rows()], ranks_of(policy))
        changed = renamed(before, after, subject_fields(policy))
        receipts = receipts_of(vault, policy, asked.inputs, Division(before, after, changed.select(ID).unique()))
        folder = None
        if len(changed):
            folder = keep(vault, entries.key, after, policy, receipts, asked.out)
        else:
            write_links(vault.path, after)
    newest = changed.filter(generation=entries.newest)
    return UnlinkReport(
        pairs=len(pairs),
        strangers=strangers,
        separated=len(before.edges) - len(after.edges),
        renamed=len(newest),
        receipts=receipts.filter(generation=entries.newest).height,
        orders=str(folder) if folder else None,
    )


def _pairs(policy: FieldPolicy, asked: Asked) -> pl.DataFrame:
    one, other = asked.fields
    first = canonical(asked.first, policy.fields[one].form())
    second = canonical(asked.second, policy.fields[other].form())
    if one == other and (first == second).any():
        number = int((first == second).arg_true()[0]) + 1
        raise ContractError(f"line {number} names one identifier twice", where=_WHERE, mend="Give two that differ")
    return pl.DataFrame({"value": first, "to_value": second}).select(
        field=pl.lit(one), value="value", to_field=pl.lit(other), to_value="to_value"
    )


def _not_one(lines: tuple[int, ...]) -> ContractError:
    told = ", ".join(map(str, lines[:_LINES])) + ", …" * (len(lines) > _LINES)
    return ContractError(
        f"the two of line {told} are not one person's here: unknown, never linked, or apart already",
        where=_WHERE,
        mend="Look for a slip, or take the lines out. With --anyway they are kept apart for good all the same",
    )


def _strangers(links: Links, entries: Entries, pairs: pl.DataFrame) -> tuple[int, ...]:
    """The lines, from 1, of pairs that the newest field root does not know as one person's."""
    known = entries.table.filter(generation=entries.newest).join(links.nodes, on=ID).select("field", "value", *OTHER)
    either = pairs.with_row_index("line", 1).join(known, on=["field", "value"], how="left")
    both = either.join(known, left_on=["to_field", "to_value"], right_on=["field", "value"], how="left", suffix="_too")
    one = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_too") for name in OTHER).fill_null(value=False)
    return tuple(both.filter(~one)["line"].unique().sort())


def _values(pairs: pl.DataFrame) -> pl.DataFrame:
    ends = pairs.select(pl.col("to_field").alias("field"), pl.col("to_value").alias("value"))
    return pl.concat([pairs.select("field", "value"), ends]).unique()
