"""Why this, and why not that: a decision that was made, from the audit log; and what kept an offer out of it.

The log holds the list with its reasons. Why another offer is not in it is computed again, for the decision's time, from
what is known now; the answer says whether that still gives the very list that went out.
"""

from __future__ import annotations

import math
from itertools import chain

import msgspec
import numpy as np

from recsys.contracts.audit import DecisionRecord
from recsys.contracts.decision import Decision, DecisionRequest
from recsys.contracts.state import State
from recsys.history import Histories
from recsys.why_not import SENTENCES
from serving.active import Active
from serving.asking import agreed_now
from serving.stores import Store


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that kept an offer out, and what it says."""

    name: str
    text: str


class OtherOffer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an offer is not in the list: every rule that withheld it, the first one first; or its `rank` in the list.

    `exact`: what is known now, as of the decision's time, gives the very list that went out, so that the answer is
    about that decision. Otherwise something was changed since: bundle, policy, offers, a consent, a late purchase.
    """

    offer_id: str
    exact: bool
    withheld_by: tuple[Rule, ...] = ()
    rank: int | None = None
    score: float | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A decision as it went out, what was asked, what was reserved, and what else the log says of it."""

    decision: Decision
    request: DecisionRequest
    reserved: tuple[str, ...] = ()
    details: dict[str, str | int | float | bool] = {}
    other: OtherOffer | None = None


def explain(record: DecisionRecord, offer_id: str | None, active: Active, store: Store) -> Explanation:
    """The explanation of a decision, and of one offer if one is named.

    Raises:
        ContractError: There is no such offer.
        StoreError: The store does not answer.
    """
    return Explanation(
        decision=record.decision,
        request=record.request,
        reserved=record.reserved,
        details=record.details,
        other=None if offer_id is None else _other(record, offer_id, active, store),
    )


def _other(record: DecisionRecord, offer_id: str, active: Active, store: Store) -> OtherOffer:
    made = record.decision
    known = store.read([made.subject], active.book.index)
    state, request = _as_it_was(record, known.states[0]), _as_asked(record)
    answer = active.decides.why_not(request, known.histories, state, offer_id, at=made.at)
    return OtherOffer(
        offer_id=offer_id,
        exact=_alike(_again(record, active, known.histories, state), made),
        withheld_by=tuple(Rule(name=rule, text=SENTENCES[rule]) for rule in answer.withheld_by),
        rank=answer.rank,
        score=answer.score,
    )


def _again(record: DecisionRecord, active: Active, history: Histories, state: State) -> Decision:
    """The decision made again, with its own name and so with its own chances."""
    named = _Named(record.decision.decision_id)
    (again,) = active.decides.decide([_as_asked(record)], history, [state], at=record.decision.at, rng=named)
    return again


def _alike(one: Decision, other: Decision) -> bool:
    """Whether two decisions are the same, but for numbers' last bits: they may depend on who else was decided for."""
    numbers = zip(_numbers(one), _numbers(other), strict=False)
    return _plain(one) == _plain(other) and all(math.isclose(*both, rel_tol=1e-5, abs_tol=1e-6) for both in numbers)


def _numbers(decision: Decision) -> list[float]:
    of_items = ((item.score, item.propensity, *(one.contribution for one in item.reasons)) for item in decision.items)
    return list(chain.from_iterable(of_items))


def _plain(decision: Decision) -> Decision:
    """Without its numbers."""
    replace = msgspec.structs.replace
    items = tuple(
        replace(item, score=0.0, propensity=0.0, reasons=tuple(replace(one, contribution=0.0) for one in item.reasons))
        for item in decision.items
    )
    return replace(decision, items=items)


def _as_it_was(record: DecisionRecord, state: State) -> State:
    """The state for the decision: without what it reserved itself, with what held for it only.

    Exposures and responses that came later are dated later, and the guards leave them out by themselves.
    """
    session = str(record.details.get("session_consents", "")).split()
    return msgspec.structs.replace(
        state,
        consents=agreed_now(state.consents, session, gpc=bool(record.details.get("gpc"))),
        reservations=tuple(one for one in state.reservations if one.at < record.decision.at),
    )


def _as_asked(record: DecisionRecord) -> DecisionRequest:
    """The request, without the offers that a cap had no room for."""
    refused = str(record.details.get("cap_refused", "")).split()
    return msgspec.structs.replace(record.request, exclude=(*record.request.exclude, *refused))


class _Named(np.random.Generator):
    """Gives a decision the name that it has."""

    def __init__(self, decision_id: str) -> None:
        super().__init__(np.random.PCG64(0))
        self._name = bytes.fromhex(decision_id)

    def bytes(self, length: int) -> bytes:
        """The name."""
        return self._name[:length]
