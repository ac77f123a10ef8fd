"""The guards again, from their meaning, in plain loops. Shares no code with what it judges.

`verdicts` says, for one person before one offer, which guards withhold it; `support.oracle_lists` goes on from there to
the list. Slow on purpose: what a rule means is read here, not how it is computed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

from recsys.policy.document import PastPurchaseTrap
from support.worlds import Person, World

RULES = (
    "consent",
    "holdout",
    "eligibility",
    "unknown_category",
    "never",
    "age",
    "only_if_purchased",
    "past_purchase_trap",
    "cool_down",
    "dismissal",
    "fatigue",
)
ARMS = ("empty", "popular", "personal", "challenger")


Offer = dict[str, object]


class Things(Protocol):
    """A group, or a rule that names its things itself."""

    categories: tuple[str, ...]
    items: tuple[str, ...]


class Oracle:
    """One world, and what may be said about it. Answers are remembered, not computed in another way."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.policy = world.policy
        self.now = utc(world.now)
        self.today = self.now.date()
        rows = world.catalogue.to_dicts()
        self.paths = {row["item"]: parts(row["category"]) for row in rows if row["category"] is not None}

        self.brands = {row["item"]: row.get("brand") for row in rows}
        self.offers = world.offers.to_dicts()
        self.known = self._known_items()
        self._unknown = {
            row["offer_id"]: [item for item in row["items"] if item not in self.paths] for row in self.offers
        }
        self._verdicts: dict[tuple[str, str], list[str]] = {}
        self._categories: dict[int, list[tuple[str, ...]]] = {}
        self._member: dict[tuple[int, tuple[str, ...]], bool] = {}
        self._bought: dict[str, dict[str, set[dt.date]]] = {}
        self._days: dict[tuple[str, int, object, str], list[dt.date]] = {}
        self._held: dict[tuple[str, int], dict[str, set[dt.date]]] = {}
        self._in_groups: dict[tuple[str, tuple[str, ...]], bool] = {}
        self._caught_items: dict[tuple[str, str], bool] = {}
        self._one_a_key: dict[tuple[int, str, str], list[str]] = {}
        self._offer_in: dict[tuple[str, tuple[str, ...]], bool] = {}

    def verdicts(self, person: Person, offer: Offer) -> list[str]:
        """Every rule that withholds the offer, in the order of the rules."""
        checks: tuple[Callable[[Person, Offer], bool], ...] = (
            self._refused_channel,
            self._held_out,
            self._unusable,
            self._unplaced,
            self._never,
            self._too_young,
            self._not_opened,
            self._trapped,
            self._cooling,
            self._dismissed,
            self._tired,
        )
        memo = (person.subject, str(offer["offer_id"]))
        if memo not in self._verdicts:
            self._verdicts[memo] = [rule for rule, check in zip(RULES, checks, strict=True) if check(person, offer)]
        return self._verdicts[memo]

    def arm(self, person: Person) -> str:
        """What the experiment does with this person."""
        name, _, drawn_in = (person.state.arm or "").partition("@")
        held, trial = self.policy.holdout, self.policy.trial
        if name not in ARMS:
            u = 1.0 if held is None else lot(f"{held.salt}\0{person.request.subject}")
            name = "personal"
            if held is not None and u < held.empty + held.popular:
                name = "empty" if u < held.empty else "popular"
        if name in {"empty", "popular"} or trial is None:
            return "personal" if name == "challenger" else name
        if drawn_in == hashlib.sha256(f"{trial.challenger}\0{trial.salt}".encode()).hexdigest()[:8]:
            return name
        return "challenger" if lot(f"{trial.salt}\1{person.request.subject}") < trial.challenger else "personal"

    def holds(self, things: Things, item: str) -> bool:
        """Whether an item is one of these things: by name, or where the parts of a category stand in its path."""
        key = (id(things), self.paths.get(item, ()))
        if key not in self._member:
            self._member[key] = any(inside(name, key[1]) for name in self._named(things))
        return self._member[key] or item in things.items

    def _named(self, things: Things) -> list[tuple[str, ...]]:
        if id(things) not in self._categories:
            self._categories[id(things)] = [parts(name) for name in things.categories]
        return self._categories[id(things)]

    def in_groups(self, item: str, groups: tuple[str, ...]) -> bool:
        """Whether an item is in any of the groups."""
        memo = (item, groups)
        if memo not in self._in_groups:
            self._in_groups[memo] = any(self.holds(self.policy.groups[group], item) for group in groups)
        return self._in_groups[memo]

    def bought(self, person: Person) -> dict[str, set[dt.date]]:
        """Item to its purchase days up to today, as guards count them; what is never offered was never bought."""
        if person.subject not in self._bought:
            days: dict[str, set[dt.date]] = {}
            counters = net_days(tuple((row.item, row.day, row.quantity) for row in person.state.sensitive_purchases))
            for item, day in net_days(person.lines) | counters:
                if item in self.known and day <= self.today and not self.in_groups(item, self.policy.never):
                    days.setdefault(item, set()).add(day)
            self._bought[person.subject] = days
        return self._bought[person.subject]

    def learned_from(self, person: Person) -> set[tuple[str, dt.date]]:
        """The (item, day) rows that may reach a score: nothing sensitive, nothing that a past-purchase trap caught."""
        return {
            (item, day)
            for item, day in net_days(person.lines)
            if day <= self.today
            and not self.in_groups(item, self.policy.never)
            and not any(not group.learn and self.holds(group, item) for group in self.policy.groups.values())
            and not self._caught_anywhere(person, item)
        }

    def key_days(self, person: Person, things: Things, item: str, level: str) -> list[dt.date]:
        """The distinct days, oldest first, on which anything of the item's key within the things was bought."""
        key = (person.subject, id(things), self._key(item, level), level)
        if key not in self._days:
            alike = self._alike(person, things, item, level)
            self._days[key] = sorted({day for bought_on in alike.values() for day in bought_on})
        return self._days[key]

    def believed_days(self, person: Person, things: Things, item: str, level: str) -> set[dt.date]:
        """The same days, without what was bought on too few of them for a trap."""
        alike = self._alike(person, things, item, level)
        believed = [bought_on for other, bought_on in alike.items() if not self._too_few(person, other)]
        return {day for bought_on in believed for day in bought_on}

    def _alike(self, person: Person, things: Things, item: str, level: str) -> dict[str, set[dt.date]]:
        """What was bought of such things that has the item's key, with its days."""
        memo = (person.subject, id(things))
        if memo not in self._held:
            self._held[memo] = {name: days for name, days in self.bought(person).items() if self.holds(things, name)}
        wanted = self._key(item, level)
        return {name: days for name, days in self._held[memo].items() if self._key(name, level) == wanted}

    def nameable(self, offer: Offer) -> bool:
        """Whether none of the offer's items is in a group that is not named."""
        hidden = [group for group in self.policy.groups.values() if not group.name]
        return not any(self.holds(group, item) for group in hidden for item in offer["items"])

    def _known_items(self) -> set[str]:
        """Items that are in the catalogue, in an offer, or named by the policy; no rule can be about any other."""
        things = (*self.policy.groups.values(), *self.policy.cool_down)
        named = {item for thing in things for item in thing.items}
        return set(self.brands) | named | {item for offer in self.offers for item in offer["items"]}

    def _key(self, item: str, level: str) -> object:
        """What a level tells apart: no text is ever a tuple, so no item is ever taken for a category."""
        if level == "group":
            return None
        return self.paths.get(item, item) if level == "category" else item

    def _guarded(self, things: Things, offer: Offer, level: str) -> list[str]:
        """Those of the offer's items that are such things; one for each key, since the others would say the same."""
        memo = (id(things), offer["offer_id"], level)
        if memo not in self._one_a_key:
            inside_it = {self._key(item, level): item for item in offer["items"] if self.holds(things, item)}
            self._one_a_key[memo] = list(inside_it.values())
        return self._one_a_key[memo]

    def _any_in(self, offer: Offer, groups: tuple[str, ...]) -> bool:
        memo = (offer["offer_id"], groups)
        if memo not in self._offer_in:
            self._offer_in[memo] = any(self.in_groups(item, groups) for item in offer["items"])
        return self._offer_in[memo]

    def _refused_channel(self, person: Person, offer: Offer) -> bool:
        del offer
        return f"channel:{person.request.channel}" not in person.state.consents

    def _held_out(self, person: Person, offer: Offer) -> bool:
        del offer
        return self.arm(person) == "empty"

    def _unusable(self, person: Person, offer: Offer) -> bool:
        request = person.request
        if offer["valid_from"] is not None and offer["valid_from"] > self.now:
            return True
        if offer["valid_until"] is not None and offer["valid_until"] <= self.now:
            return True
        if offer["channels"] and request.channel not in offer["channels"]:
            return True
        if offer["placements"] and request.placement not in offer["placements"]:
            return True
        return offer["stock"] == 0 or offer["offer_id"] in request.exclude

    def _unplaced(self, person: Person, offer: Offer) -> bool:
        del person
        return self.policy.unknown_category == "withhold" and bool(self._unknown[str(offer["offer_id"])])

    def _never(self, person: Person, offer: Offer) -> bool:
        del person
        return self._any_in(offer, self.policy.never)

    def _too_young(self, person: Person, offer: Offer) -> bool:
        return self._any_in(offer, self.policy.adults_only) and person.state.adult is not True

    def _not_opened(self, person: Person, offer: Offer) -> bool:
        for rule in self.policy.only_if_purchased:
            for group in rule.groups:
                things = self.policy.groups[group]
                for item in self._guarded(things, offer, rule.level):
                    days = self.believed_days(person, things, item, rule.level)
                    recent = [day for day in days if (self.today - day).days <= rule.within_days]
                    if len(recent) < rule.min_days or "profiling" not in person.state.consents:
                        return True
        return False

    def _trapped(self, person: Person, offer: Offer) -> bool:
        for rule in self.policy.past_purchase_trap:
            for things in (self.policy.groups[group] for group in rule.groups):
                if any(self._caught(person, rule, things, item) for item in self._guarded(things, offer, rule.level)):
                    return True
        return False

    def _caught(self, person: Person, rule: PastPurchaseTrap, things: Things, item: str) -> bool:
        days = self.key_days(person, things, item, rule.level)
        return bool(days) and (len(days) < rule.min_days or overdue(days, self.today, rule))

    def _caught_anywhere(self, person: Person, item: str) -> bool:
        memo = (person.subject, item)
        if memo not in self._caught_items:
            self._caught_items[memo] = any(
                self.holds(things, item) and self._caught(person, rule, things, item)
                for rule in self.policy.past_purchase_trap
                for things in (self.policy.groups[group] for group in rule.groups)
            )
        return self._caught_items[memo]

    def _too_few(self, person: Person, item: str) -> bool:
        return any(
            self.holds(things, item) and len(self.key_days(person, things, item, rule.level)) < rule.min_days
            for rule in self.policy.past_purchase_trap
            for things in (self.policy.groups[group] for group in rule.groups)
        )

    def _cooling(self, person: Person, offer: Offer) -> bool:
        for rule in self.policy.cool_down:
            for things in (*(self.policy.groups[group] for group in rule.groups), rule):
                for item in self._guarded(things, offer, rule.level):
                    days = self.key_days(person, things, item, rule.level)
                    if any((self.today - day).days < rule.days for day in days):
                        return True
        return False

    def _dismissed(self, person: Person, offer: Offer) -> bool:
        for no in person.state.dismissals:
            if utc(no.at) > self.now or (no.expires is not None and self.now >= utc(no.expires)):
                continue
            if no.scope == "offer" and no.value == offer["offer_id"]:
                return True
            if no.scope == "item" and no.value in offer["items"]:
                return True
            if no.scope == "category":
                wanted = parts(no.value)
                if any(inside(wanted, self.paths.get(item, ())) for item in offer["items"]):
                    return True
            if no.scope == "brand":
                brands = [self.brands.get(item) for item in offer["items"]]
                if any(brand is not None and parts(brand) == parts(no.value) for brand in brands):
                    return True
        return False

    def _tired(self, person: Person, offer: Offer) -> bool:
        rule = self.policy.fatigue
        if rule is None:
            return False
        rest = dt.timedelta(hours=24 * rule.rest_days)
        count, rests_until = 0, None
        for at in sorted(utc(row.at) for row in person.state.exposures if row.offer_id == offer["offer_id"]):
            if at > self.now or self._taken_up(person, offer, at) or self._may_yet_answer(person, offer, at):
                continue
            if rests_until is not None and at < rests_until:
                continue
            count, rests_until = count + 1, None
            if count == rule.after:
                count, rests_until = 0, at + rest
        return rests_until is not None and self.now < rests_until

    def _may_yet_answer(self, person: Person, offer: Offer, at: dt.datetime) -> bool:
        """Whether an exposure is too young to have been ignored, and nobody has said that it was."""
        if self.policy.fatigue is None or at + dt.timedelta(hours=self.policy.fatigue.answer_hours) <= self.now:
            return False
        return not any(
            row.kind == "ignored" and row.offer_id == offer["offer_id"] and at <= utc(row.at) <= self.now
            for row in person.state.responses
        )

    def _taken_up(self, person: Person, offer: Offer, at: dt.datetime) -> bool:
        """Whether the offer was clicked, redeemed or bought from after (or on the day of) an exposure."""
        clicked = any(
            row.kind != "ignored" and row.offer_id == offer["offer_id"] and at <= utc(row.at) <= self.now
            for row in person.state.responses
        )
        shown_on = at.date()
        bought = self.bought(person) if "profiling" in person.state.consents else {}  # else a history opens nothing
        return clicked or any(shown_on <= day for item in offer["items"] for day in bought.get(item, ()))


