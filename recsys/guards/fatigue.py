"""Fatigue: what was ignored several times in a row rests, and may then return."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.state import Exposure, ResponseKind, State
from recsys.guards.situation import Situation
from recsys.history import EPOCH, in_utc
from recsys.policy.document import Fatigue

_DAY: Final = dt.timedelta(days=1)
_HOUR: Final = dt.timedelta(hours=1)
_LAST: Final = _DAY - dt.timedelta(microseconds=1)  # a day's last instant


def fatigue(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer that rests: it was shown `after` times in a row, and nothing came of it.

    Exposures are walked in the order of time. Each counts one; the one that reaches `after` starts a rest of
    `rest_days` times 24 hours, during which exposures count nothing and prolong nothing; the first one at or after its
    end counts one again. A click or redemption sets the count to zero and ends a rest; an exposure at the same instant
    comes before it. With consent to profiling, so does a purchase of any of the offer's items, at the end of its day in
    UTC: whatever was shown on that day is forgiven. What is dated after the decision has not happened.

    An exposure counts once `answer_hours` have gone by without a response, or once it is reported as ignored. Source:
    repeated impressions are worth less, Lee et al., Modeling Impression Discounting (KDD 2014); the rest is ours.
    """
    rule = situation.book.policy.fatigue
    if rule is None or not any(len(state.exposures) >= rule.after for state in situation.states):
        return situation.nothing
    resting = [
        (row, offer)
        for row, state in enumerate(situation.states)
        for offer, shown in _often_ignored(state, rule, situation)
        if rests(shown, _resets(situation, row, offer, min(shown).date()), rule, situation.utc)
    ]
    if not resting:
        return situation.nothing
    row, offer = np.array(resting, np.int64).T
    return situation.cells(row, offer)


def rests(shown: Iterable[dt.datetime], resets: Iterable[dt.datetime], rule: Fatigue, now: dt.datetime) -> bool:
    """Whether an offer that was `shown` at these instants rests `now`; a reset forgives all up to its instant.

    All in UTC: in another zone a day may have 23 hours.
    """
    count, rested_until = 0, None
    moments = sorted([(moment, False) for moment in shown] + [(moment, True) for moment in resets])
    for moment, is_reset in moments:
        if is_reset:
            count, rested_until = 0, None
        elif rested_until is None or moment >= rested_until:
            count = 1 if rested_until is not None else count + 1
            rested_until = moment + rule.rest_days * _DAY if count == rule.after else None
    return rested_until is not None and now < rested_until


def _often_ignored(state: State, rule: Fatigue, situation: Situation) -> list[tuple[int, list[dt.datetime]]]:
    """The offers of the book that were ignored often enough to rest at all, with when they were shown."""
    ids = [exposure.offer_id for exposure in state.exposures]
    if len(ids) - len(set(ids)) + 1 < rule.after:
        return []  # no offer stands there so often
    over = situation.utc - rule.answer_hours * _HOUR  # up to here, whoever wanted to respond has had the time
    shown: dict[int, list[dt.datetime]] = {}
    for exposure in state.exposures:
        offer = situation.book.positions.get(exposure.offer_id)
        if offer is None or exposure.at > situation.utc:
            continue
        if exposure.at <= over or _reported(state, exposure, situation):
            shown.setdefault(offer, []).append(in_utc(exposure.at))
    return [(offer, moments) for offer, moments in shown.items() if len(moments) >= rule.after]


def _reported(state: State, exposure: Exposure, situation: Situation) -> bool:
    """Whether somebody told that nothing came of this exposure, or of a later one of the same offer."""
    return any(
        response.kind is ResponseKind.IGNORED
        and response.offer_id == exposure.offer_id
        and exposure.at <= response.at <= situation.utc
        for response in state.responses
    )


def _resets(situation: Situation, row: int, offer: int, since: dt.date) -> list[dt.datetime]:
    """What ends a rest of the offer: responses; and purchases, unless the newest of all is dated before `since`."""
    state = situation.states[row]
    resets = _responses(state, situation.book.ids[offer], situation.utc)
    last = _last_purchase(situation, row) if state.may_profile else None
    if last is not None and last >= since:  # an earlier purchase resets nothing
        resets += _bought(situation, row, offer)
    return resets


def _responses(state: State, offer_id: str, now: dt.datetime) -> list[dt.datetime]:
    own = [
        response.at
        for response in state.responses
        if response.offer_id == offer_id and response.at <= now and response.kind is not ResponseKind.IGNORED
    ]
    return [in_utc(moment) for moment in own]


def _last_purchase(situation: Situation, row: int) -> dt.date | None:
    """The newest day on which the subject bought anything, as far as is known; it may lie ahead."""
    days = situation.histories.day[situation.histories.offsets[row] : situation.histories.offsets[row + 1]]
    counted = [purchase.day for purchase in situation.states[row].sensitive_purchases]
    own = [EPOCH + dt.timedelta(int(days[-1]))] if len(days) else []  # rows are in the order of days
    return max(own + counted, default=None)


def _bought(situation: Situation, row: int, offer: int) -> list[dt.datetime]:
    """The ends of the days on which the subject bought any item of the offer; their last microseconds."""
    wanted = np.zeros(len(situation.book.index), np.bool_)
    wanted[situation.book.items.row(offer)] = True
    days = situation.alone(row).purchases(wanted & ~situation.book.dropped).day
    dates = [EPOCH + dt.timedelta(day) for day in set(days.tolist())]
    return [dt.datetime.combine(date, dt.time(0), dt.UTC) + _LAST for date in dates]
