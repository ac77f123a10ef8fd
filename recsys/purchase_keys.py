"""Which purchases count together, and which offers wait for them: the groups of a policy, laid out over an offer book.

A *key* is a set of items whose purchase days are counted together: a group, a category path within a group, or a single
item, as the rule's level says. A *gate* is one rule before one key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.history import ItemIndex
from recsys.policy import Placement, Policy
from recsys.policy.document import CoolDown, OnlyIfPurchased, PastPurchaseTrap, Scope
from recsys.ragged import Ragged

Rule = OnlyIfPurchased | PastPurchaseTrap | CoolDown
_Group = str | int  # a group's name; or a cool-down rule's number, for what it names itself: no name is a number
_Key = str | tuple[_Group, tuple[str, ...] | None]  # an item; or a group, and the path within it, None for all of it
_Laid = Sequence[tuple[int, int]]  # pairs of a rule's number and a key that it is about


@dataclass(frozen=True, slots=True)
class Gates:
    """G gates of *only if purchased*: each is one rule before one key, and an offer needs all that it stands behind.

    Args:
        of_key: Key to the gates before it.
        offers: Gate to the offers that stand behind it.
        of_offer: int64 [O], how many gates each offer stands behind.
        min_days: int64 [G].
        within_days: int64 [G].
    """

    of_key: Ragged
    offers: Ragged
    of_offer: NDArray[np.int64]
    min_days: NDArray[np.int64]
    within_days: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PurchaseKeys:
    """K keys over an index of items, and what rules say of each. Of two rules that withhold, the stricter one decides.

    Args:
        of_item: Item to keys.
        counted: bool [items], has a key and is not dropped at every door.
        gated: bool [items], has a key with a gate.
        tangled: bool [items], and another one with a trap.
        offers: Key to the offers with such an item.
        gates: For *only if purchased*.
        trap_min_days: int64 [K], for *past-purchase trap*; 0 for a key without such a rule.
        overdue: float64 [K], the same.
        cooling_days: int64 [K], for *cool-down*; 0 for a key without such a rule.
    """

    of_item: Ragged
    counted: NDArray[np.bool_]
    gated: NDArray[np.bool_]
    tangled: NDArray[np.bool_]
    offers: Ragged
    gates: Gates
    trap_min_days: NDArray[np.int64]
    overdue: NDArray[np.float64]
    cooling_days: NDArray[np.int64]

    @property
    def size(self) -> int:
        """K."""
        return len(self.offers)


class KeyMaker:
    """Numbers keys while the rules are read."""

    def __init__(self, index: ItemIndex, paths: Mapping[str, tuple[str, ...]]) -> None:
        self._index = index
        self._paths = paths
        self._keys: dict[_Key, int] = {}
        self._pairs: dict[tuple[int, int], None] = {}  # item, key

    def of_group(self, name: _Group, items: Iterable[str], level: Scope) -> list[int]:
        """The keys of a group's items that the index holds."""
        found: dict[int, None] = {}
        for item in sorted(self._index.codes.keys() & set(items)):
            key = self._keys.setdefault(self._key(name, item, level), len(self._keys))
            self._pairs[self._index.codes[item], key] = None
            found[key] = None
        return list(found)

    def of_item(self) -> Ragged:
        """Item to keys."""
        pairs = np.array([*self._pairs], np.int64).reshape(-1, 2)
        return Ragged.of_pairs(pairs[:, 0], pairs[:, 1], len(self._index))

    def __len__(self) -> int:
        return len(self._keys)

    def _key(self, group: _Group, item: str, level: Scope) -> _Key:
        if level is Scope.GROUP:
            return (group, None)
        path = self._paths.get(item)
        return item if level is Scope.ITEM or path is None else (group, path)


