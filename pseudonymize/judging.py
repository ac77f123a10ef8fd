"""Judging a release that lies in a folder, and making another one of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.domains import Mover, redomain
from pseudonymize.fields import FieldPolicy
from pseudonymize.gate import external, internal
from pseudonymize.gate.finished import Finished, finished_in
from pseudonymize.gate.keeper import Gatekeeper
from pseudonymize.gate.lines import Lines, tokens_in
from pseudonymize.gate.papers import digest, papers_of
from pseudonymize.gate.release import seal
from pseudonymize.gate.settings import ReleaseClass, Setting
from pseudonymize.gate.text_scan import TextScan
from pseudonymize.gate.trials import Ground
from pseudonymize.gate.verdict import RefusedError, Verdict
from pseudonymize.matching import matched
from pseudonymize.naming import naming_cells
from pseudonymize.report_page import page
from pseudonymize.run import GENERALISED, SUPPRESSED
from pseudonymize.vault import Vault
from recsys.contracts.release import Release
from recsys.contracts.token import Lineage
from recsys.errors import ContractError, UsageError
from recsys.files import check_new, new_folder

_COMPARABLE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Partner:
    """Whom a release is made for: the domain that is to be the partner's, and the vault that makes its tokens."""

    domain: str
    vault: Vault


def learn_names(scan: TextScan, policy: FieldPolicy, files: Iterable[Path]) -> None:
    """Take the names of raw files as canaries."""
    for table, file in matched(files, policy):
        for batch in file.batches(_passed_over):
            scan.canaries.add(naming_cells(table, batch))


def judged(
    keeper: Gatekeeper, finished: Finished, scan: TextScan, today: dt.date, *, own: Path | None, vault: Vault | None
) -> Verdict:
    """Judge a release that lies in a folder.

    Args:
        keeper: With the catalogue that the release was made with, where its items are categories.
        finished: The release.
        scan: With the canaries, if any are known.
        today: Days after this one are refused.
        own: The retailer's own release, which the attacker has; None: the attacker has the same.
        vault: Tells whose tokens are whose, where the two are of different domains or epochs.

    Raises:
        UsageError: The tokens differ and there is no vault.
        ContractError: A file is not what its contract says; or the two have hardly an item or a person in common, so
            that nothing would be found.
    """
    if own is None:
        return keeper.judge(finished, scan, today=today)
    theirs = finished_in(own)
    _check_purchases(theirs, today)
    ground = partial(_ground_against, keeper, finished, theirs, vault)
    return keeper.judge(finished, scan, today=today, ground=ground, against=theirs.lineage)


def remade(
    keeper: Gatekeeper, finished: Finished, out: Path, scan: TextScan, today: dt.date, partner: Partner
) -> tuple[Verdict, Release]:
    """Make an external release of `finished`, in the new folder `out` and with tokens of the partner's own.

    Returns:
        What the gate says, and the release, with what did not go, which the release itself does not tell.

    Raises:
        ContractError: The release is not what its contracts say.
        RefusedError: Nothing that was tried passes.
        OutputError: `out` is not empty, or cannot be written.
        UsageError: The partner's domain is the retailer's own.
    """
    keeper.check_domain(partner.domain)
    _check_purchases(finished, today)
    papers = papers_of(out, ReleaseClass.EXTERNAL)
    with papers.with_release(), new_folder(out) as beside:
        lineage, suppressed = _moved(finished, beside, partner)
        verdict, gone = keeper.let_through(beside, scan)
        made = msgspec.structs.replace(
            finished.release, domain=lineage.domain, epoch=lineage.epoch, dropped={}, gate=digest(verdict)
        )
        dropped = finished.release.dropped | {GENERALISED: gone} | ({SUPPRESSED: suppressed} if suppressed else {})
        told = msgspec.structs.replace(seal(beside, made), dropped=dropped)
        check_new(out)  # another run may have taken the name, and has papers of its own
        papers.write(verdict, page(verdict, release=told))
    return verdict, told


def refused(verdict: Verdict) -> None:
    """Raise `RefusedError` where the gate says no."""
    if not verdict.passed:
        raise RefusedError(verdict)


def _check_purchases(finished: Finished, today: dt.date) -> None:
    if internal.PURCHASES_FILE in finished.release.files:  # what is made of one without any says so
        for _ in finished.tables(today, names=[internal.PURCHASES_FILE]):
            pass


def _moved(finished: Finished, beside: Path, partner: Partner) -> tuple[Lineage, int]:
    """Put the purchases into `beside` with the partner's tokens; their lineage, and how many rows were suppressed."""
    source, copy = finished.folder / internal.PURCHASES_FILE, beside / internal.PURCHASES_FILE
    if partner.domain == finished.lineage.domain:
        mend = "Make it of the retailer's own release: that leaves out whoever was forgotten since"
        raise ContractError(f"has the tokens of {partner.domain} already", where=str(finished.folder), mend=mend)
    if not source.is_file():
        return finished.lineage, 0
    moved = redomain(partner.vault, finished.lineage.domain, partner.domain, source, copy, action="gate")
    if not moved.rows:
        raise ContractError("holds nobody who was not forgotten", where=str(source), mend="There is nothing to give")
    return partner.vault.current(partner.domain).lineage, moved.suppressed


def _ground_against(keeper: Gatekeeper, finished: Finished, own: Finished, vault: Vault | None) -> Ground:
    """The release before an attacker who has the other one."""
    ground, theirs = keeper.ground(finished.folder), keeper.ground(own.folder)
    made = finished.made or Setting()
    attacker = external.relabelled(theirs.lines, made.level, theirs.paths)
    shared = len(set(ground.lines.items) & set(attacker.items)) / max(len(ground.lines.items), 1)
    if shared < _COMPARABLE:
        mend = "Name the catalogue that it was made with, or the release that it was made of"
        raise ContractError(f"shares {shared:.0%} of its items with the release", where=str(own.folder), mend=mend)
    people = _people_as(finished.folder, finished.lineage, own.lineage, vault)
    truth = _truth(ground.lines, people, attacker)
    found = float((truth >= 0).mean()) if len(truth) else 0.0
    if found < _COMPARABLE:
        mend = "Name the vault whose tokens both are, and the release of the same people"
        raise ContractError(f"has {found:.0%} of the release's people", where=str(own.folder), mend=mend)
    return replace(ground, own=attacker, truth=truth)


def _people_as(folder: Path, source: Lineage, target: Lineage, vault: Vault | None) -> pl.DataFrame:
    """For each of the release's people the hash of their token, and that of the token which the attacker has."""
    tokens = tokens_in(folder / internal.PURCHASES_FILE)
    moved = tokens
    if source != target:
        if vault is None:
            what = f"the release has tokens of {source}, the other of {target}"
            raise UsageError(what, where="--against", mend="Give --vault: only the custodian knows whose are whose")
        records = vault.record
        moved, _ = Mover(vault, records.epoch(source), records.epoch(target), action="gate", join=False).moved(tokens)
    return pl.DataFrame({"hash": tokens.hash(), "theirs": moved.hash()})


def _truth(lines: Lines, people: pl.DataFrame, attacker: Lines) -> NDArray[np.int64]:
    ours = pl.DataFrame({"hash": lines.people}).join(people, on="hash", how="left", maintain_order="left")
    theirs = pl.DataFrame({"theirs": attacker.people, "place": np.arange(len(attacker.people))})
    places = ours.join(theirs, on="theirs", how="left", maintain_order="left")["place"]
    return places.fill_null(-1).to_numpy()


def _passed_over(row: int, why: str, line: str) -> None:
    """A row of a CSV that is none: nothing of it passes."""
