"""The gatekeeper: lets a release through, as it is or generalised, or refuses it whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl
import pyarrow.parquet as pq

from pseudonymize.gate import external, internal
from pseudonymize.gate.finished import Finished
from pseudonymize.gate.lines import read_lines
from pseudonymize.gate.settings import GateSettings, ReleaseClass, Setting
from pseudonymize.gate.text_scan import TextFinding, TextScan
from pseudonymize.gate.traces import rules
from pseudonymize.gate.trials import Ground, Trial, same_ground, single_steps
from pseudonymize.gate.verdict import RefusedError, Verdict
from pseudonymize.gate.whose import domain_faults, refuse_own
from recsys.contracts.catalogue import CATALOGUE
from recsys.contracts.recipient import OWN_DOMAIN
from recsys.contracts.table import Origin
from recsys.contracts.token import Lineage
from recsys.errors import ContractError

_NOBODY: Final = (
    "nothing is left of it: no thing was bought by enough people, as the policy's gate.external asks for them"
)


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
        own: The domains of the retailer's own training and serving.
    """

    release: ReleaseClass = ReleaseClass.INTERNAL
    settings: GateSettings = field(default_factory=GateSettings)
    seed: int = 0
    catalogue: Path | None = None
    sensitive: frozenset[str] = frozenset()
    apply: bool = False
    own: frozenset[str] = frozenset({OWN_DOMAIN})

    def __post_init__(self) -> None:
        """Hold the settings of a release for a partner to what no policy loosens."""
        if self.release is ReleaseClass.EXTERNAL:
            self.settings.check_for_partner()

    def new_scan(self) -> TextScan:
        """A scan as the policy asks for it."""
        return TextScan(rules(self.settings.regions, self.settings.national_ids), self.settings.allow)

    def check_domain(self, domain: str) -> None:
        """Raise `UsageError` where a partner would be given the retailer's own tokens."""
        if self.release is ReleaseClass.EXTERNAL:
            refuse_own(domain, self.own)

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

    def judge(
        self,
        finished: Finished,
        scan: TextScan,
        *,
        today: dt.date,
        ground: Callable[[], Ground] | None = None,
        against: Lineage | None = None,
    ) -> Verdict:
        """Judge a release that is there, and change nothing.

        Args:
            finished: The release.
            scan: With the canaries, if any are known; the texts are read from the folder.
            today: Days after this one are refused.
            ground: Reads its lines and the attacker's, once its files were checked; None: the attacker has the same.
            against: Of the attacker's tokens, where those are another release's.

        Raises:
            ContractError: It is not what its contracts say.
        """
        for frame, origin in finished.tables(today):
            scan.add(frame, origin)
        scan = self._with_catalogue(scan)
        if self.release is ReleaseClass.INTERNAL:
            changes = finished.verdict.changes if finished.verdict else ()
            return msgspec.structs.replace(self._internal(finished.folder, scan, changes), lay_there=True)
        faults = domain_faults(finished.lineage, self.own, against)
        return self._judged(finished, scan, ground() if ground else self.ground(finished.folder), faults)

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
            faults=() if drawn.trial.subjects else (_NOBODY,),
            steps=steps,
            proposals=proposals,
        )
        return verdict, external.write(folder, ground, drawn) if verdict.passed else 0

    def _judged(self, finished: Finished, scan: TextScan, ground: Ground, faults: list[str]) -> Verdict:
        folder, made = finished.folder, finished.made
        trial, figures, more = external.judged(folder, ground, made or Setting())
        search = made is None and (bool(more) or not all(figure.passes for figure in figures))
        whole = self.ground(folder) if search else ground
        return Verdict(
            release=self.release,
            settings=self.settings,
            subjects=trial.subjects,
            rows=_rows(folder),
            figures=tuple(figures),
            texts=scan.findings(),
            faults=(*faults, *more),
            canaries=len(scan.canaries),
            changes=external.changes(made, self.settings.k) if made else (),
            made=made,
            lay_there=True,
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
