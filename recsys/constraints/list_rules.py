"""All list constraints of a policy, ready for one list after another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from recsys.constraints.diversity import diversity
from recsys.constraints.frequency_cap import CapLadder, CapLimit, aged, frequency_cap
from recsys.constraints.tally import Limit, Tally
from recsys.contracts.decision import DecisionRequest
from recsys.contracts.state import State
from recsys.offer_paths import OfferKeys, OfferPaths
from recsys.policy import Policy
from recsys.policy.document import CapScope


@dataclass(frozen=True, slots=True)
class ListRules:
    """The constraints of one offer book.

    Args:
        caps: The frequency caps; those that count the same are one.
        diversity: The diversity rules, of each depth the strictest.
        thresholds: For lists of a length and each constraint in turn, how much of a key has to be used already, so that
            it could matter. Filled as lengths are asked for.
    """

    caps: tuple[CapLimit, ...]
    diversity: tuple[Limit, ...]
    thresholds: dict[int, list[int]]

    @classmethod
    def of(cls, policy: Policy, paths: OfferPaths, positions: Mapping[str, int]) -> ListRules:
        """The constraints of a policy.

        Args:
            policy: The policy.
            paths: The offers' category paths.
            positions: The position of each offer id.
        """
        keys: dict[tuple[CapScope, int], OfferKeys] = {}  # one for all constraints that count the same

        def counting(per: CapScope, depth: int) -> OfferKeys:
            wanted = (per, depth if per is CapScope.CATEGORY else 0)
            if wanted not in keys:
                keys[wanted] = _keys(per, depth, paths)
            return keys[wanted]

        ladders = CapLadder.all_of(policy.cap)
        caps = tuple(frequency_cap(each, counting(each.per, each.depth), positions) for each in ladders)
        least = {rule.depth: rule for rule in sorted(policy.diversity, key=lambda one: -one.max)}
        rules = (diversity(rule, counting(CapScope.CATEGORY, depth)) for depth, rule in least.items())
        return cls(caps, tuple(rules), {})

    def tallies(self, request: DecisionRequest, state: State, utc: dt.datetime) -> list[Tally]:
        """The constraints that this list could come up against (time in UTC), in the order in which they are named.

        No key is used more often than something was shown, so that most caps need no counting.
        """
        thresholds = self._thresholds(request.count)
        shown = aged(state, utc) if self.caps and (state.exposures or state.reservations) else []
        tallies = []
        for cap, threshold in zip(self.caps, thresholds, strict=False):
            if len(shown) >= threshold and len(before := cap.within(shown)) >= threshold:
                used = cap.used(before, request)
                if max(used.values(), default=0) >= threshold:
                    tallies.append(Tally(cap.limit, used))
        rest = zip(self.diversity, thresholds[len(self.caps) :], strict=True)
        return tallies + [Tally(limit, {}) for limit, threshold in rest if threshold <= 0]

    def _thresholds(self, count: int) -> list[int]:
        if count not in self.thresholds:
            limits = [*(cap.limit for cap in self.caps), *self.diversity]
            smallest: dict[int, int] = {}
            for limit in limits:
                smallest[id(limit.keys)] = min(limit.most, smallest.get(id(limit.keys), limit.most))
            self.thresholds[count] = [limit.matters_from(count, smallest[id(limit.keys)]) for limit in limits]
        return self.thresholds[count]


def _keys(per: CapScope, depth: int, paths: OfferPaths) -> OfferKeys:
    offers = range(len(paths.of_offer))
    if per is CapScope.CATEGORY:
        return paths.prefixes(depth)
    return OfferKeys.of([[offer if per is CapScope.OFFER else 0] for offer in offers])
