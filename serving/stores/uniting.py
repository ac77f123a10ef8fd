"""What is held of one person under several tokens becomes one; the law stands in `recsys.contracts.relink`."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from recsys.contracts.preferences import MAX_INTERESTS, Consent, StandingDismissal
from serving.stores.activity import MAX_SHOWN, Activity, Said, Shown
from serving.stores.packed import ROW, add


@dataclass(frozen=True, slots=True)
class Loaded:
    """A row of `subjects`: what was loaded, and every purchase."""

    consents: tuple[str, ...] = ()
    adult: bool | None = None
    interests: tuple[str, ...] = ()
    store: str | None = None
    region: str | None = None
    history: bytes = b""


@dataclass(frozen=True, slots=True)
class Held:
    """Everything under one token but events and what the audit log says. `loaded` is None where no file spoke of it."""

    loaded: Loaded | None = None
    activity: Activity = field(default_factory=Activity)

    def agrees(self, purpose: str) -> bool | None:
        """Yes, no, or never asked. Whoever stands in a file without a purpose has said no to it."""
        said = self.activity.said.consents.get(purpose)
        if said is not None:
            return said.granted
        return None if self.loaded is None else purpose in self.loaded.consents

    def purposes(self) -> set[str]:
        """All that anything is known about."""
        return {*self.activity.said.consents, *(self.loaded.consents if self.loaded else ())}


def united(parts: Sequence[Held], arm: str | None) -> Held:
    """One person of several records, the one whose token stays first.

    Args:
        parts: At least one.
        arm: The one that was assigned first.
    """
    agreed = {purpose for purpose in _purposes(parts) if _agreed(parts, purpose)}
    said = Said(
        consents=_said(parts, agreed),
        interests=_said_interests(parts),
        dismissals=_dismissals(said for one in parts for said in one.activity.said.dismissals.values()),
    )
    shown = Shown(
        exposures=sorted((e for one in parts for e in one.activity.shown.exposures), key=lambda e: (e.at, e.offer_id)),
        reservations=[reserved for one in parts for reserved in one.activity.shown.reservations],
        responses=sorted((r for one in parts for r in one.activity.shown.responses), key=lambda r: (r.at, r.offer_id)),
    )
    del shown.exposures[:-MAX_SHOWN], shown.responses[:-MAX_SHOWN]
    files = [one.loaded for one in parts if one.loaded is not None]
    return Held(_loaded(files, agreed) if files else None, Activity(arm, said, shown))


def _purposes(parts: Iterable[Held]) -> set[str]:
    return {purpose for one in parts for purpose in one.purposes()}


def _agreed(parts: Iterable[Held], purpose: str) -> bool:
    """Somebody said yes, and nobody no."""
    answers = {one.agrees(purpose) for one in parts}
    return True in answers and False not in answers


def _said(parts: Sequence[Held], agreed: set[str]) -> dict[str, Consent]:
    """What was said to the service and still counts: the newest yes where all agree, else the newest no.

    A no is dated as late as anything that was said, so that no older yes, arriving late, comes after it.
    """
    answers: dict[str, list[Consent]] = {}
    for one in parts:
        for purpose, consent in one.activity.said.consents.items():
            answers.setdefault(purpose, []).append(consent)
    kept: dict[str, Consent] = {}
    for purpose, consents in answers.items():
        counting = [consent for consent in consents if consent.granted == (purpose in agreed)]
        if counting:  # else it was a file that said no: the next load speaks for itself
            newest = max(counting, key=lambda consent: consent.at)
            kept[purpose] = msgspec.structs.replace(newest, at=max(consent.at for consent in consents))
    return kept


def _said_interests(parts: Iterable[Held]) -> tuple[str, ...] | None:
    told = [one.activity.said.interests for one in parts if one.activity.said.interests is not None]
    return _in_order(told) if told else None


def _dismissals(every: Iterable[StandingDismissal]) -> dict[str, StandingDismissal]:
    """Every no; of two on the same thing the one that lasts longer."""
    standing: dict[str, StandingDismissal] = {}
    for said in every:
        known = standing.setdefault(said.dismissal_id, said)
        if known.expires is not None and (said.expires is None or said.expires > known.expires):
            standing[said.dismissal_id] = said
    return standing


def _loaded(files: Sequence[Loaded], agreed: set[str]) -> Loaded:
    verified = [one.adult for one in files]
    return Loaded(
        consents=tuple(sorted({purpose for one in files for purpose in one.consents} & agreed)),
        adult=False if False in verified else None if None in verified else True,
        interests=_in_order(one.interests for one in files),
        store=next((one.store for one in files if one.store is not None), None),
        region=next((one.region for one in files if one.region is not None), None),
        history=functools.reduce(_with_history, files[1:], files[0].history),
    )


def _with_history(packed: bytes, one: Loaded) -> bytes:
    return add(packed, np.frombuffer(one.history, ROW)) if one.history else packed


def _in_order(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """All members, each once, as many as a person may have."""
    return tuple(dict.fromkeys(one for members in lists for one in members))[:MAX_INTERESTS]
