"""Moving `current`: promotion through the gates, and the way back."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from recsys.bundle import Bundle, load_bundle
from recsys.contracts.document import decode_document
from recsys.errors import BundleError, ContractError
from recsys.evaluation.results import RankingResult
from recsys.files import sha256_of
from recsys.registry import current_version
from training.registry.gates import MARGIN, gates
from training.registry.journal import Action, Gate, Move, locked, previous_version, record


@dataclass(frozen=True, slots=True)
class Place:
    """A name in the registry.

    Args:
        folder: `models/<name>`.
        trust: The public key that must have signed what serves.
    """

    folder: Path
    trust: Path

    def load(self, version: str) -> Bundle:
        """A version, verified."""
        return load_bundle(self.folder / version, trust=self.trust)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a promotion.

    Args:
        results: Files of `recsys-evaluate ranking`: of the version, and of the one that serves, on the same windows.
        release: The release or dataset that the version was learned from.
        margin: How much worse than the current version it may rank, as a share.
        force: Why it is to serve although a gate stands in the way; None: it is not.
    """

    results: tuple[Path, ...] = ()
    release: Path | None = None
    margin: float = MARGIN
    force: str | None = None


def promote(place: Place, version: str, evidence: Evidence, *, now: dt.datetime) -> Move:
    """Let a version serve.

    Raises:
        BundleError: It is not what the trusted key signed, or a gate stands in the way and nothing was forced.
    """
    candidate = place.load(version)
    results = tuple(_result(path) for path in evidence.results)
    with locked(place.folder):
        serving = current_version(place.folder)
        current = _serving(place, serving, evidence) if serving != version else None
        asked = gates(candidate, current, results, evidence.release, margin=evidence.margin)
        failed = [gate for gate in asked if not gate.passed]
        if failed and evidence.force is None:
            raise BundleError(
                "does not pass: " + "; ".join(f"{gate.name} ({gate.found})" for gate in failed),
                where=candidate.model_version,
                mend="Mend that, or give --force with a --reason, which is written down",
            )
        hashes = tuple(sha256_of(path) for path in evidence.results)
        move = _move(Action.PROMOTE, version, serving, evidence.force if failed else None, asked, hashes, now)
        record(place.folder, move)
    return move


def rollback(place: Place, version: str | None, reason: str | None, *, now: dt.datetime) -> Move:
    """Let an earlier version serve again: without gates, since it has served, but verified.

    Args:
        place: Where.
        version: Which; None: the one that served before the current one.
        reason: Why, for the journal.
        now: When.

    Raises:
        BundleError: It is not known what served before, or it is not what the trusted key signed.
    """
    with locked(place.folder):
        serving = current_version(place.folder)
        back_to = version or previous_version(place.folder)
        if back_to is None or back_to == serving:
            raise BundleError(
                "the journal does not say what served before",
                where=str(place.folder),
                mend="Name one with --version; recsys-train list shows which there are",
            )
        place.load(back_to)
        move = _move(Action.ROLLBACK, back_to, serving, reason, (), (), now)
        record(place.folder, move)
    return move


def _serving(place: Place, version: str | None, evidence: Evidence) -> Bundle | None:
    """What serves now; one that cannot be verified stands in the way of nothing but an unforced promotion."""
    if version is None:
        return None
    try:
        return place.load(version)
    except BundleError:
        if evidence.force is None:
            raise
        return None


def _move(  # noqa: PLR0913, PLR0917 - a move is of all of these
    action: Action,
    version: str,
    before: str | None,
    reason: str | None,
    asked: tuple[Gate, ...],
    results: tuple[str, ...],
    now: dt.datetime,
) -> Move:
    return Move(
        at=now,
        action=action,
        version=version,
        before=before,
        forced=any(not gate.passed for gate in asked),
        reason=reason,
        gates=asked,
        results=results,
    )


def _result(path: Path) -> RankingResult:
    if not path.is_file():
        raise ContractError("no such file", where=str(path), mend="Name a ranking.json that recsys-evaluate wrote")
    return decode_document(path.read_bytes(), RankingResult, where=str(path))
