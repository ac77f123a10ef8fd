"""From verdicts to the list, in plain loops: fallbacks, boosts, list constraints, fill; and exploration's odds."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from recsys.contracts.state import Exposure, Reservation
from recsys.policy.document import Cap, Lift
from support.oracle import Offer, Oracle, inside, parts, utc
from support.worlds import Person


@dataclass(frozen=True)
class Listed:
    """What one decision should say."""

    offers: list[str]
    scores: list[float]
    withheld: dict[str, int]
    fill: str
    arm: str


class Lists:
    """The decisions of one world."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self.world = oracle.world
        self.policy = oracle.policy
        self._sources: dict[int, str] = {}
        self.positions = {str(offer["offer_id"]): position for position, offer in enumerate(oracle.offers)}

    def decision(self, number: int) -> Listed:
        """Decide for the person at this position, without exploration."""
        person = self.world.people[number]
        ranked, withheld = self.candidates(number)
        chosen: list[Offer] = []
        for offer in ranked:
            if len(chosen) == person.request.count:
                break
            rule = self.blocked(person, offer, chosen)
            if rule is None:
                chosen.append(offer)
            else:
                withheld[rule] = withheld.get(rule, 0) + 1
        fill = self.source(number)
        if len(chosen) < person.request.count:
            fill = "short" if chosen else "none"
        scores = [self.boosted(number, offer) for offer in chosen]
        return Listed([str(row["offer_id"]) for row in chosen], scores, withheld, fill, self.oracle.arm(person))

    def candidates(self, number: int) -> tuple[list[Offer], dict[str, int]]:
        """The allowed offers, best first, and how many offers each first rule withheld."""
        person, withheld, allowed = self.world.people[number], dict[str, int](), []
        for position, offer in enumerate(self.oracle.offers):
            rules = self.oracle.verdicts(person, offer)
            if not rules and self.source(number) != "personal" and not self.oracle.nameable(offer):
                rules = ["unnamed"]  # what everyone buys names nothing sensitive
            if not rules and not math.isfinite(self.base(number, position)):
                rules = ["unscored"]
            if rules:
                withheld[rules[0]] = withheld.get(rules[0], 0) + 1
                continue
            allowed.append((-self.boosted(number, offer), -(offer["priority"] or 0), position))
        return [self.oracle.offers[row[-1]] for row in sorted(allowed)], withheld

    def source(self, number: int) -> str:
        """Whose scores rank the list: the person's own, those of declared interests, or everyone's."""
        if number not in self._sources:
            self._sources[number] = self._source(number)
        return self._sources[number]

    def _source(self, number: int) -> str:
        person = self.world.people[number]
        if self.oracle.arm(person) == "popular":
            return "popular"
        if "profiling" in person.state.consents and self.oracle.learned_from(person):
            return "personal"
        matching = (
            math.isfinite(self.world.popular[position])
            and self.oracle.nameable(offer)
            and self.of_interest(person, offer)
            for position, offer in enumerate(self.oracle.offers)
            if not self.oracle.verdicts(person, offer)
        )
        return "segment" if any(matching) else "popular"

    def base(self, number: int, position: int) -> float:
        """The score before any boost: in a segment's list, what matches stands one whole popularity above the rest."""
        source = self.source(number)
        if source == "personal":
            return self.world.scores[number][position]
        matches = self.of_interest(self.world.people[number], self.oracle.offers[position])
        return self.world.popular[position] + (1.0 if source == "segment" and matches else 0.0)

    def boosted(self, number: int, offer: Offer) -> float:
        """The score by which the list is ordered."""
        boosts = self.policy.boosts
        lift = sum(rule.by for rule in boosts.lift if self._lifted(rule, offer))
        lift += boosts.value_weight * (offer["value"] or 0.0)
        score = self.base(number, self.positions[str(offer["offer_id"])])
        return score + max(-boosts.max, min(boosts.max, lift))

    def _lifted(self, rule: Lift, offer: Offer) -> bool:
        if offer["offer_id"] in rule.offers or (offer["campaign"] is not None and offer["campaign"] in rule.campaigns):
            return True
        named = [parts(name) for name in rule.categories]
        paths = [self.oracle.paths.get(item, ()) for item in offer["items"]]
        if any(inside(name, path) for name in named for path in paths):
            return True
        return any(self.oracle.in_groups(item, rule.groups) for item in offer["items"])

    def of_interest(self, person: Person, offer: Offer) -> bool:
        """Whether a declared interest is a part of the path of any item."""
        wanted = [parts(interest) for interest in person.state.interests]
        return any((part,) in wanted for item in offer["items"] for part in self.oracle.paths.get(item, ()))

    def blocked(self, person: Person, offer: Offer, chosen: list[Offer]) -> str | None:
        """The list constraint that keeps an offer from joining those that were chosen, or None."""
        for cap in self.policy.cap:
            for key in self.keys(cap, person, offer):
                placed = sum(key in self.keys(cap, person, other) for other in chosen)
                if self.used(cap, person, key) + placed >= cap.max:
                    return "frequency_cap"
        for rule in self.policy.diversity:
            for prefix in self.prefixes(offer, rule.depth):
                if sum(prefix in self.prefixes(other, rule.depth) for other in chosen) >= rule.max:
                    return "diversity"
        return None

    def keys(self, cap: Cap, person: Person, offer: Offer) -> set[tuple[str, ...]]:
        """What a cap counts an offer under."""
        if cap.per == "offer":
            return {(str(offer["offer_id"]),)}
        if cap.per == "category":
            return self.prefixes(offer, cap.depth)
        return {(person.request.channel,)} if cap.per == "channel" else {()}

    def prefixes(self, offer: Offer, depth: int) -> set[tuple[str, ...]]:
        """The first parts of the paths of an offer's items."""
        return {self.oracle.paths[item][:depth] for item in offer["items"] if item in self.oracle.paths}

    def used(self, cap: Cap, person: Person, key: tuple[str, ...]) -> int:
        """Exposures in the rolling window, and reservations that still hold."""
        now, since = self.oracle.now, self.oracle.now - dt.timedelta(hours=cap.hours)
        seen = [row for row in person.state.exposures if since < utc(row.at) <= now]
        held = [row for row in person.state.reservations if utc(row.expires) > now]
        return sum(key in _shown_under(cap, row) for row in (*seen, *held))


