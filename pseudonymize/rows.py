"""From a batch of raw rows to rows of the contracts, as the field policy says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from pseudonymize import columns
from pseudonymize.columns import Place
from pseudonymize.fields import (
    Action,
    Consent,
    Evaluation,
    Feature,
    Feed,
    FieldPolicy,
    Generalise,
    Identifier,
    Quasi,
    Subject,
    Table,
)
from pseudonymize.fields_check import attribute_of, is_attribute
from pseudonymize.gate.contract import Origin
from pseudonymize.inputs import Batch
from pseudonymize.tokeniser import Tokeniser
from recsys.contracts.evaluation_sets import DEMOGRAPHICS, REDEMPTIONS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.table import TableContract

CONTRACTS: Final = {
    Feed.PURCHASES: PURCHASES,
    Feed.SUBJECTS: SUBJECTS,
    Feed.REDEMPTIONS: REDEMPTIONS,
    Feed.DEMOGRAPHICS: DEMOGRAPHICS,
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that one contract should accept, and where they came from."""

    contract: TableContract
    frame: pl.DataFrame
    origin: Origin


@dataclass(frozen=True, slots=True)
class Converter:
    """Turns the batches of a run into rows.

    Args:
        tokeniser: Makes the tokens.
        today: The day on which age is counted where the policy names none.
    """

    tokeniser: Tokeniser
    today: dt.date

    def rows(self, table: Table, batch: Batch, path: Path) -> Iterator[Rows]:
        """The table's own rows, then those of each demographic attribute."""
        numbers = pl.int_range(batch.first_row, batch.first_row + batch.frame.height, dtype=pl.Int64, eager=True)
        named = {to: name for name, role in table.columns.items() if (to := target(role, table)) is not None}
        fed = {to: self._column(table, batch, path, name) for to, name in named.items()}
        if table.feeds is Feed.SUBJECTS:
            fed["consents"] = self._consents(table, batch, path)
        if table.feeds is not Feed.DEMOGRAPHICS:
            yield Rows(CONTRACTS[table.feeds], pl.DataFrame(fed), Origin(path, numbers, named))
        for name, role in table.columns.items():
            if isinstance(role, Evaluation) and is_attribute(role, table):
                group = columns.as_text(batch.frame[name], Place(path, name, batch.first_row))
                filled = group.str.strip_chars().str.len_chars().fill_null(0) > 0
                frame = pl.DataFrame({"subject": fed["subject"], "group": group}).filter(filled)
                frame = frame.with_columns(attribute=pl.lit(attribute_of(name, role)))
                yield Rows(DEMOGRAPHICS, frame, Origin(path, numbers.filter(filled), {**named, "group": name}))

    def _column(self, table: Table, batch: Batch, path: Path, name: str) -> pl.Series:
        values, role, place = batch.frame[name], table.columns[name], Place(path, name, batch.first_row)
        match role:
            case Subject(field=field):
                made = columns.subject(values, field, self.tokeniser, place)
            case Identifier(field=str(field)):
                made = columns.identifier(values, field, self.tokeniser, place)
            case Quasi(generalise=Generalise.DAY):
                made = columns.day(values, place)
            case Quasi(years=years, as_of=as_of):
                made = columns.adult(values, years, as_of or self.today, place)
            case Feature(to="quantity" | "value"):
                made = columns.number(values, place)
            case Feature(to="day") | Evaluation(to="day"):
                made = columns.date(values, place)
            case Feature(to="interests"):
                made = columns.interests(values)
            case Feature(to="adult"):
                made = values
            case _:
                made = columns.as_text(values, place)
        return made

    def _consents(self, table: Table, batch: Batch, path: Path) -> pl.Series:
        given = {
            role.purpose: columns.consent(batch.frame[name], Place(path, name, batch.first_row))
            for name, role in table.columns.items()
            if isinstance(role, Consent)
        }
        frame = pl.DataFrame(given, height=batch.frame.height)
        purposes = [pl.when(purpose).then(pl.lit(purpose)) for purpose in given]
        none = pl.lit(None, pl.String)
        return frame.select(pl.concat_list(*purposes, none).list.drop_nulls().alias("consents")).to_series()


def target(role: object, table: Table) -> str | None:
    """The column of the table's contract that a role feeds, if it feeds one alone."""
    match role:
        case Subject():
            return "subject"
        case Identifier(action=Action.TOKENISE, to=to) | Quasi(to=to) | Feature(to=to):
            return to
        case Evaluation(to=to) if not is_attribute(role, table):
            return to
        case _:
            return None


def fed_columns(policy: FieldPolicy) -> dict[str, frozenset[str]]:
    """The columns that each contract's file has in a release made by `policy`."""
    fed = {
        contract.name: {column.name for column in contract.columns if column.required}
        for contract in CONTRACTS.values()
    }
    for table in policy.tables:
        fed[CONTRACTS[table.feeds].name] |= {to for role in table.columns.values() if (to := target(role, table))}
    return {name: frozenset(names) for name, names in fed.items()}
