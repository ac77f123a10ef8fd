"""A run: raw files in, a release out. Everything is checked before a byte is written under its final name."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from pseudonymize.distinct import Coded
from pseudonymize.fields import BadRows, Consent, Feed, FieldPolicy, Table
from pseudonymize.gate.contract import checked
from pseudonymize.gate.joining import Joining
from pseudonymize.gate.keeper import Gatekeeper
from pseudonymize.gate.never import NEVER, ZERO_QUANTITY, Never, dropped_purchases
from pseudonymize.gate.papers import digest, papers_of
from pseudonymize.gate.people import People
from pseudonymize.gate.release import ReleaseWriter
from pseudonymize.gate.settings import ReleaseClass
from pseudonymize.gate.text_scan import TextFinding
from pseudonymize.gate.verdict import Verdict
from pseudonymize.inputs import RawFile
from pseudonymize.matching import matched
from pseudonymize.naming import naming_cells
from pseudonymize.partner_report import for_partner
from pseudonymize.quarantine import Quarantine
from pseudonymize.report import RunReport, Tally, field_reports
from pseudonymize.report_page import page
from pseudonymize.rows import Converter, Rows, fed_columns
from pseudonymize.set_aside import SetAside
from pseudonymize.tokeniser import FieldCount, Tokeniser
from recsys.console import step, warn
from recsys.contracts.release import Release
from recsys.contracts.table import TableContract
from recsys.errors import ContractError
from recsys.files import check_new, new_folder

SUPPRESSED: Final = "suppressed"
QUARANTINED: Final = "in quarantine"
JOINED: Final = "joined with another row of the same person"
GENERALISED: Final = "left out by the release gate"
Passed = Callable[[TableContract, pl.DataFrame, Mapping[str, Coded]], None]
"""Takes rows that passed, and those of their columns that are known by distinct values."""
_ONE_ROW_EACH: Final = frozenset({Feed.SUBJECTS, Feed.DEMOGRAPHICS})


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is given, beside its files.

    Args:
        policy: What becomes of the columns.
        tokeniser: Makes the tokens.
        never: The items whose purchases are dropped.
        today: Days after this one are refused.
        vault: The folder that rows go to that could not be read.
        keeper: What the release must hold to.
    """

    policy: FieldPolicy
    tokeniser: Tokeniser
    never: Never
    today: dt.date
    vault: Path
    keeper: Gatekeeper = field(default_factory=Gatekeeper)

    def write(self, inputs: Sequence[Path], out: Path) -> RunReport:
        """Write the release of `inputs` into the new folder `out`, whole or not at all.

        Raises:
            ContractError: A raw file that does not fit the field policy or, converted, its contract.
            OutputError: `out` is not empty or cannot be written.
            RefusedError: The release gate says no.
            UsageError: A partner would be given tokens of the retailer's own domain.
            RecsysError: Two identifiers have one token.
        """
        self.keeper.check_domain(self.tokeniser.lineage.domain)
        files, papers = matched(inputs, self.policy), papers_of(out, self.keeper.release)
        with (
            papers.with_release(),
            Quarantine(self.vault, str(self.today)) as quarantine,
            new_folder(out) as beside,
            ReleaseWriter(beside, fed_columns(self.policy)) as writer,
        ):
            gate = Gate(self, writer.write, quarantine)
            gate.admit_all(files)
            fields = gate.check()
            writer.close()
            verdict = gate.pass_release(beside)
            release = writer.finish(
                self.tokeniser.lineage,
                field_policy=self.policy.sha256,
                guard_policy=self.never.policy,
                dropped={} if self.keeper.release is ReleaseClass.EXTERNAL else gate.dropped,
                gate=digest(verdict),
            )
            quarantine.keep()  # before the release takes its name: no row is in neither
            told = msgspec.structs.replace(release, dropped=dict(gate.dropped))
            report = gate.report(told, fields, verdict)
            check_new(out)  # another run may have taken the name, and has papers of its own
            mine = papers if papers.beside else papers_of(out, self.keeper.release, beside=beside)
            mine.write(verdict, page(verdict, report))
        return report


