"""From a batch of raw rows to rows of the contracts, as the field policy says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from pseudonymize import columns
from pseudonymize.distinct import Coded, encoded_unless_few
from pseudonymize.fields import (
    Action,
    Consent,
    Evaluation,
    Feature,
    Feed,
    FieldPolicy,
    FreeText,
    FreeTextAction,
    Generalise,
    Identifier,
    Quasi,
    Role,
    Subject,
    Table,
)
from pseudonymize.fields_check import attribute_of, is_attribute
from pseudonymize.inputs import Batch
from pseudonymize.set_aside import Place, SetAside, Sieve
from pseudonymize.tokeniser import Tokeniser
from recsys.contracts.evaluation_sets import DEMOGRAPHICS, REDEMPTIONS
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.subjects import SUBJECTS
from recsys.contracts.table import TableContract

_OF_AGE: Final = 18

CONTRACTS: Final = {
    Feed.PURCHASES: PURCHASES,
    Feed.SUBJECTS: SUBJECTS,
    Feed.REDEMPTIONS: REDEMPTIONS,
    Feed.DEMOGRAPHICS: DEMOGRAPHICS,
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that one contract should accept, and where they came from; `coded`: columns by their distinct values."""

    contract: TableContract
    frame: pl.DataFrame
    origin: Sieve
    coded: Mapping[str, Coded] = field(default_factory=dict)

    def where(self, column: str, holds: Callable[[pl.Series], pl.Series]) -> pl.Series:
        """For which rows the cell of a column holds; asked once a distinct value where those are known."""
        if column in self.coded:
            return holds(self.coded[column].values).gather(self.coded[column].places)
        return holds(self.frame[column])

    def filter(self, keep: pl.Series) -> Rows:
        """The rows where `keep` is true."""
        if keep.all():
            return self
        coded = {name: column.filter(keep) for name, column in self.coded.items()}
        return Rows(self.contract, self.frame.filter(keep), self.origin.filter(keep), coded)


@dataclass(frozen=True, slots=True)
class Converter:
    """Turns the batches of a run into rows.

    Args:
        tokeniser: Makes the tokens.
        today: The day on which age is counted where the policy names none.
    """

    tokeniser: Tokeniser
    today: dt.date

    def rows(self, table: Table, batch: Batch, aside: SetAside) -> Iterator[Rows]:
        """The table's own rows, then those of each demographic attribute."""
        named = {to: name for name, role in table.columns.items() if (to := target(role, table)) is not None}
        made = {to: self._column(table, batch, name, aside) for to, name in named.items()}
        coded = {to: column for to, column in made.items() if isinstance(column, Coded)}
        fed = {to: _spread(column) for to, column in made.items()}
        where, tokens = str(aside.path), _tokens(table, named)
        if table.feeds is Feed.SUBJECTS:
            fed["consents"] = _consents(table, batch, aside)
        if table.feeds is not Feed.DEMOGRAPHICS:
            origin = Sieve(where, batch.numbers, named, tokens, aside)
            yield Rows(CONTRACTS[table.feeds], pl.DataFrame(fed), origin, coded)
        for name, role in table.columns.items():
            if is_attribute(role, table):
                group = _spread(self._column(table, batch, name, aside)).cast(pl.String)
                filled = group.str.strip_chars().str.len_chars().fill_null(0) > 0
                frame = pl.DataFrame({"subject": fed["subject"], "group": group}).filter(filled)
                frame = frame.with_columns(attribute=pl.lit(attribute_of(name, role)))
                origin = Sieve(where, batch.numbers.filter(filled), {**named, "group": name}, tokens, aside)
                yield Rows(DEMOGRAPHICS, frame, origin)

    def _column(self, table: Table, batch: Batch, name: str, aside: SetAside) -> pl.Series | Coded:
        role, place = table.columns[name], Place(aside, name, batch.numbers)
        made: pl.Series | Coded
        match role:
            case Subject(field=of):
                made = columns.subject(_text(batch, place), of, self.tokeniser, place)
            case Identifier(field=str(of)):
                made = columns.identifier(_text(batch, place), of, self.tokeniser, place)
            case Quasi():
                made = self._coarser(role, batch.column(name), place)
            case FreeText():
                made = columns.scanned(batch.column(name), place)
            case Feature(to="quantity" | "value"):
                made = columns.number(batch.column(name), place)
            case Feature(to="day") | Evaluation(to="day"):
                made = columns.date(batch.column(name), place)
            case Feature(to="interests" | "adult"):
                made = batch.column(name)
            case _:
                made = _text(batch, place)
        return columns.interests(_spread(made)) if getattr(role, "to", None) == "interests" else made

    def _coarser(self, role: Quasi, values: pl.Series, place: Place) -> pl.Series:
        match role:
            case Quasi(generalise=Generalise.DAY):
                return columns.day(values, place)
            case Quasi(generalise=Generalise.WEEK):
                return columns.week(values, place)
            case Quasi(bands=tuple(bands)):
                return columns.band(values, bands, place)
            case Quasi(length=int(length)):
                return columns.prefix(values, length, place)
            case Quasi(step=float(step)):
                return columns.rounded(values, step, place)
            case _:
                return columns.adult(values, role.years or _OF_AGE, role.as_of or self.today, place)


def _text(batch: Batch, place: Place) -> Coded:
    known = batch.coded.get(place.column)
    if known is None:
        return encoded_unless_few(columns.as_text(batch.plain[place.column], place))
    return known._replace(values=columns.as_text(known.values, place.of_values(known.places)))


def _spread(column: pl.Series | Coded) -> pl.Series:
    return column.text if isinstance(column, Coded) else column


def _tokens(table: Table, named: Mapping[str, str]) -> frozenset[str]:
    """The contract's columns that hold nothing but tokens made here."""
    return frozenset(to for to, name in named.items() if isinstance(table.columns[name], Subject | Identifier))


def _consents(table: Table, batch: Batch, aside: SetAside) -> pl.Series:
    given = {
        role.purpose: columns.consent(batch.column(name), Place(aside, name, batch.numbers))
        for name, role in table.columns.items()
        if isinstance(role, Consent)
    }
    frame = pl.DataFrame({"row": batch.numbers} | given)  # a table may ask for no consent at all
    purposes = [pl.when(purpose).then(pl.lit(purpose)) for purpose in given]
    none = pl.lit(None, pl.String)
    return frame.with_columns(consents=pl.concat_list(*purposes, none).list.drop_nulls())["consents"]


def target(role: Role, table: Table) -> str | None:
    """The column of the table's contract that a role feeds, if it feeds one alone."""
    match role:
        case _ if is_attribute(role, table):
            return None
        case Subject():
            return "subject"
        case Identifier(action=Action.TOKENISE, to=to) | Quasi(to=to) | Feature(to=to) | Evaluation(to=to):
            return to
        case FreeText(action=FreeTextAction.SCAN, to=to):
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
