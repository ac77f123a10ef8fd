"""Deciding over HTTP is deciding offline, on what the store knows at this moment; and then writing it down.

A decision that cannot be written into the audit log does not go out. Where a cap leaves no room for a reservation, the
offer is excluded and the list made again, so that what goes out is what was reserved.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from recsys.arms import Arm, share_of, to_remember
from recsys.contracts.decision import Decision, DecisionRequest, Fill, RankedOffer
from serving.active import Active
from serving.asking import DecisionAsk
from serving.clock import Clock
from serving.metrics import Metrics
from serving.settling import Settler
from serving.shadow import Shadow
from serving.standing import Standing
from serving.stores import Settled, Settling, Store, StoreError, Wanted

AT_ONCE: Final = 4  # few are decided quicker where they are than in a thread
ROUNDS: Final = 4  # lists that are made again because a cap was full, before what is refused is only cut out
CAP_RULE: Final = "frequency_cap"


class Decider:
    """Reads the store, asks the recommender, writes the answer down."""

    def __init__(
        self, standing: Standing, store: Store, clock: Clock, metrics: Metrics, *, at_once: int = AT_ONCE
    ) -> None:
        """Take over the parts.

        Args:
            standing: What decides.
            store: What is known of people.
            clock: Now.
            metrics: Counts.
            at_once: So many are decided in the event loop; 0 where reading waits for a network.
        """
        self._standing, self._store, self._clock, self._metrics = standing, store, clock, metrics
        self._at_once = at_once
        self._rng = np.random.default_rng()  # seeded by the system; names the decisions
        self._settler = Settler(store, clock)
        self._shadow = Shadow(metrics)

    async def decide(self, asks: Sequence[DecisionAsk]) -> list[Decision]:
        """One decision for each of `asks`, with what was withheld; all of them are in the audit log.

        Raises:
            StoreError: The store does not answer: no consent is known or nothing can be written, so nothing goes out.
        """
        active, now = self._standing.active, self._clock()
        drafts = [_Draft(ask) for ask in asks]
        left, rounds = drafts, 0
        while left:
            rounds += 1
            if rounds > ROUNDS:
                for draft in left:
                    draft.cut()
            elif len(left) <= self._at_once:
                self._make(left, active, now)
            else:  # beside the loop: a long batch keeps nobody waiting
                await asyncio.to_thread(self._make, left, active, now)
            left = await self._settle(left, active)
        decisions = [draft.decision for draft in drafts]
        self._metrics.count_decisions(decisions)
        return decisions

    def close(self) -> None:
        """End the threads."""
        self._settler.close()
        self._shadow.close()

    def _make(self, drafts: Sequence[_Draft], active: Active, now: dt.datetime) -> None:
        began = time.perf_counter()
        known = self._store.read([draft.ask.subject for draft in drafts], active.book.index)
        read = time.perf_counter()
        requests = [draft.request for draft in drafts]
        states = [draft.ask.seen(state) for draft, state in zip(drafts, known.states, strict=True)]
        decisions = active.decides.decide(requests, known.histories, states, at=now, rng=self._rng)
        self._metrics.stage.labels("read").observe(read - began)
        self._metrics.stage.labels("decide").observe(time.perf_counter() - read)
        for draft, decision in zip(drafts, decisions, strict=True):
            draft.decision = decision
        if active.shadow is not None:
            self._shadow.compare(active.shadow, (requests, known.histories, states), decisions)

    async def _settle(self, drafts: Sequence[_Draft], active: Active) -> list[_Draft]:
        """Write down; the drafts that have to be made again."""
        began = time.perf_counter()
        settled = await self._settler.settle([draft.settling(active) for draft in drafts])
        self._metrics.stage.labels("settle").observe(time.perf_counter() - began)
        left = []
        for draft, result in zip(drafts, settled, strict=True):
            self._metrics.cap_refusals.inc(len(result.refused))
            if not draft.accept(result):
                left.append(draft)
        return left


class _Draft:
    """A decision on its way: made, and made again until the store takes it."""

    def __init__(self, ask: DecisionAsk) -> None:
        self.ask = ask
        self.decision: Decision  # from the first round on
        self._asked = ask.request()
        self._refused: tuple[str, ...] = ()

    @property
    def request(self) -> DecisionRequest:
        """What the recommender is asked now."""
        if not self._refused:
            return self._asked
        return msgspec.structs.replace(self._asked, exclude=(*self._asked.exclude, *self._refused))

    def settling(self, active: Active) -> Settling:
        """What the store is asked to write down."""
        details, arm = self.ask.details(), Arm(self.decision.arm)
        share = share_of(arm, active.policy)
        if share is not None:
            details["arm_share"] = share
        if active.policy.trial is not None:
            details["trial"] = active.policy.trial.trial_id
        if self._refused:
            details["cap_refused"] = " ".join(self._refused)
        seconds = self.ask.reserve_seconds
        wanted: tuple[Wanted, ...] = ()
        if seconds is not None:
            expires = self.decision.at + dt.timedelta(seconds=seconds)
            ids = [item.offer_id for item in self.decision.items]
            wanted = tuple(Wanted(offer_id, active.categories.get(offer_id, ()), expires) for offer_id in ids)
        return Settling(
            decision=self.decision,
            request=self._asked,
            wanted=wanted,
            caps=active.policy.cap if wanted else (),
            details=details,
            remember=to_remember(arm, active.policy),
        )

    def accept(self, settled: Settled) -> bool:
        """Whether the decision can go out; what a cap refused is left out of the next one."""
        if settled.erased:
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
