"""Which identifiers stand in the raw files, and which of them in one row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from pseudonymize import columns
from pseudonymize.canonical.text import text_column
from pseudonymize.distinct import encoded
from pseudonymize.fields import Action, FieldPolicy, Identifier, Subject, Table
from pseudonymize.inputs import Batch
from pseudonymize.matching import matched
from pseudonymize.set_aside import Place, SetAside
from recsys.console import step

VALUE: Final = {"field": pl.String, "value": pl.String}
PAIR: Final = {**VALUE, "to_field": pl.String, "to_value": pl.String}
_PENDING: Final = 1 << 21  # rows that wait before they are made distinct


@dataclass(slots=True)
class Identities:
    """What stands in the files, in canonical form.

    Args:
        values: `field, value`, each once.
        pairs: `field, value, to_field, to_value`: what stands beside a row's subject, each once.
        unread: By field, filled cells that could not be read; they link nobody.
        rows: How many there are.
    """

    values: pl.DataFrame
    pairs: pl.DataFrame
    unread: Counter[str] = field(default_factory=Counter)
    rows: int = 0


def read_identities(policy: FieldPolicy, inputs: Sequence[Path]) -> Identities:
    """Read all files.

    Raises:
        ContractError: A file that does not fit the field policy.
    """
    found = Identities(pl.DataFrame(schema=VALUE), pl.DataFrame(schema=PAIR))
    gathered = _Gathered()
    for table, file in matched(inputs, policy):
        with step(f"{table.name}: {file.path.name}"):
            for batch in file.batches(passed_over):
                if batch.height:
                    _read(policy, table, batch, (gathered, found))
    found.values, found.pairs = gathered.values(), gathered.pairs()
    return found


class _Gathered:
    """Distinct rows, in memory that grows with what is distinct."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, list[pl.DataFrame]] = defaultdict(list)
        self._rows: Counter[str] = Counter()

    def add(self, what: str, frame: pl.DataFrame) -> None:
        """Note rows of one kind."""
        self._waiting[what].append(frame)
        self._rows[what] += len(frame)
        if self._rows[what] > _PENDING:
            self._waiting[what] = [pl.concat(self._waiting[what]).unique()]
            self._rows[what] = 0

    def values(self) -> pl.DataFrame:
        """All identifiers."""
        return self._all("values", pl.DataFrame(schema=VALUE))

    def pairs(self) -> pl.DataFrame:
        """All pairs."""
        return self._all("pairs", pl.DataFrame(schema=PAIR))

    def _all(self, what: str, none: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([none, *self._waiting[what]]).unique()


def identity_columns(table: Table) -> list[tuple[str, str]]:
    """The columns that name the person, with their fields; the subject's first."""
    subject = [(name, role.field) for name, role in table.columns.items() if isinstance(role, Subject)]
    links = [
        (name, role.field)
        for name, role in table.columns.items()
        if isinstance(role, Identifier) and role.action is Action.LINK and role.field is not None
    ]
    return subject + links


def canonical_cells(policy: FieldPolicy, batch: Batch, name: str, path: Path, of: str) -> tuple[pl.Series, int]:
    """A column in its canonical form, and how many filled cells could not be read."""
    text = columns.as_text(batch.column(name), Place(SetAside(path, lenient=True), name, batch.numbers))
    distinct, places, _ = encoded(text)
    read = policy.fields[of].form().column(distinct)
    lost = read.is_null() & text_column(distinct).is_not_null()
    unread = int(lost.gather(places).sum()) if lost.any() else 0
    return read.gather(places).alias(name), unread


def _read(policy: FieldPolicy, table: Table, batch: Batch, into: tuple[_Gathered, Identities]) -> None:
    gathered, found = into
    found.rows += batch.height
    cells: list[tuple[str, pl.Series]] = []
    for name, of in identity_columns(table):
        read, unread = canonical_cells(policy, batch, name, Path(table.name), of)
        found.unread[of] += unread
        cells.append((of, read))
    subject_field, subject = cells[0]
    gathered.add("values", _values(subject_field, subject))
    for of, read in cells[1:]:
        frame = pl.DataFrame({"value": subject, "to_value": read}).drop_nulls().unique()
        gathered.add("values", _values(of, read))
        gathered.add("pairs", frame.select(**_constants(subject_field, of)))


def _values(of: str, read: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"value": read.drop_nulls().unique()}).select(field=pl.lit(of), value="value")


def _constants(of: str, other: str) -> dict[str, pl.Expr]:
    return {"field": pl.lit(of), "value": pl.col("value"), "to_field": pl.lit(other), "to_value": pl.col("to_value")}


def passed_over(row: int, why: str, line: str) -> None:
    """A row of a CSV that is none."""
