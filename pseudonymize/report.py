"""What was stripped: for each column its role, what became of it and how many values it had. No value is in it."""

from __future__ import annotations

from typing import Final

import msgspec
import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from pseudonymize.distinct import Distinct
from pseudonymize.fields import Action, Consent, Evaluation, Feed, Identifier, Quasi, Role, Subject, Table, role_name
from pseudonymize.fields_check import attribute_of, is_attribute
from pseudonymize.rows import target
from recsys.contracts.release import Release
from recsys.contracts.token import Lineage
from recsys.errors import ContractError

_MANY_ROWS: Final = 1000
_ROWS_A_VALUE: Final = 100  # a receipt has fewer lines; a column with more rows to a value is a category


class ColumnReport(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the raw files."""

    column: str
    role: str
    became: str
    distinct: int
    exact: bool  # whether `distinct` is exact; else it is within about 1 %


class TableReport(msgspec.Struct, frozen=True, kw_only=True):
    """The raw files of one table, with their rows before anything was dropped."""

    table: str
    rows: int
    columns: tuple[ColumnReport, ...]


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came in, and the release that went out."""

    release: Release
    tables: tuple[TableReport, ...]


class Tally:
    """Counts rows and distinct values of the files of one table."""

    def __init__(self, table: Table, lineage: Lineage) -> None:
        self._table = table
        self._lineage = lineage
        self._rows = 0
        self._distinct = {name: Distinct() for name in table.columns}

    def add(self, frame: pl.DataFrame) -> None:
        """Count a batch."""
        self._rows += frame.height
        for name, distinct in self._distinct.items():
            distinct.add(frame[name])

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
                became=_became(name, role, self._table, self._lineage),
                distinct=self._distinct[name].count,
                exact=self._distinct[name].exact,
            )
            for name, role in self._table.columns.items()
        )
        return TableReport(table=self._table.name, rows=self._rows, columns=columns)


def grids(report: RunReport) -> list[Grid]:
    """The report for a terminal: a grid for each table that came in, and one for what went out."""
    return [*(_incoming(table) for table in report.tables), _outgoing(report.release)]


def _incoming(table: TableReport) -> Grid:
    grid = Grid("column", "role", "became", title=f"{table.table}: {table.rows:,} rows came in", box=SIMPLE_HEAD)
    grid.add_column("distinct values", justify="right")
    for column in table.columns:
        grid.add_row(column.column, column.role, column.became, f"{'' if column.exact else '≈ '}{column.distinct:,}")
    return grid


def _outgoing(release: Release) -> Grid:
    grid = Grid("", title="What went out, and what did not", box=SIMPLE_HEAD)
    grid.add_column("rows", justify="right")
    for file, rows in release.rows.items():
        grid.add_row(file, f"{rows:,}")
    for reason, rows in release.dropped.items():
        grid.add_row(f"dropped: {reason}", f"{rows:,}")
    return grid


def _became(column: str, role: Role, table: Table, lineage: Lineage) -> str:
    to = target(role, table)
    match role:
        case Subject() | Identifier(action=Action.TOKENISE):
            return f"{to}: token of {lineage}"
        case Quasi():
            return f"{to}, made coarser"
        case Consent(purpose=purpose):
            return f"consent to {purpose}"
        case Evaluation() if is_attribute(role, table):
            return f"{Feed.DEMOGRAPHICS}: {attribute_of(column, role)}"
        case Evaluation():
            return f"{table.feeds}: {to}"
        case _:
            return to or "dropped"
