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


@dataclass(frozen=True, slots=True)
class Gates:
    """G gates of one kind of rule.

    Args:
        of_key: Key to the gates before it.
        offers: Gate to the offers that stand behind it.
        of_offer: int64 [O], how many gates each offer stands behind.
        rule: int64 [G], the position of each gate's rule in the policy.
    """

    of_key: Ragged
    offers: Ragged
    of_offer: NDArray[np.int64]
    rule: NDArray[np.int64]

    def numbers(self, values: Iterable[float]) -> NDArray[np.float64]:
        """float64 [G]: a number of each gate's rule, given that of each rule."""
        return np.array([*values, 0.0], np.float64)[self.rule]


@dataclass(frozen=True, slots=True)
class PurchaseKeys:
    """K keys over an index of items, and the gates before them.

    Args:
        of_item: Item to keys.
        counted: bool [items], has a key and is not dropped at every door.
        gates: For *only if purchased*.
        min_days: float64 [gates].
        within_days: float64 [gates].
        traps: For *past-purchase trap*.
        trap_min_days: float64 [traps].
        overdue: float64 [traps].
        cooling: For *cool-down*.
        cooling_days: float64 [cooling].
    """

    of_item: Ragged
    counted: NDArray[np.bool_]
    gates: Gates
    min_days: NDArray[np.float64]
    within_days: NDArray[np.float64]
    traps: Gates
    trap_min_days: NDArray[np.float64]
    overdue: NDArray[np.float64]
    cooling: Gates
    cooling_days: NDArray[np.float64]

    @property
    def size(self) -> int:
        """K."""
        return len(self.gates.of_key)


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
    kinds: tuple[Sequence[Rule], ...] = (policy.only_if_purchased, policy.past_purchase_trap, policy.cool_down)
    found = [
        [
            (number, key)
            for number, rule in enumerate(rules)
            for name, members in _groups(rule, number, placement)
            for key in maker.of_group(name, members, rule.level)
        ]
        for rules in kinds
    ]
    of_item = maker.of_item()
    key, offer = _keys_of_offers(items, of_item)
    offers_of_key = Ragged.of_pairs(key, offer, len(maker))
    gates, traps, cooling = (_gates(pairs, offers_of_key, len(items)) for pairs in found)
    never = np.zeros(len(index), np.bool_)
    never[index.encode_known(placement.items_of(policy.never))] = True
    return PurchaseKeys(
        of_item=of_item,
        counted=(of_item.lengths > 0) & ~never,
        gates=gates,
        min_days=gates.numbers(rule.min_days for rule in policy.only_if_purchased),
        within_days=gates.numbers(rule.within_days for rule in policy.only_if_purchased),
        traps=traps,
        trap_min_days=traps.numbers(rule.min_days for rule in policy.past_purchase_trap),
        overdue=traps.numbers(rule.overdue for rule in policy.past_purchase_trap),
        cooling=cooling,
        cooling_days=cooling.numbers(rule.days for rule in policy.cool_down),
    )


def _groups(rule: Rule, number: int, placement: Placement) -> list[tuple[_Group, frozenset[str]]]:
    named: list[tuple[_Group, frozenset[str]]] = [(name, placement.members[name]) for name in rule.groups]
    if isinstance(rule, CoolDown):
        named.append((number, placement.cooling[number]))
    return named


def _keys_of_offers(items: Ragged, of_item: Ragged) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    key, position = of_item.take(items.values)
    return key, items.owners[position]


def _gates(pairs: Sequence[tuple[int, int]], offers_of_key: Ragged, offers: int) -> Gates:
    """Make one gate for each pair of rule and key."""
    unique = np.array([*dict.fromkeys(pairs)], np.int64).reshape(-1, 2)
    rule, key = unique[:, 0], unique[:, 1]
    offer, gate = offers_of_key.take(key)
    return Gates(
        of_key=Ragged.of_pairs(key, np.arange(len(key)), len(offers_of_key)),
        offers=Ragged.of_pairs(gate, offer, len(key)),
        of_offer=np.bincount(offer, minlength=offers),
        rule=rule,
    )
