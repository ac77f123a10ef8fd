"""Which columns of a raw table name people: their cells are the canaries of the release gate."""

from __future__ import annotations

import polars as pl

from pseudonymize.fields import Action, Feed, Identifier, Subject, Table
from pseudonymize.inputs import Batch


def naming_cells(table: Table, batch: Batch) -> pl.DataFrame:
    """The columns of a batch whose cells must not stand in anything that passes.

    Identifiers that do not pass, and in a table of people the person. Receipts' numbers are no names.
    """
    people = table.feeds in {Feed.SUBJECTS, Feed.DEMOGRAPHICS}
    named = [
        name
        for name, role in table.columns.items()
        if (isinstance(role, Identifier) and role.action is not Action.TOKENISE)
        or (isinstance(role, Subject) and people)
    ]
    return pl.DataFrame({name: batch.column(name) for name in named})
