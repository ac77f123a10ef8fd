"""The guards again, from their meaning, in plain loops. Shares no code with `recsys.guards`."""

from __future__ import annotations

import datetime as dt
import math

from recsys.policy.document import OnlyIfPurchased
from support.worlds import NOW, World

RULES = ("consent", "eligibility", "unknown_category", "never", "only_if_purchased")


def verdict(world: World, offer: dict[str, object]) -> str | None:
    """The first rule that withholds an offer, or None."""
    checks = (_refused_channel, _unusable, _unplaced, _never, _not_opened)
    for rule, check in zip(RULES, checks, strict=True):
        if check(world, offer):
            return rule
    return None


def decision(world: World) -> tuple[list[str], dict[str, int], str]:
    """Offer ids in order, withheld counts by first rule, and the fill."""
    personal = "profiling" in world.state.consents and known(world)
    scores = world.scores if personal else world.popular
    counts: dict[str, int] = {}
    allowed = []
    for position, offer in enumerate(world.offers.iter_rows(named=True)):
        rule = verdict(world, offer) or (None if math.isfinite(scores[position]) else "unscored")
        if rule is None:
            allowed.append((-scores[position], -(offer["priority"] or 0), position, offer["offer_id"]))
        else:
            counts[rule] = counts.get(rule, 0) + 1
    listed = [row[3] for row in sorted(allowed)[: world.request.count]]
    if not listed:
        return listed, counts, "none"
    if len(listed) < world.request.count:
        return listed, counts, "short"
    return listed, counts, "personal" if personal else "popular"


def known(world: World) -> bool:
    """Whether anything was bought until now."""
    return any(day <= NOW.date() for _, day in net_days(world.lines))


def net_days(lines: list[tuple[str, int, float]]) -> set[tuple[str, dt.date]]:
    """The (item, day) pairs that are left once returns have taken from the newest purchase before them."""
    totals: dict[tuple[str, int], float] = {}
    for item, age, quantity in lines:
        totals[item, age] = totals.get((item, age), 0.0) + quantity
    left: dict[tuple[str, int], float] = {}
    for item, age in sorted(totals, key=lambda key: -key[1]):
        total = totals[item, age]
        if total > 0:
            left[item, age] = total
            continue
        owed = -total
        for earlier in sorted(other for name, other in left if name == item and other > age):
            taken = min(owed, left[item, earlier])
            left[item, earlier] -= taken
            owed -= taken
    return {(item, (NOW - dt.timedelta(age)).date()) for (item, age), quantity in left.items() if quantity > 0}


def _refused_channel(world: World, offer: dict[str, object]) -> bool:
    del offer
    return f"channel:{world.request.channel}" not in world.state.consents


def _unusable(world: World, offer: dict[str, object]) -> bool:
    request = world.request
    if offer["valid_from"] is not None and offer["valid_from"] > NOW:
        return True
    if offer["valid_until"] is not None and offer["valid_until"] <= NOW:
        return True
    if offer["channels"] and request.channel not in offer["channels"]:
        return True
    if offer["placements"] and request.placement not in offer["placements"]:
        return True
    return offer["stock"] == 0 or offer["offer_id"] in request.exclude


def _category(world: World, item: str) -> str | None:
    for row in world.catalogue.iter_rows(named=True):
        if row["item"] == item:
            return row["category"]
    return None


def _in_group(world: World, item: str, group: str) -> bool:
    wanted = world.policy.groups[group]
    if item in wanted.items:
        return True
    category = _category(world, item)
    return category is not None and any(f" / {entry} / " in f" / {category} / " for entry in wanted.categories)


def _unplaced(world: World, offer: dict[str, object]) -> bool:
    if world.policy.unknown_category == "allow":
        return False
    return any(_category(world, item) is None for item in offer["items"])


def _never(world: World, offer: dict[str, object]) -> bool:
    return any(_in_group(world, item, group) for item in offer["items"] for group in world.policy.never)


def _not_opened(world: World, offer: dict[str, object]) -> bool:
    for rule in world.policy.only_if_purchased:
        for group in rule.groups:
            for item in offer["items"]:
                if _in_group(world, item, group) and not _opened(world, rule, group, item):
                    return True
    return False


def _opened(world: World, rule: OnlyIfPurchased, group: str, item: str) -> bool:
    if "profiling" not in world.state.consents:
        return False
    bought = net_days(world.lines) | {
        (purchase.item, purchase.day) for purchase in world.state.sensitive_purchases if purchase.quantity > 0
    }
    days = set()
    for other, day in bought:
        same = {
            "group": True,
            "item": other == item,
            "category": other == item
            or (_category(world, item) is not None and _category(world, other) == _category(world, item)),
        }[rule.level]
        if _in_group(world, other, group) and same and 0 <= (NOW.date() - day).days <= rule.within_days:
            days.add(day)
    return len(days) >= rule.min_days
