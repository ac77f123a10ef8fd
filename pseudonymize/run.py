"""A run: raw files in, a release out. Everything is checked before a byte is written under its final name."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pseudonymize.cmac import self_test
from pseudonymize.fields import Feed, FieldPolicy, Table
from pseudonymize.gate.contract import Origin, checked
from pseudonymize.gate.never import NEVER, ZERO_QUANTITY, Never, dropped_purchases
from pseudonymize.gate.people import People
from pseudonymize.gate.release import ReleaseWriter
from pseudonymize.inputs import RawFile
from pseudonymize.matching import matched
from pseudonymize.report import RunReport, Tally
from pseudonymize.rows import Converter, Rows, fed_columns
from pseudonymize.tokeniser import Tokeniser
from recsys.console import step
from recsys.files import new_folder

_ONE_ROW_EACH: Final = frozenset({Feed.SUBJECTS, Feed.DEMOGRAPHICS})


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is given, beside its files.

    Args:
        policy: What becomes of the columns.
        tokeniser: Makes the tokens.
        never: The items whose purchases are dropped.
        today: Days after this one are refused.
    """

    policy: FieldPolicy
    tokeniser: Tokeniser
    never: Never
    today: dt.date

    def write(self, inputs: Sequence[Path], out: Path) -> RunReport:
        """Write the release of `inputs` into the new folder `out`, whole or not at all.

        Raises:
            ContractError: A raw file that does not fit the field policy or, converted, its contract.
            OutputError: `out` is not empty or cannot be written.
            RecsysError: The self-test failed, or two identifiers have one token.
        """
        self_test()
        files = matched(inputs, self.policy)
        with new_folder(out) as beside, ReleaseWriter(beside, fed_columns(self.policy)) as writer:
            gate = _Gate(self, writer)
            for table, file in files:
                with step(f"{table.name}: {file.path.name}"):
                    gate.admit(table, file)
            gate.check()
            release = writer.finish(
                self.tokeniser.lineage,
                field_policy=self.policy.sha256,
                guard_policy=self.never.policy,
                dropped=gate.dropped,
            )
        return RunReport(release=release, tables=tuple(tally.report() for tally in gate.tallies.values()))


class _Gate:
    """Reads files batch by batch, converts, checks and writes; counts what it saw."""

    def __init__(self, run: Run, writer: ReleaseWriter) -> None:
        self._run = run
        self._writer = writer
        self._converter = Converter(run.tokeniser, run.today)
        self._people: defaultdict[str, People] = defaultdict(People)
        self.tallies: dict[str, Tally] = {}
        reasons = [NEVER] * (run.never.policy is not None)
        reasons += [ZERO_QUANTITY] * any(table.drop_zero_quantity for table in run.policy.tables)
        self.dropped = Counter(dict.fromkeys(reasons, 0))

    def admit(self, table: Table, file: RawFile) -> None:
        """Pass one file."""
        tally = self.tallies.setdefault(table.name, Tally(table, self._run.tokeniser.lineage))
        for batch in file.batches():
            tally.add(batch.frame)
            for rows in self._converter.rows(table, batch, file.path):
                self._pass(table, rows)

    def check(self) -> None:
        """What only the whole run can show."""
        for people in self._people.values():
            people.check()
        self._run.tokeniser.check_collisions()
        for tally in self.tallies.values():
            tally.check_cardinality()

    def _pass(self, table: Table, rows: Rows) -> None:
        if rows.contract.name == Feed.PURCHASES:
            keep, counts = dropped_purchases(rows.frame, self._run.never, zero_quantity=table.drop_zero_quantity)
            self.dropped.update(counts)  # `+=` would forget the reasons that dropped nothing
            origin = Origin(rows.origin.path, rows.origin.rows.filter(keep), rows.origin.columns)
            rows = Rows(rows.contract, rows.frame.filter(keep), origin)
        frame = checked(rows.contract, rows.frame, rows.origin, today=self._run.today)
        if rows.contract.name == table.feeds and table.feeds in _ONE_ROW_EACH:
            group = rows.origin.columns.get("group", "")  # the attribute's column, where there are demographics only
            self._people[f"{table.feeds} {group}"].add(frame["subject"], rows.origin)
        self._writer.write(rows.contract, frame)
