"""POST /v1/preferences/read and PUT /v1/preferences: what a person agreed to, likes, and said no to."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from recsys.contracts.preferences import Consent, Preferences, PreferencesChange
from recsys.contracts.token import TOKEN_PATTERN
from serving.asking import OPTED_OUT, Subject, relays_opt_out
from serving.callers import Caller
from serving.idempotency import PROBLEMS
from serving.intake import FIRST_INSTANT, TOLERANCE
from serving.keys import Scope
from serving.openapi import EXAMPLE_TOKEN, IDEMPOTENCY_KEY, PRIVACY_CONTROL, json_body, reference, reply
from serving.problems import CLOCK_JUMPED, ERASED
from serving.routing import Operation
from serving.service import Service
from serving.wire import decode, read_body
from web.bodies import answer
from web.problems import misfit

PRIVACY_CONTROL_SOURCE: Final = "gpc"  # of the consents that the signal takes back


class Whose(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person."""

    subject: Subject


class PreferencesAsk(PreferencesChange, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What is to change for one person.

    `gpc`: the Global Privacy Control signal, relayed; it is remembered as a no to profiling and to training, whatever
    else stands in the request.
    """

    subject: Subject
    gpc: bool = False

    def change(self, now: dt.datetime) -> PreferencesChange:
        """What the store is told."""
        consents = {purpose: _by(now, consent) for purpose, consent in self.consents.items()}
        if self.gpc:
            said = Consent(granted=False, at=now, source=PRIVACY_CONTROL_SOURCE)
            consents |= dict.fromkeys(OPTED_OUT, said)
        return PreferencesChange(consents=consents, interests=self.interests, dismiss=self.dismiss, undo=self.undo)


_IDENTIFIER: Final = re.compile(rf"@[^\s@]*\.|{TOKEN_PATTERN.strip('^$')}")


def _by(now: dt.datetime, consent: Consent) -> Consent:
    """What only a clock that jumped can have dated was said now: a no would hold against every yes until that day."""
    return msgspec.structs.replace(consent, at=now) if consent.at > now + TOLERANCE else consent


_READ: Final = msgspec.json.Decoder(Whose)
_CHANGE: Final = msgspec.json.Decoder(PreferencesAsk)
_WHOSE: Final = {"subject": EXAMPLE_TOKEN}
_YES: Final = {"granted": True, "at": "2017-11-27T08:59:30Z", "source": "app-4.2"}
_HELD: Final = {
    "consents": {"profiling": _YES, "channel:email": _YES},
    "interests": ["coffee"],
    "dismissals": [
        {
            "dismissal_id": "9a0364b9e99bb480",
            "scope": "category",
            "value": "GROCERY / BABY FOODS",
            "at": "2017-11-27T09:00:12Z",
            "reason": "not-for-me",
        }
    ],
}
_CHANGED: Final = {
    **_WHOSE,
    "consents": {"profiling": _YES},
    "dismiss": [{"scope": "category", "value": "GROCERY / BABY FOODS", "reason": "not-for-me"}],
}
_UNDONE: Final = {**_WHOSE, "undo": ["9a0364b9e99bb480"]}


def reading(service: Service) -> Operation:
    """The operation that reads."""

    async def read_preferences(request: Request, _: Caller) -> Response:
        """Read what a person agreed to, likes, and said no to.

        Of a stranger, and of somebody who was erased, there is nothing; missing consent means no.
        """
        asked = decode(await read_body(request), _READ)
        await service.doorkeeper.check({"$.subject": asked.subject})
        return answer(await asyncio.to_thread(service.store.preferences, asked.subject))

    return Operation(
        method="POST",
        path="/v1/preferences/read",
        tag="preferences",
        handler=read_preferences,
        scope=Scope.SUBJECT,
        body=json_body(reference(Whose), one=_WHOSE),
        replies=reply(Preferences, _HELD),
    )


def changing(service: Service) -> Operation:
    """The operation that changes."""

    async def change_preferences(request: Request, caller: Caller) -> Response:
        """Change consents, interests and dismissals; answers with what holds then.

        What is not named stays. `undo` takes dismissals back by their `dismissal_id`. A change is on the disk and in
        the audit log before the answer comes, and the very next decision of every worker obeys it.
        """
        raw = await read_body(request)
        asked = decode(raw, _CHANGE)
        await service.doorkeeper.check({"$.subject": asked.subject})
        now = service.clock()
        _check_instants(asked, now, service)
        _check_words(asked)
        if relays_opt_out(request):
            asked = msgspec.structs.replace(asked, gpc=True)

        async def work() -> tuple[object, Sequence[str]]:
            held = await asyncio.to_thread(service.store.change_preferences, asked.subject, asked.change(now), now=now)
            return held, [asked.subject]

        content = raw + b"\0gpc" if asked.gpc else raw
        return await service.idempotency.once(request, caller, content, work)

    return Operation(
        method="PUT",
        path="/v1/preferences",
        tag="preferences",
        handler=change_preferences,
        scope=Scope.SUBJECT,
        body=json_body(reference(PreferencesAsk), change=_CHANGED, undo=_UNDONE),
        parameters=(IDEMPOTENCY_KEY, PRIVACY_CONTROL),
        replies=reply(Preferences, _HELD),
        problems=(*PROBLEMS, ERASED, CLOCK_JUMPED),
    )


def _check_words(asked: PreferencesAsk) -> None:
    """What may be any text must at least not be an identifier: no address, no token."""
    for field, words in (
        ("$.interests", asked.interests or ()),
        ("$.dismiss[...].value", [said.value for said in asked.dismiss]),
    ):
        if any(_IDENTIFIER.search(word) for word in words):
            raise misfit("looks like an e-mail address or a token", field)


def _check_instants(asked: PreferencesAsk, now: dt.datetime, service: Service) -> None:
    """A consent from the future would hold against every later no.

    Where our own clock is in doubt, a no by either clock is taken, and nobody is told that the sender's is wrong.
    """
    for consent in asked.consents.values():
        newest = now if consent.granted else service.timekeeper.latest()
        if not FIRST_INSTANT <= consent.at <= newest + TOLERANCE:
            service.timekeeper.check()
            raise misfit("lies in the future or before 1970; check the sender's clock", "$.consents[...].at")
