"""The offer book: offers, catalogue and policy, read once and laid out as arrays for scoring and guarding."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.catalogue import split_path
from recsys.history import ItemIndex
from recsys.policy import OnlyIfPurchased, Placement, Policy, place
from recsys.policy.document import Scope, UnknownCategory
from recsys.ragged import Ragged

_ALWAYS: Final = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class Gates:
    """What *only if purchased* asks for: G gates, each opened by enough purchase days of the items that count for it.

    Args:
        of_offer: Offer to the gates that all have to be open.
        of_item: Item to the gates that its purchases count for.
        min_days: int64 [G].
        within_days: int64 [G].
    """

    of_offer: Ragged
    of_item: Ragged
    min_days: NDArray[np.int64]
    within_days: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Places:
    """Where O offers may appear: on any channel (or placement), or on those that they name.

    Args:
        anywhere: bool [O], names none.
        named: For each name, bool [O].
    """

    anywhere: NDArray[np.bool_]
    named: dict[str, NDArray[np.bool_]]

    def admit(self, name: str | None) -> NDArray[np.bool_]:
        """Which offers may appear at `name`, as bool [O]; None: at a place that the caller did not name."""
        return self.anywhere | self.named[name] if name in self.named else self.anywhere


@dataclass(frozen=True, slots=True)
class OfferBook:
    """O offers over an index of items.

    Args:
        policy: The guards' policy that the book was made with.
        ids: O offer ids.
        positions: The position of each offer id.
        titles: O titles.
        index: Every item of the catalogue and of the offers.
        catalogue: The catalogue's rows.
        items: Offer to items.
        valid_from: int64 [O], microseconds since 1970 UTC.
        valid_until: int64 [O], the first instant that is too late.
        channels: Which offers each channel may carry.
        placements: Which offers may stand in each placement.
        in_stock: bool [O].
        priority: int64 [O].
        unplaced: bool [O], has an item that the catalogue cannot place.
        never: bool [O], has an item that is never offered.
        gates: For *only if purchased*.
        nameable: bool [items], may stand in a reason: placed, and in no group of the policy.
        warnings: Names in the policy that match nothing.
    """

    policy: Policy
    ids: tuple[str, ...]
    positions: dict[str, int]
    titles: tuple[str, ...]
    index: ItemIndex
    catalogue: pl.DataFrame
    items: Ragged
    valid_from: NDArray[np.int64]
    valid_until: NDArray[np.int64]
    channels: Places
    placements: Places
    in_stock: NDArray[np.bool_]
    priority: NDArray[np.int64]
    unplaced: NDArray[np.bool_]
    never: NDArray[np.bool_]
    gates: Gates
    nameable: NDArray[np.bool_]
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


def open_offer_book(offers: pl.DataFrame, catalogue: pl.DataFrame, policy: Policy) -> OfferBook:
    """Lay out `offers` (offers contract) over `catalogue` (catalogue contract) as `policy` sees them."""
    placement = place(policy, catalogue)
    index = ItemIndex.of([*catalogue["item"], *offers["items"].explode()])
    items = Ragged.of(np.unique(index.encode(row)) for row in offers["items"])
    placed = np.zeros(len(index), np.bool_)
    placed[index.encode(catalogue.filter(pl.col("category").is_not_null())["item"])] = True
    listed = index.encode(placement.items_of(policy.groups))
    known = placed if policy.unknown_category is UnknownCategory.WITHHOLD else np.ones_like(placed)
    nameable = placed.copy()
    nameable[listed[listed >= 0]] = False
    never = np.zeros(len(index), np.bool_)
    never_codes = index.encode(placement.items_of(policy.never))
    never[never_codes[never_codes >= 0]] = True
    return OfferBook(
        policy=policy,
        ids=tuple(offers["offer_id"]),
        positions={offer_id: position for position, offer_id in enumerate(offers["offer_id"])},
        titles=tuple(offers["title"]),
        index=index,
        catalogue=catalogue,
        items=items,
        valid_from=_instants(offers, "valid_from", _ALWAYS[0]),
        valid_until=_instants(offers, "valid_until", _ALWAYS[1]),
        channels=_places(offers, "channels"),
        placements=_places(offers, "placements"),
        in_stock=_numbers(offers, "stock", 1) > 0,
        priority=_numbers(offers, "priority", 0),
        unplaced=items.any_of(~known),
        never=items.any_of(never),
        gates=_gates(items, index, catalogue, policy, placement),
        nameable=nameable,
        warnings=placement.warnings,
    )


def microseconds(at: dt.datetime) -> int:
    """Microseconds since 1970 UTC of an instant with a time zone."""
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _gates(items: Ragged, index: ItemIndex, catalogue: pl.DataFrame, policy: Policy, placement: Placement) -> Gates:
    """Make one gate for each rule, group, and key that the rule's level distinguishes within the group."""
    categories = dict(catalogue.select("item", "category").iter_rows())
    keys: dict[tuple[int, str, str], int] = {}
    pairs: list[tuple[int, int]] = []
    for number, rule in enumerate(policy.only_if_purchased):
        for group in rule.groups:
            for item in sorted(placement.members[group] & index.codes.keys()):
                key = (number, group, _gate_key(rule, item, categories.get(item)))
                pairs.append((index.codes[item], keys.setdefault(key, len(keys))))
    pairs.sort()
    of_item = Ragged.of([gate for _, gate in pairs[first:last]] for first, last in _runs(pairs, len(index)))
    rules = [policy.only_if_purchased[number] for number, _, _ in keys]
    of_offer = Ragged.of(np.unique(of_item.take(items.row(offer))[0]) for offer in range(len(items)))
    return Gates(
        of_offer=of_offer,
        of_item=of_item,
        min_days=np.array([rule.min_days for rule in rules], np.int64),
        within_days=np.array([rule.within_days for rule in rules], np.int64),
    )


def _gate_key(rule: OnlyIfPurchased, item: str, category: str | None) -> str:
    if rule.level is Scope.GROUP:
        return ""
    return item if rule.level is Scope.ITEM or category is None else " / ".join(split_path(category))


def _runs(pairs: list[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    counts = np.bincount(np.array([code for code, _ in pairs], np.int64), minlength=size)
    ends = np.cumsum(counts)
    return list(zip((ends - counts).tolist(), ends.tolist(), strict=True))


def _instants(offers: pl.DataFrame, name: str, missing: int) -> NDArray[np.int64]:
    if name not in offers.columns:
        return np.full(len(offers), missing, np.int64)
    return offers[name].to_physical().fill_null(missing).to_numpy()


def _numbers(offers: pl.DataFrame, name: str, missing: int) -> NDArray[np.int64]:
    if name not in offers.columns:
        return np.full(len(offers), missing, np.int64)
    return offers[name].fill_null(missing).to_numpy()


def _places(offers: pl.DataFrame, name: str) -> Places:
    rows = [row if row is not None else () for row in offers[name]] if name in offers.columns else [()] * len(offers)
    named: dict[str, NDArray[np.bool_]] = {}
    for position, row in enumerate(rows):
        for here in row:
            named.setdefault(here, np.zeros(len(offers), np.bool_))[position] = True
    return Places(np.array([len(row) == 0 for row in rows], np.bool_), named)
