"""Preferences: what a person told the service. A consent has a time and a source; a no has a reason and may end."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

import msgspec

from recsys.contracts.names import Name
from recsys.contracts.state import ConsentedPurpose, DismissalScope, Instant

MAX_DISMISSALS: Final = 1000  # of one person; none is ever dropped to make room
MAX_INTERESTS: Final = 100

LOADED: Final = "load"  # the source of a consent that stands in a loaded subjects file

DismissalId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$")]
DismissedValue = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Interests = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=256)], ...], msgspec.Meta(max_length=MAX_INTERESTS)
]


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A document, or a part of one."""


class Consent(_Document, frozen=True, kw_only=True):
    """A yes or a no to one purpose: when it was said, and to whom (`source`: the form, the till, the app's version)."""

    granted: bool
    at: Instant
    source: Name


class StandingDismissal(_Document, frozen=True, kw_only=True):
    """A no that was said. Its `dismissal_id` follows from scope and value: said twice, it stands there once."""

    dismissal_id: DismissalId
    scope: DismissalScope
    value: DismissedValue
    at: Instant
    expires: Instant | None = None
    reason: Name | None = None


class NewDismissal(_Document, frozen=True, kw_only=True):
    """A no that is being said now."""

    scope: DismissalScope
    value: DismissedValue
    expires: Instant | None = None
    reason: Name | None = None


class Preferences(_Document, frozen=True, kw_only=True):
    """All that holds now. A purpose that is not named was never spoken about, which means no."""

    consents: dict[ConsentedPurpose, Consent] = {}
    interests: Interests = ()
    dismissals: tuple[StandingDismissal, ...] = ()


class PreferencesChange(_Document, frozen=True, kw_only=True):
    """What is to change; what is not named stays.

    Of two consents to one purpose the later one holds, in whatever order they arrive; at the same instant, the no.
    `interests` takes the place of all that were declared. `undo` takes dismissals back; one that does not stand there
    changes nothing.
    """

    consents: Annotated[dict[ConsentedPurpose, Consent], msgspec.Meta(max_length=64)] = {}
    interests: Interests | None = None
    dismiss: Annotated[tuple[NewDismissal, ...], msgspec.Meta(max_length=100)] = ()
    undo: Annotated[tuple[DismissalId, ...], msgspec.Meta(max_length=MAX_DISMISSALS)] = ()


def dismissal_id(scope: DismissalScope, value: str) -> str:
    """The name of a no: the first 16 hexadecimal digits of SHA-256(scope, 0x00, value)."""
    return hashlib.sha256(scope.encode() + b"\0" + value.encode()).hexdigest()[:16]
