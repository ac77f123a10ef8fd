"""Generated states: what happened lies on, just before and just after every edge that the policy has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from recsys.contracts.state import (
    Dismissal,
    DismissalScope,
    Exposure,
    Reservation,
    Response,
    ResponseKind,
    SensitivePurchase,
    State,
)
from support.dice import Dice, chance, pick, some
from support.policies import CATEGORIES, DAYS, DELISTED, GONE, HOURS, TRIAL

AGES = (1, 0, -1, 2, 3, 6, 7, 8, 14, 21, 22, 29, 30, 31, 45, 90)
BRANDS = (None, "Acme", "ACME", "Größe")
TRIED = (f"challenger@{TRIAL.trial_id}", f"personal@{TRIAL.trial_id}", "challenger@18c0ffee")
CONSENTS = ("profiling", "channel:email", "channel:till", "training")
_ZONES = (dt.UTC, ZoneInfo("Europe/Berlin"), dt.timezone(dt.timedelta(hours=-11)))
_FROZEN = ("FOOD / WINE / RED", "FOOD / WINE", "food / milk / fluid", "ALONE", "FOOD", "WINE", "odd  /  one / ", "")
_SPANS = tuple(dt.timedelta(hours=hours) for hours in (*HOURS, *(24 * days for days in DAYS), 0, 12, 36))
_STEP = dt.timedelta(microseconds=1)


def make_state(dice: Dice, now: dt.datetime, items: Sequence[str], offer_ids: Sequence[str]) -> State:
    """A state with a little of everything; `now` may be earlier than some of it."""
    named = (*offer_ids, "never-seen")
    exposures, responses = _times_shown(dice, now, named)
    return State(
        consents=frozenset(
            CONSENTS if chance(dice, 7) else CONSENTS[1:] if chance(dice, 6) else some(dice, CONSENTS, 4)
        ),
        adult=pick(dice, (None, True, False)),
        interests=some(dice, ("Wine", "MILK ", "nothing", "straße", "red"), 2) if chance(dice, 6) else (),
        exposures=exposures,
        reservations=tuple(_reservation(dice, now, named) for _ in range(dice.below(4))),
        responses=responses,
        dismissals=tuple(_dismissal(dice, now, items, named) for _ in range(dice.below(4))) if chance(dice, 5) else (),
        sensitive_purchases=tuple(_counter(dice, now, items) for _ in range(dice.below(4))) if chance(dice, 5) else (),
        arm=pick(dice, (*(None,) * 13, "personal", "popular", "empty", "unheard-of", *TRIED)),
    )


def near(dice: Dice, now: dt.datetime) -> dt.datetime:
    """An instant on, just before or just after an edge before (or, sometimes, after) now; in any zone."""
    at = now.astimezone(dt.UTC) - pick(dice, _SPANS) * pick(dice, (1, 1, 1, 1, 2, -1)) + _STEP * (dice.below(3) - 1)
    return at.astimezone(pick(dice, _ZONES))


def day_near(dice: Dice, now: dt.datetime) -> dt.date:
    """A day on, just before or just after an edge."""
    return now.astimezone(dt.UTC).date() - dt.timedelta(days=pick(dice, AGES))


def _times_shown(
    dice: Dice, now: dt.datetime, named: Sequence[str]
) -> tuple[tuple[Exposure, ...], tuple[Response, ...]]:
    """Some offers were shown often, so that runs, rests and what follows a rest come about."""
    exposures = [_exposure(dice, now, pick(dice, named)) for _ in range(dice.below(6))]
    responses = [_response(dice, now, pick(dice, named)) for _ in range(dice.below(3))]
    for offer_id in some(dice, named, 1 + len(named) // 3) if chance(dice, 6) else ():
        exposures += [_exposure(dice, now, offer_id) for _ in range(1 + dice.below(7))]
        responses += [_response(dice, now, offer_id) for _ in range(pick(dice, (0, 0, 1, 2)))]
        if responses and chance(dice, 2):  # a click at the very instant of an impression
            at = pick(dice, exposures).at
            responses.append(Response(offer_id=offer_id, at=at, kind=ResponseKind.CLICK))
    return tuple(exposures), tuple(responses)


def _exposure(dice: Dice, now: dt.datetime, offer_id: str) -> Exposure:
    return Exposure(
        offer_id=offer_id,
        at=near(dice, now),
        channel=pick(dice, ("email", "till")),
        categories=some(dice, _FROZEN, 3),
    )


def _reservation(dice: Dice, now: dt.datetime, named: Sequence[str]) -> Reservation:
    return Reservation(
        offer_id=pick(dice, named),
        at=near(dice, now),
        expires=near(dice, now),
        channel=pick(dice, ("email", "till")),
        categories=some(dice, _FROZEN, 2),
    )


def _response(dice: Dice, now: dt.datetime, offer_id: str) -> Response:
    return Response(offer_id=offer_id, at=near(dice, now), kind=pick(dice, tuple(ResponseKind)))


def _dismissal(dice: Dice, now: dt.datetime, items: Sequence[str], named: Sequence[str]) -> Dismissal:
    scope = pick(dice, tuple(DismissalScope))
    values = {
        DismissalScope.OFFER: named,
        DismissalScope.ITEM: (*items, GONE, "nothing"),
        DismissalScope.CATEGORY: (*CATEGORIES, ""),
        DismissalScope.BRAND: ("acme", "GRÖSSE", "unheard-of", ""),
    }[scope]
    expires = near(dice, now) if chance(dice, 4) else None
    return Dismissal(scope=scope, value=pick(dice, values), at=near(dice, now), expires=expires)


def _counter(dice: Dice, now: dt.datetime, items: Sequence[str]) -> SensitivePurchase:
    quantity = pick(dice, (1.0, 2.5, 0.0, -1.0))
    return SensitivePurchase(item=pick(dice, (*items, GONE, DELISTED)), day=day_near(dice, now), quantity=quantity)