def lay_out_keys(
    policy: Policy, placement: Placement, items: Ragged, index: ItemIndex, paths: Mapping[str, tuple[str, ...]]
) -> PurchaseKeys:
    """Lay out the rules about purchases.

    Args:
        policy: The policy.
        placement: Where its groups lie.
        items: Offer to items.
        index: The items.
        paths: The category path of each item that has one.
    """
    maker = KeyMaker(index, paths)
    gates, traps, cooling = (
        _lay_out(maker, rules, placement)
        for rules in (policy.only_if_purchased, policy.past_purchase_trap, policy.cool_down)
    )
    of_item = maker.of_item()
    key, position = of_item.take(items.values)
    offers = Ragged.of_pairs(key, items.owners[position], len(maker))
    never = np.zeros(len(index), np.bool_)
    never[index.encode_known(placement.items_of(policy.never))] = True
    gated, trapped = (np.isin(np.arange(len(maker)), [key for _, key in laid]) for laid in (gates, traps))
    return PurchaseKeys(
        of_item=of_item,
        counted=(of_item.lengths > 0) & ~never,
        gated=of_item.any_of(gated),
        tangled=_tangled(of_item, gated, trapped),
        offers=offers,
        gates=_gates(gates, policy.only_if_purchased, offers, len(items)),
        trap_min_days=_most(traps, [rule.min_days for rule in policy.past_purchase_trap], len(maker)),
        overdue=_least(traps, [rule.overdue for rule in policy.past_purchase_trap], len(maker)),
        cooling_days=_most(cooling, [rule.days for rule in policy.cool_down], len(maker)),
    )


def _tangled(of_item: Ragged, gated: NDArray[np.bool_], trapped: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bool [items]: has a key of the one kind and another key of the other."""
    owner = of_item.owners
    gates, traps, both = (
        np.bincount(owner, flags[of_item.values], minlength=len(of_item)) for flags in (gated, trapped, gated & trapped)
    )
    return np.asarray((gates > 0) & (traps > 0) & ~((gates == 1) & (traps == 1) & (both == 1)))


def _lay_out(maker: KeyMaker, rules: Sequence[Rule], placement: Placement) -> _Laid:
    """The keys of each rule, each pair once."""
    pairs = [
        (number, key)
        for number, rule in enumerate(rules)
        for name, members in _groups(rule, number, placement)
        for key in maker.of_group(name, members, rule.level)
    ]
    return list(dict.fromkeys(pairs))


def _groups(rule: Rule, number: int, placement: Placement) -> list[tuple[_Group, frozenset[str]]]:
    named: list[tuple[_Group, frozenset[str]]] = [(name, placement.members[name]) for name in rule.groups]
    if isinstance(rule, CoolDown):
        named.append((number, placement.cooling[number]))
    return named


def _gates(laid: _Laid, rules: Sequence[OnlyIfPurchased], offers_of_key: Ragged, offers: int) -> Gates:
    """Make one gate for each pair of rule and key."""
    key = np.array([key for _, key in laid], np.int64)
    offer, gate = offers_of_key.take(key)
    return Gates(
        of_key=Ragged.of_pairs(key, np.arange(len(key)), len(offers_of_key)),
        offers=Ragged.of_pairs(gate, offer, len(key)),
        of_offer=np.bincount(offer, minlength=offers),
        min_days=np.array([rules[number].min_days for number, _ in laid], np.int64),
        within_days=np.array([rules[number].within_days for number, _ in laid], np.int64),
    )


def _most(laid: _Laid, numbers: Sequence[int], keys: int) -> NDArray[np.int64]:
    """int64 [K]: the largest number of a key's rules, 0 for a key that has none."""
    found = np.zeros(keys, np.int64)
    for rule, key in laid:
        found[key] = max(found[key], numbers[rule])
    return found


def _least(laid: _Laid, numbers: Sequence[float], keys: int) -> NDArray[np.float64]:
    """float64 [K]: the smallest number of a key's rules, 0 for a key that has none."""
    found = np.zeros(keys, np.float64)
    for rule, key in laid:
        found[key] = min(found[key] or numbers[rule], numbers[rule])
    return found
