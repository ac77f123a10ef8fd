"""Deciding over HTTP is deciding offline, on what the store knows at this moment; and then writing it down.

Requests that wait at the same time are decided in one batch, and written down in one transaction; a list is the same
alone and in a batch, and so are its numbers, but for the last bits of some. One that cannot be written into the audit
log does not go out. Where a cap leaves no room for a reservation, the offer is excluded and the list made again, so
that what goes out is what was reserved.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from recsys.arms import Arm, share_of, to_remember
from recsys.contracts.decision import Decision, DecisionRequest, Fill, RankedOffer
from serving.active import Active
from serving.asking import DecisionAsk
from serving.clock import Clock
from serving.metrics import Metrics
from serving.shadow import Shadow
from serving.standing import Standing
from serving.stores import PATIENCE, Answer, Settled, Settling, Store, StoreError, Wanted
from serving.together import Together

MADE_TOGETHER: Final = 8  # decisions; so many cost little more each than more would, and the next ones wait no longer
SETTLED_TOGETHER: Final = 200  # decisions in one transaction
ROUNDS: Final = 4  # lists that are made again because a cap was full, before what is refused is only cut out
CAP_RULE: Final = "frequency_cap"

Answering = Callable[[Sequence[Decision]], Answer]


@dataclass(frozen=True, slots=True)
class Made:
    """Decisions that are in the audit log.

    Args:
        decisions: In the order of what was asked, with what was withheld.
        answer: What was kept for a repetition, in the transaction of the decisions; None: nothing was.
    """

    decisions: Sequence[Decision]
    answer: Answer | None = None


class Decider:
    """Reads the store, asks the recommender, writes the answer down."""

    def __init__(self, standing: Standing, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._standing, self._store, self._clock, self._metrics = standing, store, clock, metrics
        self._rng = np.random.default_rng()  # seeded by the system; names the decisions
        self._making = Together("make", self._made, most=MADE_TOGETHER, apart=True)
        self._settling = Together("settle", self._settled, most=SETTLED_TOGETHER)
        self._shadow = Shadow(metrics)

    async def decide(self, asks: Sequence[DecisionAsk], answering: Answering | None = None) -> Made:
        """One decision for each of `asks`; all of them are in the audit log.

        Args:
            asks: Any number.
            answering: What to keep for a repetition, given the decisions. It is kept with them, all or nothing; where
                one of them had to be made again, nothing is.

        Raises:
            StoreError: The store does not answer: no consent is known or nothing can be written, so nothing goes out.
        """
        active, now = self._standing.active, self._clock()
        drafts = [_Draft(ask, active, now) for ask in asks]
        left, rounds, answer = drafts, 0, None
        while left:
            rounds += 1
            if rounds <= ROUNDS:
                await self._make(left)
            else:
                for draft in left:
                    draft.cut()
            answer = answering([draft.decision for draft in drafts]) if answering and rounds == 1 else None
            left = await self._settle(left, answer)
        decisions = [draft.decision for draft in drafts]
        self._metrics.count_decisions(decisions)
        return Made(decisions, None if any(draft.erased for draft in drafts) else answer)

    def close(self) -> None:
        """End the threads."""
        self._making.close()
        self._settling.close()
        self._shadow.close()

    async def _make(self, drafts: Sequence[_Draft]) -> None:
        for draft in drafts:
            draft.waits_since = time.perf_counter()
        if len(drafts) > MADE_TOGETHER:  # a long batch keeps nobody waiting
            await asyncio.to_thread(self._made, drafts, PATIENCE)
        else:
            await self._making.do(drafts)

    def _made(self, drafts: Sequence[_Draft], patience: float) -> Sequence[Decision]:
        """Make lists; each request is decided by what stood when it came, and all as of when the last of them came."""
        at = max(draft.now for draft in drafts)
        for active in {id(draft.active): draft.active for draft in drafts}.values():
            self._made_by(active, [draft for draft in drafts if draft.active is active], at, patience)
        return [draft.decision for draft in drafts]

    def _made_by(self, active: Active, drafts: Sequence[_Draft], at: dt.datetime, patience: float) -> None:
        began = time.perf_counter()
        known = self._store.read([draft.ask.subject for draft in drafts], active.book.index, patience=patience)
        read = time.perf_counter()
        requests = [draft.request for draft in drafts]
        states = [draft.ask.seen(state) for draft, state in zip(drafts, known.states, strict=True)]
        decisions = active.decides.decide(requests, known.histories, states, at=at, rng=self._rng)
        decided = time.perf_counter()
        for draft, decision in zip(drafts, decisions, strict=True):
            draft.decision = decision
            self._metrics.took(wait=began - draft.waits_since, read=read - began, decide=decided - read)
        if active.shadow is not None:
            self._shadow.compare(active.shadow, (requests, known.histories, states), decisions)

    async def _settle(self, drafts: Sequence[_Draft], answer: Answer | None) -> list[_Draft]:
        """Write down; the drafts that have to be made again."""
        began = time.perf_counter()
        settled = await self._settling.do([draft.settling(answer) for draft in drafts])
        took = time.perf_counter() - began
        left = []
        for draft, result in zip(drafts, settled, strict=True):
            self._metrics.took(settle=took)
            self._metrics.cap_refusals.inc(len(result.refused))
            if not draft.accept(result):
                left.append(draft)
        return left

    def _settled(self, decisions: Sequence[Settling], patience: float) -> Sequence[Settled]:
        return self._store.settle(decisions, now=self._clock(), patience=patience)


class _Draft:
    """A decision on its way: made, and made again until the store takes it."""

    def __init__(self, ask: DecisionAsk, active: Active, now: dt.datetime) -> None:
        self.ask, self.active, self.now = ask, active, now
        self.waits_since = 0.0  # to be made
        self.decision: Decision  # from the first round on
        self.erased = False
        self._asked = ask.request()
        self._refused: tuple[str, ...] = ()

    @property
    def request(self) -> DecisionRequest:
        """What the recommender is asked now."""
        if not self._refused:
            return self._asked
        return msgspec.structs.replace(self._asked, exclude=(*self._asked.exclude, *self._refused))

    def settling(self, answer: Answer | None) -> Settling:
        """What the store is asked to write down."""
        details, arm, policy = self.ask.details(), Arm(self.decision.arm), self.active.policy
        share = share_of(arm, policy)
        if share is not None:
            details["arm_share"] = share
        if policy.trial is not None:
            details["trial"] = policy.trial.trial_id
        if self._refused:
            details["cap_refused"] = " ".join(self._refused)
        wanted = self._wanted()
        return Settling(
            decision=self.decision,
            request=self._asked,
            wanted=wanted,
            caps=policy.cap if wanted else (),
            details=details,
            remember=to_remember(arm, policy),
            answer=answer,
        )

    def _wanted(self) -> tuple[Wanted, ...]:
        seconds, categories = self.ask.reserve_seconds, self.active.categories
        if seconds is None:
            return ()
        expires = self.decision.at + dt.timedelta(seconds=seconds)
        ids = [item.offer_id for item in self.decision.items]
        return tuple(Wanted(offer_id, categories.get(offer_id, ()), expires) for offer_id in ids)

    def accept(self, settled: Settled) -> bool:
        """Whether the decision can go out; what a cap refused is left out of the next one."""
        if settled.erased:
            self.erased = True
            self.decision = msgspec.structs.replace(self.decision, items=(), fill=Fill.NONE, withheld={})
        elif not settled.written:
            if not settled.refused:
                raise StoreError("the state did not take a decision, and did not say why")
            self._refused = (*self._refused, *settled.refused)
            return False
        return True

    def cut(self) -> None:
        """Take what was refused out of the list, instead of making it again."""
        kept = [item for item in self.decision.items if item.offer_id not in self._refused]
        withheld = dict(self.decision.withheld or {})
        withheld[CAP_RULE] = withheld.get(CAP_RULE, 0) + len(self.decision.items) - len(kept)
        self.decision = msgspec.structs.replace(
            self.decision,
            items=tuple(_at(item, rank) for rank, item in enumerate(kept, start=1)),
            fill=Fill.SHORT if kept else Fill.NONE,
            withheld=withheld,
        )


def _at(item: RankedOffer, rank: int) -> RankedOffer:
    return msgspec.structs.replace(item, rank=rank)
