"""Which receipts are whose, of people who were taken apart: what their histories can be separated by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pseudonymize.fields import Action, FieldPolicy, Identifier, Table
from pseudonymize.inputs import RawFile
from pseudonymize.linking.entries import Entries
from pseudonymize.linking.keeping import RECEIPTS
from pseudonymize.linking.orders import BASKET
from pseudonymize.linking.reading import PAIR, canonical_cells, identity_columns, passed_over
from pseudonymize.links.table import ID, OTHER, Links
from pseudonymize.matching import matched
from pseudonymize.vault import Vault


@dataclass(frozen=True, slots=True)
class Division:
    """The links before and after, and the names, `high, low`, that were of several people."""

    before: Links
    after: Links
    divided: pl.DataFrame

    def owners(self) -> pl.DataFrame:
        """Each identifier with the name that its person had, and the one that it has."""
        theirs = self.before.nodes.join(self.divided, left_on=OTHER, right_on=ID, how="semi")
        had = theirs.select(*ID, pl.col("to_high").alias("was_high"), pl.col("to_low").alias("was_low"))
        return had.join(self.after.nodes.select(*ID, *OTHER), on=ID)


def receipts_of(vault: Vault, policy: FieldPolicy, inputs: Sequence[Path], division: Division) -> pl.DataFrame:
    """The receipts in the files of everybody whose name is divided, as `RECEIPTS`; one of two people tells nothing.

    Raises:
        ContractError: A file that does not fit the field policy.
    """
    rows = pl.concat(
        [pl.DataFrame(schema=PAIR), *(_rows(policy, table, file) for table, file in matched(inputs, policy))]
    )
    people = Entries(vault, policy, rows.select("field", "value").unique()).table.drop("form")
    owned = people.join(division.owners(), on=ID).select(
        "field",
        "value",
        "generation",
        *OTHER,
        pl.col("was_high").alias("high"),
        pl.col("was_low").alias("low"),
    )
    theirs = rows.join(owned, on=["field", "value"]).drop("field", "value")
    receipt = {"field": "to_field", "value": "to_value"}
    named = theirs.select(pl.col(to).alias(name) for name, to in receipt.items()).unique()
    called = Entries(vault, policy, named).table.drop("form")
    called = called.rename({**receipt, **dict(zip(ID, BASKET, strict=True))})
    found = theirs.join(called, on=[*receipt.values(), "generation"]).select(list(RECEIPTS)).unique()
    return found.filter(pl.struct(BASKET).is_unique())


def _rows(policy: FieldPolicy, table: Table, file: RawFile) -> pl.DataFrame:
    """Who stands on which receipt, each once: `field, value, to_field, to_value`."""
    receipts = [
        (name, role.field)
        for name, role in table.columns.items()
        if isinstance(role, Identifier) and role.action is Action.TOKENISE and role.field is not None
    ]
    (subject, of), path = identity_columns(table)[0], file.path
    found = [pl.DataFrame(schema=PAIR)]
    for name, receipt_field in receipts:
        for batch in file.batches(passed_over):
            whose, _ = canonical_cells(policy, batch, subject, path, of)
            which, _ = canonical_cells(policy, batch, name, path, receipt_field)
            pairs = pl.DataFrame({"value": whose, "to_value": which}).drop_nulls().unique()
            said = {"field": pl.lit(of), "to_field": pl.lit(receipt_field)}
            found.append(pairs.with_columns(**said).select(list(PAIR)))
    return pl.concat(found).unique()
