"""What became of the raw columns where the release is for a partner: far less goes than the field policy lets pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from pseudonymize.fields import Feed, Table
from pseudonymize.report import TableReport
from pseudonymize.rows import target

_GO: Final = {
    "subject": "",
    "item": ", as exactly as the gate lets it",
    "day": ", as exactly as the gate lets it",
}
_STAYS: Final = "does not go to a partner"


def for_partner(reports: Iterable[TableReport], tables: Iterable[Table]) -> tuple[TableReport, ...]:
    """The same, with what a partner is given of each column."""
    known = {table.name: table for table in tables}
    return tuple(_partners(report, known[report.table]) for report in reports)


def _partners(report: TableReport, table: Table) -> TableReport:
    columns = []
    for column in report.columns:
        to = target(table.columns[column.column], table)
        goes = table.feeds is Feed.PURCHASES and to in _GO
        dropped = column.became.startswith("dropped")
        became = f"{column.became}{_GO[to]}" if goes and to else column.became if dropped else _STAYS
        columns.append(msgspec.structs.replace(column, became=became))
    return msgspec.structs.replace(report, columns=tuple(columns))