def utc(at: dt.datetime) -> dt.datetime:
    """An instant as such: in a zone that changes its clock, Python reckons and compares by the clock on the wall."""
    return at.astimezone(dt.UTC)


def overdue(days: list[dt.date], today: dt.date, rule: PastPurchaseTrap) -> bool:
    """Whether the key's own rhythm has stopped: exactly, as the policy's author wrote the factor."""
    if len(days) < 2:
        return False
    mean = Fraction((days[-1] - days[0]).days, len(days) - 1)
    return (today - days[-1]).days > Fraction(str(rule.overdue)) * mean


def parts(category: str) -> tuple[str, ...]:
    """The parts of a category path, as anyone may write them: in any case, with any blanks."""
    composed = unicodedata.normalize("NFC", unicodedata.normalize("NFD", category).casefold())
    return tuple(" ".join(part.split()) for part in composed.split(" / "))


def inside(wanted: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether the wanted parts stand next to each other in the path."""
    return any(path[start : start + len(wanted)] == wanted for start in range(len(path)))


def net_days(lines: tuple[tuple[str, dt.date, float], ...]) -> set[tuple[str, dt.date]]:
    """The (item, day) pairs that are left once returns have taken from the newest purchase before them."""
    totals: dict[tuple[str, dt.date], float] = {}
    for item, day, quantity in lines:
        totals[item, day] = totals.get((item, day), 0.0) + quantity
    left: dict[tuple[str, dt.date], float] = {}
    for item, day in sorted(totals, key=lambda key: key[1]):
        total = totals[item, day]
        if total > 0:
            left[item, day] = total
            continue
        owed = -total
        for earlier in sorted((other for name, other in left if name == item), reverse=True):
            taken = min(owed, left[item, earlier])
            left[item, earlier] -= taken
            owed -= taken
    return {key for key, quantity in left.items() if quantity > 0}


def lot(text: str) -> float:
    """In [0, 1)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
