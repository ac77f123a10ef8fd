"""What is asked for over HTTP: a decision's request, and what holds for this one decision only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from starlette.requests import Request

from recsys.contracts.decision import DecisionRequest
from recsys.contracts.names import CHANNEL_PATTERN
from recsys.contracts.state import State
from recsys.contracts.subjects import CHANNEL_PREFIX, Purpose
from recsys.contracts.token import TOKEN_PATTERN

MAX_RESERVE: Final = 86_400  # seconds: a reservation that nobody redeems blocks an offer no longer than a day
OPTED_OUT: Final = frozenset({Purpose.PROFILING, Purpose.TRAINING})  # of what a privacy control signal takes back
DECISION_ID: Final = r"^[0-9a-f]{32}$"  # of decisions that were made here
_SESSION_PATTERN: Final = rf"^(profiling|{CHANNEL_PREFIX}{CHANNEL_PATTERN[1:-1]})$(?!\n)"

Subject = Annotated[str, msgspec.Meta(pattern=TOKEN_PATTERN)]
SessionPurpose = Annotated[str, msgspec.Meta(pattern=_SESSION_PATTERN)]


class DecisionAsk(DecisionRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A question for one subject.

    `reserve_seconds`, for channels that push: take the places now, for so long; they count for the caps as if shown,
    and a retry must not take them twice, so that an Idempotency-Key is needed. `session_consents`: what the person
    agreed to for this session only; it is not remembered. `gpc`: the person's Global Privacy Control signal, relayed;
    it takes consent to profiling away, given for the session or not.
    """

    reserve_seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_RESERVE)] | None = None
    session_consents: Annotated[tuple[SessionPurpose, ...], msgspec.Meta(max_length=16)] = ()
    gpc: bool = False

    def request(self) -> DecisionRequest:
        """What of it the recommender is asked."""
        return DecisionRequest(
            subject=self.subject,
            channel=self.channel,
            placement=self.placement,
            count=self.count,
            exclude=self.exclude,
        )

    def seen(self, state: State) -> State:
        """The state as it is for this decision."""
        if not self.session_consents and not self.gpc:
            return state
        return msgspec.structs.replace(state, consents=agreed_now(state.consents, self.session_consents, gpc=self.gpc))

    def details(self) -> dict[str, str | int | float | bool]:
        """What the audit log keeps of it beside the request."""
        details: dict[str, str | int | float | bool] = {}
        if self.gpc:
            details["gpc"] = True
        if self.session_consents:
            details["session_consents"] = " ".join(sorted(self.session_consents))
        if self.reserve_seconds is not None:
            details["reserve_seconds"] = self.reserve_seconds
        return details


def agreed_now(consents: frozenset[str], session: Iterable[str], *, gpc: bool) -> frozenset[str]:
    """What is agreed to for one decision: the session's consents too, less what the privacy control signal takes."""
    agreed = consents | frozenset(session)
    return agreed - OPTED_OUT if gpc else agreed


def relays_opt_out(request: Request) -> bool:
    """Whether the caller relays the person's Global Privacy Control signal as its header."""
    return request.headers.get("sec-gpc") == "1"