def _shown_under(cap: Cap, row: Exposure | Reservation) -> set[tuple[str, ...]]:
    if cap.per == "offer":
        return {(row.offer_id,)}
    if cap.per == "category":
        return {parts(category)[: cap.depth] for category in row.categories}
    return {(row.channel,)} if cap.per == "channel" else {()}


def propensities(lists: Lists, number: int, shown: list[str]) -> list[float]:
    """The probability of each shown offer in its slot, given the slots above it."""
    settings = lists.policy.exploration
    person = lists.world.people[number]
    left, _ = lists.candidates(number)
    chosen: list[Offer] = []
    odds = []
    for offer_id in shown:
        open_now = [offer for offer in left if lists.blocked(person, offer, chosen) is None]
        (picked,) = (offer for offer in open_now if offer["offer_id"] == offer_id)
        if settings.kind == "plackett_luce":
            scores = [lists.boosted(number, offer) / settings.temperature for offer in open_now]
            mine = lists.boosted(number, picked) / settings.temperature
            odds.append(1 / math.fsum(_exp(score - mine) for score in scores))
        elif settings.kind == "epsilon":
            best = 1 - settings.epsilon if picked is open_now[0] else 0.0
            odds.append(best + settings.epsilon / len(open_now))
        else:
            odds.append(1.0 if picked is open_now[0] else 0.0)
        chosen.append(picked)
        left = [offer for offer in left if offer is not picked]
    return odds


def _exp(power: float) -> float:
    return math.exp(power) if power < 709 else math.inf
