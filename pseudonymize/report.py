"""What was stripped: for each column its role, what became of it and how many values it had. No value is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from pseudonymize.distinct import Distinct
from pseudonymize.fields import (
    Action,
    Consent,
    Evaluation,
    Feed,
    FieldPolicy,
    FreeText,
    Generalise,
    Identifier,
    Quasi,
    Role,
    Subject,
    Table,
    role_name,
)
from pseudonymize.fields_check import attribute_of, is_attribute
from pseudonymize.gate.grids import verdict_grids
from pseudonymize.gate.verdict import Verdict
from pseudonymize.inputs import Batch
from pseudonymize.rows import target
from pseudonymize.tokeniser import FieldCount
from recsys.contracts.release import Release
from recsys.contracts.token import Lineage
from recsys.errors import ContractError

_MANY_ROWS: Final = 1000
_COARSER: Final = {
    Generalise.DAY: "without the time of day",
    Generalise.WEEK: "the Monday of its week",
    Generalise.ADULT: "of age or not",
}
_ROWS_A_VALUE: Final = 100  # a receipt has fewer lines; a column with more rows to a value is a category


class ColumnReport(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the raw files."""

    column: str
    role: str
    became: str
    distinct: int
    exact: bool  # whether `distinct` is exact; else it is within about 1 %

    @property
    def count(self) -> str:
        """`distinct`, to be read."""
        return f"{'' if self.exact else '≈ '}{self.distinct:,}"


class TableReport(msgspec.Struct, frozen=True, kw_only=True):
    """The raw files of one table, with their rows before anything was dropped."""

    table: str
    rows: int
    columns: tuple[ColumnReport, ...]


class FieldReport(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of identifier: its distinct values as written and in canonical form; the difference was merged."""

    field: str
    form: str
    written: int
    canonical: int

    @property
    def merged(self) -> int:
        """How many ways of writing became somebody who was there already."""
        return self.written - self.canonical


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came in, and the release that went out. `quarantine` counts rows by column and reason."""

    release: Release
    tables: tuple[TableReport, ...]
    fields: tuple[FieldReport, ...]
    quarantine: dict[str, int]
    quarantine_folder: str | None
    gate: Verdict


def field_reports(policy: FieldPolicy, counts: Mapping[str, FieldCount]) -> tuple[FieldReport, ...]:
    """A report of each field."""
    return tuple(
        FieldReport(field=name, form=policy.fields[name].form().label, written=count.written, canonical=count.canonical)
        for name, count in counts.items()
    )


class Tally:
    """Counts rows and distinct values of the files of one table."""

    def __init__(self, table: Table, lineage: Lineage) -> None:
        self._table = table
        self._lineage = lineage
        self._rows = 0
        self._distinct = {name: Distinct() for name in table.columns}

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        self._rows += batch.height
        for name, distinct in self._distinct.items():
            distinct.add(batch.coded[name].values if name in batch.coded else batch.plain[name])

    def check_cardinality(self) -> None:
        """Refuse a tokenised column with few values in many rows: how often each token comes would tell the value."""
        for name, role in self._table.columns.items():
            tokenised = isinstance(role, Identifier) and role.action is Action.TOKENISE
            count = self._distinct[name].count
            if tokenised and self._rows >= _MANY_ROWS and self._rows > count * _ROWS_A_VALUE:
                raise ContractError(
                    f"column {name!r} has {count} distinct values in {self._rows} rows: it is no identifier, and how "
                    "often each token comes would tell what it stands for",
                    where=f"tables.{self._table.name}",
                    mend="Give it role = 'drop', or let it pass as a feature",
                )

    def report(self) -> TableReport:
        """The counts, column by column."""
        columns = tuple(
            ColumnReport(
                column=name,
                role=role_name(type(role)),
                became=became(name, role, self._table, self._lineage),
                distinct=self._distinct[name].count,
                exact=self._distinct[name].exact,
            )
            for name, role in self._table.columns.items()
        )
        return TableReport(table=self._table.name, rows=self._rows, columns=columns)


def grids(report: RunReport) -> list[Grid]:
    """The report for a terminal: a grid for each table that came in, and one for what went out."""
    incoming = [_incoming(table) for table in report.tables]
    aside = rows_grid(f"In quarantine: {report.quarantine_folder}", "reason", report.quarantine)
    merges, gate = _merges(report.fields), verdict_grids(report.gate)
    return [*incoming, merges, *([aside] if report.quarantine else []), *gate, _outgoing(report.release)]


def _incoming(table: TableReport) -> Grid:
    grid = Grid("column", "role", "became", title=f"{table.table}: {table.rows:,} rows came in", box=SIMPLE_HEAD)
    grid.add_column("distinct values", justify="right")
    for column in table.columns:
        grid.add_row(column.column, column.role, column.became, column.count)
    return grid


def _merges(fields: tuple[FieldReport, ...]) -> Grid:
    grid = Grid("field", "canonical form", title="Identifiers", box=SIMPLE_HEAD)
    for heading in ("ways of writing", "distinct", "merged"):
        grid.add_column(heading, justify="right")
    for field in fields:
        grid.add_row(field.field, field.form, f"{field.written:,}", f"{field.canonical:,}", f"{field.merged:,}")
    return grid


def _outgoing(release: Release) -> Grid:
    dropped = {f"dropped: {reason}": rows for reason, rows in release.dropped.items()}
    return rows_grid("What went out, and what did not", "", release.rows | dropped)


def rows_grid(title: str, heading: str, counts: Mapping[str, int]) -> Grid:
    """A grid of how many rows there are of what."""
    grid = Grid(heading, title=title, box=SIMPLE_HEAD)
    grid.add_column("rows", justify="right")
    for name, rows in counts.items():
        grid.add_row(name, f"{rows:,}")
    return grid


def became(column: str, role: Role, table: Table, lineage: Lineage | None) -> str:
    """What a policy makes of a column, in words."""
    if is_attribute(role, table):
        coarser = f", {_coarsened(role)}" if isinstance(role, Quasi) else ""
        return f"{Feed.DEMOGRAPHICS}: {attribute_of(column, role)}{coarser}"
    if isinstance(role, Consent):
        return f"consent to {role.purpose}"
    to = target(role, table)
    match role:
        case Identifier(action=Action.LINK):
            return "dropped; links the person"
        case _ if to is None:
            return "dropped"
        case Evaluation():
            return f"{table.feeds}: {to}"
        case Subject() | Identifier():
            how = f": token of {lineage}" if lineage else ": token"
        case FreeText():
            how = ", scanned for traces: names pass"
        case Quasi():
            how = f", {_coarsened(role)}"
        case _:
            how = ""
    return f"{to}{how}"


def _coarsened(role: Quasi) -> str:
    """How a quasi-identifier is made coarser, in words."""
    match role:
        case Quasi(bands=tuple(bands)):
            return f"in bands from {', '.join(f'{band:g}' for band in bands)}"
        case Quasi(length=int(length)):
            return f"first {length} characters"
        case Quasi(step=float(step)):
            return f"rounded to {step:g}"
        case _:
            return _COARSER[role.generalise] if role.years is None else f"{role.years} or older"
