"""Generated policies: every rule there is, with the few numbers that generated histories know how to come close to."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.policy.document import (
    Boosts,
    Cap,
    CapScope,
    CoolDown,
    Diversity,
    Fatigue,
    Group,
    Holdout,
    Lift,
    OnlyIfPurchased,
    PastPurchaseTrap,
    Policy,
    Scope,
    Trial,
    UnknownCategory,
)
from support.dice import Dice, chance, pick, some

GROUPS = ("g0", "g1", "g2", "g3")
CATEGORIES = (
    *("WINE", "food / wine / red", "MILK", "KITS", "nowhere", "FOOD /  WINE", "BEERS/ALES", "FOOD / RED"),
    *("straße / säfte", "FOOD / MILK / FLUID", "ALONE", "FOOD"),
)
GONE = "gone"  # an item that no catalogue has
DELISTED = "delisted"  # nor any offer: only old receipts and the policy name it
TRIAL = Trial(salt="a salt of some length", challenger=0.5)
DAYS = (7, 1, 2, 30)
HOURS = (24, 1, 168)
_LIFTS = (0.25, -0.25, 0.0625, 1.5, -2.0)  # sums of these are exact in any precision
_SCOPES = tuple(Scope)


def make_policy(dice: Dice, items: Sequence[str], offer_ids: Sequence[str]) -> Policy:
    """A policy whose names partly exist."""
    groups = {name: _group(dice, items) for name in GROUPS}
    made = Policy(
        version=1,
        sha256="0" * 64,
        unknown_category=pick(dice, (UnknownCategory.ALLOW, UnknownCategory.ALLOW, UnknownCategory.WITHHOLD)),
        groups=groups,
        never=some(dice, GROUPS, 1) if chance(dice, 3) else (),
        adults_only=some(dice, GROUPS, 2) if chance(dice, 4) else (),
        only_if_purchased=tuple(_only_if(dice) for _ in range(_few(dice))),
        past_purchase_trap=tuple(_trap(dice) for _ in range(_few(dice))),
        cool_down=tuple(_cool_down(dice, items) for _ in range(_few(dice))),
        fatigue=Fatigue(after=1 + dice.below(3), rest_days=pick(dice, DAYS), answer_hours=pick(dice, (0, 0, 30)))
        if chance(dice, 7)
        else None,
        cap=tuple(_cap(dice) for _ in range(pick(dice, (0, 1, 1, 2)))),
        diversity=tuple(Diversity(max=1 + dice.below(3), depth=1 + dice.below(3)) for _ in range(_few(dice))),
        holdout=pick(dice, (None, None, None, Holdout(salt="a salt of some length", empty=0.125, popular=0.25))),
        boosts=_boosts(dice, offer_ids),
    )
    return changed(made, trial=TRIAL) if len(made.cap) == 1 else made  # without a throw: the other worlds stay the same


def changed(policy: Policy, **changes: object) -> Policy:
    """The same policy with other rules."""
    return Policy(**{**{name: getattr(policy, name) for name in policy.__struct_fields__}, **changes})


def _group(dice: Dice, items: Sequence[str]) -> Group:
    return Group(
        categories=some(dice, CATEGORIES, 2, least=1),
        items=some(dice, (*items, GONE, *(DELISTED,) * 3), 2),
        learn=not chance(dice, 2),
        name=chance(dice, 7),
    )


def _few(dice: Dice) -> int:
    return pick(dice, (0, 1, 0, 1, 2))


def _groups(dice: Dice) -> tuple[str, ...]:
    return some(dice, GROUPS, 2, least=1)


def _only_if(dice: Dice) -> OnlyIfPurchased:
    return OnlyIfPurchased(
        groups=_groups(dice), min_days=1 + dice.below(3), within_days=pick(dice, DAYS), level=pick(dice, _SCOPES)
    )


def _trap(dice: Dice) -> PastPurchaseTrap:
    return PastPurchaseTrap(
        groups=_groups(dice),
        min_days=1 + dice.below(3),
        overdue=pick(dice, (3.0, 1.0, 1.5, 1.1, 2.3)),
        level=pick(dice, _SCOPES),
    )


def _cool_down(dice: Dice, items: Sequence[str]) -> CoolDown:
    named = pick(dice, ("groups", "categories", "items", "all"))
    return CoolDown(
        groups=_groups(dice) if named in {"groups", "all"} else (),
        categories=some(dice, CATEGORIES, 2, least=1) if named in {"categories", "all"} else (),
        items=some(dice, (*items, GONE, *(DELISTED,) * 3), 2, least=1) if named in {"items", "all"} else (),
        days=pick(dice, DAYS),
        level=pick(dice, _SCOPES),
    )


def _cap(dice: Dice) -> Cap:
    return Cap(
        per=pick(dice, tuple(CapScope)),
        max=pick(dice, (8, 3, 5, 2, 1)),
        hours=pick(dice, HOURS),
        depth=1 + dice.below(3),
    )


def _boosts(dice: Dice, offer_ids: Sequence[str]) -> Boosts:
    if not chance(dice, 5):
        return Boosts()
    lifts = []
    for _ in range(dice.below(4)):
        kind, by = pick(dice, ("offers", "campaigns", "groups", "categories")), pick(dice, _LIFTS)
        names = {"offers": (*offer_ids, "no-such"), "campaigns": ("spring", "fall"), "groups": GROUPS}
        lifts.append(Lift(by=by, **{kind: some(dice, names.get(kind, CATEGORIES), 2, least=1)}))
    return Boosts(max=pick(dice, (0.5, 0.0, 100.0)), value_weight=pick(dice, (0.0, 0.5, -0.25)), lift=tuple(lifts))
