"""The suppression list: who was forgotten, so that a late file does not bring them back.

An entry is the person's root token under a key of its own, so that the list alone links to nothing: neither to tokens
of a domain nor, without the vault, to an identifier. It also says which field, canonical form and generation of the
root it was made with, since a later policy may use others.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.custody import read_private
from pseudonymize.keys import BlockKey, Label, Purpose, VaultError
from pseudonymize.sixteen_bytes import Entries
from pseudonymize.tokens import Tokens
from recsys.files import replacing

_LIST_FILE: Final = "suppressed.parquet"
_RESTORE: Final = "Restore the list from its copy, or those on it come back"
SUPPRESSION_LABEL: Final = Label(purpose=Purpose.SUPPRESSION, epoch="01")

_SCHEMA: Final = {
    "high": pl.UInt64,
    "low": pl.UInt64,
    "field": pl.String,
    "form": pl.String,
    "generation": pl.String,
    "day": pl.Date,
}


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """Which root tokens an entry was made of."""

    field: str
    form: str
    generation: str


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """The entries, one a row."""

    rows: pl.DataFrame

    def kinds(self) -> list[Kind]:
        """The kinds of root tokens that are on the list."""
        return sorted(Kind(*row) for row in self.rows.select("field", "form", "generation").unique().iter_rows())

    def of(self, kind: Kind) -> SuppressionList:
        """The entries of one kind."""
        return SuppressionList(self.rows.filter(field=kind.field, form=kind.form, generation=kind.generation))

    def of_generation(self, generation: str) -> SuppressionList:
        """The entries of one generation of roots, whatever the field."""
        return SuppressionList(self.rows.filter(generation=generation))

    def holds(self, key: BlockKey, roots: Tokens) -> NDArray[np.bool_]:
        """Which root tokens are on the list."""
        return self.entries().holds(key.encrypt_blocks(roots))

    def entries(self) -> Entries:
        """The list, to be asked often."""
        return Entries(np.unique(self.rows.select("high", "low").to_numpy(), axis=0))

    def adding(self, key: BlockKey, kind: Kind, roots: Tokens, day: dt.date) -> SuppressionList:
        """The list with some more root tokens; those that are on it stay as they are."""
        entries = key.encrypt_blocks(roots[~self.of(kind).holds(key, roots)])
        more = pl.DataFrame({"high": entries[:, 0], "low": entries[:, 1]}).with_columns(
            field=pl.lit(kind.field), form=pl.lit(kind.form), generation=pl.lit(kind.generation), day=pl.lit(day)
        )
        return SuppressionList(pl.concat([self.rows, more.unique(maintain_order=True)]))

    def without(self, key: BlockKey, roots: Tokens) -> SuppressionList:
        """The list without some root tokens."""
        entries = key.encrypt_blocks(roots)
        gone = pl.DataFrame({"high": entries[:, 0], "low": entries[:, 1]})
        return SuppressionList(self.rows.join(gone, on=["high", "low"], how="anti", maintain_order="left"))


def read_list(vault: Path) -> SuppressionList:
    """The vault's suppression list; empty where nobody was forgotten.

    Raises:
        VaultError: Unreadable, damaged or open to others.
    """
    file = vault / _LIST_FILE
    if not file.exists():
        return SuppressionList(pl.DataFrame(schema=_SCHEMA))
    try:
        return SuppressionList(pl.read_parquet(read_private(file, mend=_RESTORE)))
    except pl.exceptions.PolarsError:
        raise VaultError("the suppression list is damaged", where=str(file), mend=_RESTORE) from None


def write_list(vault: Path, suppressed: SuppressionList) -> None:
    """Replace the list, whole or not at all; the caller holds the vault's lock."""
    with replacing(vault / _LIST_FILE, mode=0o600) as beside:
        suppressed.rows.write_parquet(beside)
