"""State: what the guards know of one subject beside the history; the same form from a store, a file, or empty."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated

import msgspec

from recsys.contracts.subjects import PURPOSE_PATTERN, Purpose, channel_purpose

ConsentedPurpose = Annotated[str, msgspec.Meta(pattern=PURPOSE_PATTERN)]
Instant = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class Exposure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An impression that happened, with the offer's categories as they were then: a later tag does not undo a cap."""

    offer_id: str
    at: Instant
    channel: str
    categories: tuple[str, ...]
    decision_id: str | None = None


class Reservation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place taken by a decision for a channel that pushes: counts as an exposure until it expires."""

    offer_id: str
    at: Instant
    expires: Instant
    channel: str
    categories: tuple[str, ...]


class ResponseKind(StrEnum):
    """What a shopper did with an offer, or that nothing came of it."""

    CLICK = "click"
    REDEMPTION = "redemption"
    IGNORED = "ignored"


class Response(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A click or a redemption: whoever responds is not tired of an offer. Or the report that it was ignored."""

    offer_id: str
    at: Instant
    kind: ResponseKind


class DismissalScope(StrEnum):
    """What a shopper said no to."""

    OFFER = "offer"
    ITEM = "item"
    CATEGORY = "category"
    BRAND = "brand"


class Dismissal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A no that holds at once, until it is taken back or expires."""

    scope: DismissalScope
    value: str
    at: Instant
    expires: Instant | None = None


class SensitivePurchase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A dated counter: purchases that guards must count, though the bounded history no longer holds them.

    A negative `quantity` was given back: it is taken off the newest counters of the item before it, and off nothing
    else. Whoever moves purchases out of a history into counters moves their returns with them.
    """

    item: str
    day: dt.date
    quantity: float


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that guards are given about one subject. The empty state knows nothing and allows nothing personal.

    `arm`: `empty`, `popular`, `personal`, or `personal@` or `challenger@` and the trial that it was drawn in.
    """

    consents: frozenset[ConsentedPurpose] = frozenset()
    adult: bool | None = None
    interests: tuple[str, ...] = ()
    store: str | None = None
    region: str | None = None
    exposures: tuple[Exposure, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    responses: tuple[Response, ...] = ()
    dismissals: tuple[Dismissal, ...] = ()
    sensitive_purchases: tuple[SensitivePurchase, ...] = ()
    arm: str | None = None

    @property
    def may_profile(self) -> bool:
        """Whether a personal list was agreed to. Missing means no."""
        return Purpose.PROFILING in self.consents

    def may_use(self, channel: str) -> bool:
        """Whether this channel was agreed to. Missing means no."""
        return channel_purpose(channel) in self.consents


class SubjectState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of a state file: a subject, and everything that guards know of it beside the history."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^state/1$")] = "state/1"
    subject: str  # a token; `parse_token` checks it against the domain in use
    state: State


EMPTY_STATE = State()
