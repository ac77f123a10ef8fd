"""Judging a release that lies in a folder, and making another one of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.domains import Mover
from pseudonymize.fields import FieldPolicy
from pseudonymize.gate import external, internal
from pseudonymize.gate.keeper import Gatekeeper
from pseudonymize.gate.lines import Lines, tokens_in
from pseudonymize.gate.release import seal
from pseudonymize.gate.settings import Setting
from pseudonymize.gate.text_scan import TextScan
from pseudonymize.gate.trials import Ground
from pseudonymize.gate.verdict import GATE_FILE, RefusedError, Verdict
from pseudonymize.matching import matched
from pseudonymize.naming import naming_cells
from pseudonymize.report_page import page
from pseudonymize.run import GENERALISED, REPORT_FILE
from pseudonymize.vault import Vault
from recsys.contracts.document import decode_document, encode_document
from recsys.contracts.release import RELEASE_FILE, Release
from recsys.contracts.token import Lineage
from recsys.errors import ContractError, UsageError
from recsys.files import new_folder, sha256_of, write_text

_COMPARABLE: Final = 0.5


def release_in(folder: Path) -> Release:
    """The release in a folder.

    Raises:
        ContractError: There is none, or its files are not those that it names.
    """
    path = folder / RELEASE_FILE
    if not path.is_file():
        raise ContractError("is not a release", where=str(folder), mend="Name the folder that `run` wrote")
    release = decode_document(path.read_bytes(), Release, where=str(path))
    present = {file.name for file in folder.glob("*.parquet")}
    changed = [
        name for name, digest in release.files.items() if name not in present or sha256_of(folder / name) != digest
    ]
    if changed or present - set(release.files):
        name = min([*changed, *(present - set(release.files))])
        raise ContractError("is not as release.json names it", where=str(folder / name), mend="Make the release again")
    return release


def made_by(folder: Path) -> Setting | None:
    """How an external release was generalised; None where `folder` holds none."""
    path = folder / GATE_FILE
    return decode_document(path.read_bytes(), Verdict, where=str(path)).made if path.is_file() else None


def learn_names(scan: TextScan, policy: FieldPolicy, files: Iterable[Path]) -> None:
    """Take the names of raw files as canaries."""
    for table, file in matched(files, policy):
        for batch in file.batches(_passed_over):
            scan.canaries.add(naming_cells(table, batch))


def ground_against(keeper: Gatekeeper, folder: Path, own: Path, made: Setting, vault: Vault | None) -> Ground:
    """The release in `folder` before an attacker who has the one in `own`.

    Args:
        keeper: With the catalogue that the release was made with, where its items are categories.
        folder: The release.
        own: The retailer's own.
        made: How the release was generalised.
        vault: Tells whose tokens are whose, where the two are of different domains or epochs.

    Raises:
        UsageError: The tokens differ and there is no vault.
        ContractError: The two have hardly an item in common, so that nothing would be found.
    """
    ground = keeper.ground(folder)
    theirs = keeper.ground(own)
    attacker = external.relabelled(theirs.lines, made.level, theirs.paths)
    shared = len(set(ground.lines.items) & set(attacker.items)) / max(len(ground.lines.items), 1)
    if shared < _COMPARABLE:
        mend = "Name the catalogue that it was made with, or the release that it was made of"
        raise ContractError(f"shares {shared:.0%} of its items with the release", where=str(own), mend=mend)
    people = _people_as(folder, _lineage(folder), _lineage(own), vault)
    return replace(ground, own=attacker, truth=_truth(ground.lines, people, attacker))


def remade(keeper: Gatekeeper, folder: Path, out: Path, scan: TextScan) -> Verdict:
    """Make an external release of the one in `folder`, in the new folder `out`, whole or not at all.

    Raises:
        RefusedError: Nothing that was tried passes.
        OutputError: `out` is not empty, or cannot be written.
    """
    release = release_in(folder)
    with new_folder(out) as beside:
        for name in release.files:
            shutil.copyfile(folder / name, beside / name)
        verdict, gone = keeper.let_through(beside, scan)
        dropped = release.dropped | {GENERALISED: gone}
        made = seal(beside, msgspec.structs.replace(release, dropped=dropped))
        write_text(beside / GATE_FILE, encode_document(verdict).decode())
        write_text(beside / REPORT_FILE, page(verdict, release=made))
    return verdict


def refused(verdict: Verdict) -> None:
    """Raise `RefusedError` where the gate says no."""
    if not verdict.passed:
        raise RefusedError(verdict)


def _lineage(folder: Path) -> Lineage:
    release = release_in(folder)
    return Lineage(release.domain, release.epoch)


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
