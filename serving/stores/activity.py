"""What came through the service about one person, as it lies in the store: two short strings of bytes.

`said`: consents, interests, dismissals. `shown`: exposures, reservations, responses, oldest first, the newest
`MAX_SHOWN` of each. Packed as MessagePack arrays, without the names of fields.
"""

from __future__ import annotations

import datetime as dt
from bisect import insort
from dataclasses import dataclass, field
from typing import Final

import msgspec

from recsys.contracts.preferences import Consent, StandingDismissal
from recsys.contracts.state import Dismissal, Exposure, Reservation, Response, ResponseKind

MAX_SHOWN: Final = 1000
KEPT: Final = dt.timedelta(days=7)  # an expired reservation: long enough to tell that its exposure comes late


class Said(msgspec.Struct, array_like=True):
    """Interests are None while nobody declared any to the service: then those that were loaded hold."""

    consents: dict[str, Consent] = {}
    interests: tuple[str, ...] | None = None
    dismissals: dict[str, StandingDismissal] = {}


class ShownOffer(msgspec.Struct, array_like=True):
    """An exposure."""

    at: dt.datetime
    offer_id: str
    channel: str
    categories: tuple[str, ...]
    decision_id: str | None


class ReservedOffer(msgspec.Struct, array_like=True):
    """A reservation."""

    at: dt.datetime
    offer_id: str
    channel: str
    categories: tuple[str, ...]
    decision_id: str
    expires: dt.datetime


class Answered(msgspec.Struct, array_like=True):
    """A response."""

    at: dt.datetime
    offer_id: str
    kind: ResponseKind


class Shown(msgspec.Struct, array_like=True):
    """What the person was shown, is about to be shown, and did about it."""

    exposures: list[ShownOffer] = []
    reservations: list[ReservedOffer] = []
    responses: list[Answered] = []


_PACK: Final = msgspec.msgpack.Encoder()
_SAID: Final = msgspec.msgpack.Decoder(Said)
_SHOWN: Final = msgspec.msgpack.Decoder(Shown)


@dataclass(slots=True)
class Activity:
    """One person's, unpacked."""

    arm: str | None = None
    said: Said = field(default_factory=Said)
    shown: Shown = field(default_factory=Shown)

    def show(self, one: ShownOffer) -> None:
        """Add an exposure at its time."""
        insort(self.shown.exposures, one, key=_when)
        del self.shown.exposures[:-MAX_SHOWN]

    def answer(self, one: Answered) -> None:
        """Add a response at its time."""
        insort(self.shown.responses, one, key=_when)
        del self.shown.responses[:-MAX_SHOWN]

    def reserve(self, one: ReservedOffer, now: dt.datetime) -> None:
        """Add a reservation; those that expired long ago go."""
        kept = [other for other in self.shown.reservations if other.expires > now - KEPT]
        self.shown.reservations = [*kept, one]

    def take_reservation(self, decision_id: str | None, offer_id: str) -> ReservedOffer | None:
        """Remove and return the reservation whose exposure happened."""
        for position, one in enumerate(self.shown.reservations):
            if one.decision_id == decision_id and one.offer_id == offer_id:
                return self.shown.reservations.pop(position)
        return None


def pack_said(said: Said) -> bytes:
    """For the store."""
    return _PACK.encode(said)


def pack_shown(shown: Shown) -> bytes:
    """For the store."""
    return _PACK.encode(shown)


def unpack_said(packed: bytes | None) -> Said:
    """From the store; nothing was said where there is nothing."""
    return _SAID.decode(packed) if packed else Said()


def unpack_shown(packed: bytes | None) -> Shown:
    """From the store."""
    return _SHOWN.decode(packed) if packed else Shown()


def exposures_of(shown: Shown) -> tuple[Exposure, ...]:
    """As the contract has them."""
    return tuple(
        Exposure(
            offer_id=one.offer_id,
            at=one.at,
            channel=one.channel,
            categories=one.categories,
            decision_id=one.decision_id,
        )
        for one in shown.exposures
    )


def reservations_of(shown: Shown) -> tuple[Reservation, ...]:
    """As the contract has them, expired ones too: who decides knows the time."""
    return tuple(
        Reservation(
            offer_id=one.offer_id, at=one.at, expires=one.expires, channel=one.channel, categories=one.categories
        )
        for one in shown.reservations
    )


def responses_of(shown: Shown) -> tuple[Response, ...]:
    """As the contract has them."""
    return tuple(Response(offer_id=one.offer_id, at=one.at, kind=one.kind) for one in shown.responses)


def dismissals_of(said: Said) -> tuple[Dismissal, ...]:
    """As the contract has them."""
    return tuple(
        Dismissal(scope=one.scope, value=one.value, at=one.at, expires=one.expires) for one in said.dismissals.values()
    )


def _when(one: ShownOffer | Answered) -> tuple[dt.datetime, str]:
    return one.at, one.offer_id
