"""Changing the links: one command at a time, the new links and the orders that follow from them together."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl

from pseudonymize.fields import FieldPolicy
from pseudonymize.fields_check import subject_fields
from pseudonymize.keys import BlockKey
from pseudonymize.linking.orders import BASKET, Change, write_orders
from pseudonymize.links.table import ID, LINKING, OTHER, Links, links_folder, read_links, write_links
from pseudonymize.vault import Vault
from pseudonymize.vault_lock import locked
from recsys.files import new_folder

ORDERS: Final = "orders"  # within the folder beside the links; each order's folder is named by its number
_NUMBERS: Final = (*ID, *OTHER)
PARTS: Final = pl.Schema([*((name, pl.UInt64()) for name in _NUMBERS), ("generation", pl.String())])
RECEIPTS: Final = pl.Schema([*PARTS.items(), *((name, pl.UInt64()) for name in BASKET)])


@contextlib.contextmanager
def changing_links(vault: Vault) -> Iterator[Links]:
    """The links, while nobody else can change them; those on destroyed field roots are left behind."""
    with locked(links_folder(vault.path), patience=LINKING):
        alive = frozenset(root.generation for root in vault.record.roots if root.wrapped is not None)
        yield read_links(vault.path).of_generations(alive)


def keep(
    vault: Vault, key: BlockKey, links: Links, policy: FieldPolicy, receipts: pl.DataFrame | None, out: Path | None
) -> Path:
    """Write the orders into a new folder and then let the links hold; the folder.

    Args:
        vault: The custodian's, whose links are locked.
        key: Of the links.
        links: As they are to be.
        policy: Says which fields may have been released.
        receipts: Of those who are parted, as `RECEIPTS`; None: everybody is joined, nobody is parted.
        out: Where the orders go; None: into the vault.
    """
    before = read_links(vault.path)
    number = before.number + 1
    parts = pl.DataFrame(schema=PARTS) if receipts is None else renamed(before, links, subject_fields(policy))
    known = replace(links, number=number, parted=before.parted if parts.is_empty() else number)
    told = pl.DataFrame(schema=RECEIPTS) if receipts is None else receipts
    change = Change(known, before.parted, parts, told, subject_fields(policy))
    folder = out or links_folder(vault.path) / ORDERS / f"{number:06}"
    if out is None:
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed before its links held
        folder.parent.mkdir(mode=0o700, exist_ok=True)
    with new_folder(folder, mode=0o700) as beside:
        write_orders(vault, key, change, beside)
    write_links(vault.path, known)
    return folder


def renamed(before: Links, after: Links, subjects: frozenset[str]) -> pl.DataFrame:
    """Identifiers whose person has another name now: the former, the new, the generation."""
    old = before.nodes.select(*ID, *(pl.col(name).alias(f"was_{name}") for name in OTHER))
    both = after.nodes.filter(pl.col("field").is_in(sorted(subjects))).join(old, on=ID, how="inner")
    changed = both.filter((pl.col("to_high") != pl.col("was_to_high")) | (pl.col("to_low") != pl.col("was_to_low")))
    return changed.select(
        pl.col("was_to_high").alias("high"), pl.col("was_to_low").alias("low"), *OTHER, "generation"
    ).unique()
