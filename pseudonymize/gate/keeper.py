"""The gatekeeper: lets a release through, as it is or generalised, or refuses it whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from pseudonymize.gate import external, internal
from pseudonymize.gate.lines import frames, read_lines
from pseudonymize.gate.settings import GateSettings, ReleaseClass, Setting
from pseudonymize.gate.text_scan import TextFinding, TextScan
from pseudonymize.gate.traces import rules
from pseudonymize.gate.trials import Ground, Trial, same_ground, single_steps
from pseudonymize.gate.verdict import RefusedError, Verdict
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.table import Origin
from recsys.errors import ContractError


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """What one release must hold to.

    Args:
        release: Whom it is for.
        settings: What the policy asks.
        seed: Of what is drawn to be released. Secret: who knows it can draw the same again.
        catalogue: Says what an item belongs to. Its texts are scanned with the rest.
        sensitive: The attributes of people that are sensitive.
        apply: Whether a release that is refused as it is goes out as the gate proposes.
    """

    release: ReleaseClass = ReleaseClass.INTERNAL
    settings: GateSettings = field(default_factory=GateSettings)
    seed: int = 0
    catalogue: Path | None = None
    sensitive: frozenset[str] = frozenset()
    apply: bool = False

    def new_scan(self) -> TextScan:
        """A scan as the policy asks for it."""
        return TextScan(rules(self.settings.regions, self.settings.national_ids), self.settings.allow)

    def let_through(self, folder: Path, scan: TextScan) -> tuple[Verdict, int]:
        """Generalise the tables in `folder` and judge them; the verdict, and how many purchases went.

        Args:
            folder: Parquet files of a release, named by their contracts. They are changed in place.
            scan: Has seen every text that came, and the canaries.

        Raises:
            RefusedError: The release may not go out.
        """
        if self.release is ReleaseClass.INTERNAL:
            changes, gone = internal.generalise(folder, self.settings, self._paths())
            verdict = self._internal(folder, self._with_catalogue(scan), changes)
        else:
            verdict, gone = self._external(folder, scan)
        if not verdict.passed:
            raise RefusedError(verdict)
        return verdict, gone

    def judge(self, folder: Path, scan: TextScan, *, made: Setting | None, ground: Ground | None) -> Verdict:
        """Judge a release that is there, and change nothing.

        Args:
            folder: Its folder.
            scan: With the canaries, if any are known; the texts are read from the folder.
            made: How it was generalised; None where it was not.
            ground: Its lines and the attacker's; None: the attacker has the same.
        """
        for path in sorted(folder.glob("*.parquet")):
            begin = 1
            for frame in frames(path):
                rows = pl.int_range(begin, begin + frame.height, eager=True)
                scan.add(frame, Origin(path.name, rows))
                begin += frame.height
        scan = self._with_catalogue(scan)
        if self.release is ReleaseClass.INTERNAL:
            return self._internal(folder, scan, ())
        return self._judged(folder, scan, made, ground)

    def ground(self, folder: Path) -> Ground:
        """The purchases of a folder, which the attacker has, too."""
        if not (folder / internal.PURCHASES_FILE).is_file():
            raise ContractError(
                "has no purchases", where="the release", mend="An external release is made of purchases"
            )
        return same_ground(read_lines(folder / internal.PURCHASES_FILE), self._paths(), self.settings)

    def _internal(self, folder: Path, scan: TextScan, changes: tuple[str, ...]) -> Verdict:
        figures = internal.attribute_figures(folder, self.settings, self.sensitive, held=False)
        of_purchases, subjects = internal.purchase_figures(folder, self.settings)
        return Verdict(
            release=self.release,
            settings=self.settings,
            subjects=subjects,
            rows=_rows(folder),
            figures=tuple(figures + of_purchases),
            texts=scan.findings(),
            canaries=len(scan.canaries),
            changes=changes,
        )

    def _external(self, folder: Path, scan: TextScan) -> tuple[Verdict, int]:
        ground, wanted = self.ground(folder), self.settings.external
        drawn = external.draw(ground, wanted.setting, seed=self.seed)
        steps: tuple[Trial, ...] = ()
        proposals: tuple[Trial, ...] = ()
        if not drawn.trial.passes(wanted.limit):
            steps, proposals = tuple(single_steps(ground)), external.proposals(ground)
            if self.apply or wanted.apply:
                drawn = self._first_that_passes(ground, proposals) or drawn
        verdict = Verdict(
            release=self.release,
            settings=self.settings,
            subjects=drawn.trial.subjects,
            rows=drawn.trial.points,
            figures=tuple(external.trial_figures(drawn.trial, wanted.limit)),
            texts=self._texts_of(ground, drawn, scan),
            canaries=len(scan.canaries),
            changes=external.changes(drawn.trial.setting, self.settings.k),
            made=drawn.trial.setting,
            steps=steps,
            proposals=proposals,
        )
        return verdict, external.write(folder, ground, drawn) if verdict.passed else 0

    def _judged(self, folder: Path, scan: TextScan, made: Setting | None, ground: Ground | None) -> Verdict:
        whole = self.ground(folder)
        trial, figures, faults = external.judged(folder, ground or whole, made or Setting())
        refused = bool(faults) or not all(figure.passes for figure in figures)
        search = refused and made is None
        return Verdict(
            release=self.release,
            settings=self.settings,
            subjects=trial.subjects,
            rows=_rows(folder),
            figures=tuple(figures),
            texts=scan.findings(),
            faults=tuple(faults),
            canaries=len(scan.canaries),
            made=made,
            steps=tuple(single_steps(whole)) if search else (),
            proposals=external.proposals(whole) if search else (),
        )

    def _first_that_passes(self, ground: Ground, proposals: tuple[Trial, ...]) -> external.Draw | None:
        """What is drawn to be released is not what was drawn to search: it is measured anew."""
        for number, trial in enumerate(proposals):
            drawn = external.draw(ground, trial.setting, seed=self.seed + number)
            if drawn.trial.passes(self.settings.external.limit):
                return drawn
        return None

    def _texts_of(self, ground: Ground, drawn: external.Draw, scan: TextScan) -> tuple[TextFinding, ...]:
        """What goes is scanned; what came and does not go is not."""
        names = drawn.labels.names.gather(np.unique(drawn.histories.labels))
        scan = TextScan(scan.rules, scan.allowed, scan.canaries)
        scan.add(names.to_frame("item"), Origin(internal.PURCHASES_FILE))
        counted = external.popularity_of(ground)
        if counted is not None:
            scan.add(counted.select("category"), Origin(external.POPULARITY_FILE))
        return scan.findings()

    def _with_catalogue(self, scan: TextScan) -> TextScan:
        if self.catalogue is not None:
            scan.add(CATALOGUE.read(self.catalogue), Origin(str(self.catalogue)))
        return scan

    def _paths(self) -> pl.DataFrame | None:
        if self.catalogue is None:
            return None
        return CATALOGUE.read(self.catalogue).select("item", "category")


def _rows(folder: Path) -> int:
    path = folder / internal.PURCHASES_FILE
    return int(pq.read_metadata(path).num_rows) if path.is_file() else 0