class Gate:
    """Reads files batch by batch, converts, checks and passes on; counts what it saw."""

    def __init__(self, run: Run, passed: Passed, quarantine: Quarantine) -> None:
        self._run = run
        self._passed = passed
        self._converter = Converter(run.tokeniser, run.today)
        self._people: defaultdict[str, People] = defaultdict(People)
        self._joining: dict[str, Joining] = {}
        self.tallies: dict[str, Tally] = {}
        self.quarantine = quarantine
        self._scan = run.keeper.new_scan()
        reasons = [NEVER] * (run.never.policy is not None)
        reasons += [ZERO_QUANTITY] * any(table.drop_zero_quantity for table in run.policy.tables)
        reasons += [SUPPRESSED] * run.tokeniser.knows_suppressed
        self.dropped = Counter(dict.fromkeys(reasons, 0))

    def admit_all(self, files: Iterable[tuple[Table, RawFile]]) -> None:
        """Pass every file, one after the other."""
        for table, file in files:
            with step(f"{table.name}: {file.path.name}"):
                self._admit(table, file)

    def check(self) -> dict[str, FieldCount]:
        """What only the whole run can show; the counts of each field."""
        self._check_every_consent()
        for joining in self._joining.values():
            frame, before = joining.rows()
            self.dropped[JOINED] += before - len(frame)
            _warn_of_partial(joining)
            self._passed(joining.contract, frame, {})
        for people in self._people.values():
            people.check()
        counts = self._run.tokeniser.check_collisions()
        for tally in self.tallies.values():
            tally.check_cardinality()
        if self.quarantine.rows:
            self.dropped[QUARANTINED] = self.quarantine.rows
        return counts

    def pass_release(self, folder: Path) -> Verdict:
        """Take the tables in `folder` through the release gate, which may change them, or refuse them."""
        with step("Release gate"):
            verdict, gone = self._run.keeper.let_through(folder, self._scan)
        if gone:
            self.dropped[GENERALISED] = gone
        return verdict

    def texts(self) -> tuple[TextFinding, ...]:
        """What gives somebody away in a text that would pass."""
        return self._scan.findings()

    def report(self, release: Release, fields: dict[str, FieldCount], verdict: Verdict) -> RunReport:
        """What came in and what became of it."""
        tables = tuple(tally.report() for tally in self.tallies.values())
        partners = self._run.keeper.release is ReleaseClass.EXTERNAL
        return RunReport(
            release=release,
            tables=for_partner(tables, self._run.policy.tables) if partners else tables,
            fields=field_reports(self._run.policy, fields),
            quarantine=dict(self.quarantine.reasons.most_common()),
            quarantine_folder=str(self.quarantine.folder) if self.quarantine.folder else None,
            gate=verdict,
        )

    def _check_every_consent(self) -> None:
        """Whoever is known by several identifiers may have said no in a table that is not among the files."""
        absent = [one.name for one in self._run.policy.tables if one.feeds == Feed.SUBJECTS]
        absent = [name for name in absent if name not in self.tallies]
        if absent and Feed.SUBJECTS in self._joining:
            raise ContractError(
                f"table {absent[0]!r} is missing, and people who are linked may have said no there",
                where="INPUT",
                mend="Give the files of every table that feeds subjects in one run",
            )

    def _admit(self, table: Table, file: RawFile) -> None:
        lenient = table.bad_rows is BadRows.QUARANTINE
        tally = self.tallies.setdefault(table.name, Tally(table, self._run.tokeniser.lineage))
        kept = 0
        for batch in file.batches(self.quarantine.note if lenient else None):
            aside = SetAside(file.path, lenient)
            if batch.height:
                tally.add(batch)
                self._scan.canaries.add(naming_cells(table, batch))
                for rows in self._converter.rows(table, batch, aside):
                    self._pass(table, rows)
            self.quarantine.add(aside, batch)
            kept += batch.height - len(aside.reasons)
        if not kept:
            why = self.quarantine.reasons.most_common(1)[0][0]
            raise ContractError(
                f"not one of its rows could be read ({why})",
                where=str(file.path),
                mend="Is it the right file, and the right canonical form?",
            )

    def _pass(self, table: Table, rows: Rows) -> None:
        own = rows.contract.name == table.feeds
        rows = rows.filter(rows.origin.kept())
        forgotten = rows.where("subject", self._run.tokeniser.suppressed)
        if forgotten.any():
            self.dropped[SUPPRESSED] += int(forgotten.sum()) * own
            rows = rows.filter(~forgotten)
        if rows.contract.name == Feed.PURCHASES:
            never = rows.where("item", self._run.never.among)
            keep, counts = dropped_purchases(rows.frame, never, zero_quantity=table.drop_zero_quantity)
            self.dropped.update(counts)  # `+=` would forget the reasons that dropped nothing
            rows = rows.filter(keep)
        self._scan.add(rows.frame, rows.origin, rows.coded)
        rows = self._without_linked(table, rows)
        frame = checked(rows.contract, rows.frame, rows.origin, today=self._run.today, coded=rows.coded)
        fit = rows.origin.kept()
        frame, rows = frame if fit.all() else frame.filter(fit), rows.filter(fit)
        if own and table.feeds in _ONE_ROW_EACH:
            group = rows.origin.columns.get("group", "")  # the attribute's column, where there are demographics only
            self._people[f"{table.feeds} {group}"].add(frame["subject"], rows.origin)
        self._passed(rows.contract, frame, rows.coded)

    def _without_linked(self, table: Table, rows: Rows) -> Rows:
        """The rows less those that may stand there once a person, and are of people known by several identifiers."""
        if not rows.contract.unique:
            return rows
        linked = rows.where("subject", self._run.tokeniser.linked)
        if linked.any():
            theirs, contract = rows.filter(linked), rows.contract
            frame = checked(replace(contract, unique=()), theirs.frame, theirs.origin, today=self._run.today)
            asked = [role.purpose for role in table.columns.values() if isinstance(role, Consent)]
            self._joining.setdefault(contract.name, Joining(contract)).add(
                frame.filter(theirs.origin.kept()), asked, table.name
            )
        return rows.filter(~linked)


def _warn_of_partial(joining: Joining) -> None:
    missing = joining.people_not_everywhere()
    if missing:
        warn(
            f"{missing:,} linked people have a row in some, but not in all tables that ask for consents "
            f"({', '.join(joining.askers)}): where one of the files is not complete, a no that stood in it is lost"
        )
