"""The decision: an ordered list of offers for one subject, with everything needed to answer for it later."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from recsys.contracts.names import Channel, Name
from recsys.contracts.token import TOKEN_PATTERN

MAX_COUNT: Final = 100

# `gc=False`: the many small parts of decisions hold no cycle, and a batch makes hundreds of thousands of them.


class Fill(StrEnum):
    """Where a list came from, or that it fell short."""

    PERSONAL = "personal"
    SEGMENT = "segment"
    POPULAR = "popular"
    SHORT = "short"
    NONE = "none"


class DecisionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A question for one subject. Asking shows nothing to anyone and changes nothing."""

    subject: Annotated[str, msgspec.Meta(pattern=TOKEN_PATTERN)]
    channel: Channel
    placement: Name | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] = 10
    exclude: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1000)] = ()


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One addend of a score. The contributions of an offer's reasons sum to its score."""

    code: str
    text: str
    contribution: float


class RankedOffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One place of the list. `propensity`: the probability of this offer here, given the places above it."""

    offer_id: str
    rank: int
    score: float
    propensity: float
    reasons: tuple[Reason, ...] = ()


class Decision(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="contract",  # a tag, and not a field, since those that have their default are left out
    tag="decision/1",
):
    """The answer. `withheld` counts offers by the first rule that withheld them; only for callers with that right."""

    decision_id: str
    subject: str
    at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    model_version: str
    policy_version: str
    arm: str
    fill: Fill
    items: tuple[RankedOffer, ...]
    withheld: dict[str, int] | None = None
