"""The offer book: offers, catalogue and policy, read once and laid out as arrays for scoring and guarding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.amounts import amount
from recsys.boosts import boost_of, unmatched_lifts
from recsys.constraints.list_rules import ListRules
from recsys.contracts.catalogue import compared, path_parts
from recsys.history import ItemIndex
from recsys.offer_paths import OfferPaths
from recsys.policy import Placement, Policy, named_items, place
from recsys.policy.document import UnknownCategory
from recsys.purchase_keys import PurchaseKeys, lay_out_keys
from recsys.ragged import Ragged
from recsys.top_k import Ties

_ALWAYS: Final = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)


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
        index: Every item of the catalogue, of the offers, and that the policy names.
        catalogue: The catalogue's rows.
        items: Offer to items.
        covering: Item to offers.
        brands: Offers with an item of each brand, in lower case.
        valid_from: int64 [O], microseconds since 1970 UTC.
        valid_until: int64 [O], the first instant that is too late.
        channels: Which offers each channel may carry.
        placements: Which offers may stand in each placement.
        in_stock: bool [O].
        priority: int64 [O].
        ties: The order in which equals stand.
        unplaced: bool [O], has an item that the catalogue cannot place.
        never: bool [O], has an item that is never offered.
        adults_only: bool [O], has an item that is for adults.
        keys: For the guards that count purchases.
        paths: The offers' category paths.
        list_rules: The list constraints.
        boost: float32 [O], what the policy adds to scores.
        dropped: bool [items], never offered: purchases of it count for nothing.
        learned: bool [items], purchases of it may reach the scorer.
        nameable: bool [items], may stand in a reason: placed, and in no group that must not be named.
        veiled: bool [O], has an item that is not nameable.
        silent: bool [O], has an item of a group that must not be named.
        warnings: Names in the policy that match nothing, rules that cannot matter, and offers that are never valid.
    """

    policy: Policy
    ids: tuple[str, ...]
    positions: dict[str, int]
    titles: tuple[str, ...]
    index: ItemIndex
    catalogue: pl.DataFrame
    items: Ragged
    covering: Ragged
    brands: dict[str, NDArray[np.int64]]
    valid_from: NDArray[np.int64]
    valid_until: NDArray[np.int64]
    channels: Places
    placements: Places
    in_stock: NDArray[np.bool_]
    priority: NDArray[np.int64]
    ties: Ties
    unplaced: NDArray[np.bool_]
    never: NDArray[np.bool_]
    adults_only: NDArray[np.bool_]
    keys: PurchaseKeys
    paths: OfferPaths
    list_rules: ListRules
    boost: NDArray[np.float32]
    dropped: NDArray[np.bool_]
    learned: NDArray[np.bool_]
    nameable: NDArray[np.bool_]
    veiled: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class OfferLayout:
    """What of an offer book is the same under every policy that names the same items one by one.

    Args:
        index: As in the book.
        items: Offer to items.
        covering: Item to offers.
        path_of: The category path of each item that the catalogue places.
        placed: bool [items], which these are.
        paths: The offers' category paths.
    """

    index: ItemIndex
    items: Ragged
    covering: Ragged
    path_of: Mapping[str, tuple[str, ...]]
    placed: NDArray[np.bool_]
    paths: OfferPaths

    @classmethod
    def of(cls, offers: pl.DataFrame, catalogue: pl.DataFrame, named: Iterable[str]) -> OfferLayout:
        """Lay out `offers` over `catalogue`; `named` are the items that policies name."""
        index = ItemIndex.of([*catalogue["item"], *offers["items"].explode(), *named])
        codes = index.encode(offers["items"].explode())
        items = Ragged.of_pairs(np.repeat(np.arange(len(offers)), offers["items"].list.len()), codes, len(offers))
        parts = {category: path_parts(category) for category in catalogue["category"].drop_nulls().unique()}
        placed_rows = catalogue.filter(pl.col("category").is_not_null()).select("item", "category")
        path_of = {item: parts[category] for item, category in placed_rows.iter_rows()}
        rows = ([path_of[item] for item in row if item in path_of] for row in offers["items"].to_list())
        placed = np.zeros(len(index), np.bool_)
        placed[index.encode_known(path_of)] = True
        return cls(index, items, items.transposed(len(index)), path_of, placed, OfferPaths.of(list(rows), parts))


def open_offer_book(
    offers: pl.DataFrame, catalogue: pl.DataFrame, policy: Policy, *, layout: OfferLayout | None = None
) -> OfferBook:
    """Lay out `offers` (offers contract) over `catalogue` (catalogue contract) as `policy` sees them.

    Args:
        offers: What may be sent.
        catalogue: What is sold.
        policy: The guards'.
        layout: Of the same offers, catalogue and named items, from another policy; None: it is made.
    """
    placement = place(policy, catalogue)
    if layout is None:
        layout = OfferLayout.of(offers, catalogue, named_items(policy))
    index, items, covering, placed = layout.index, layout.items, layout.covering, layout.placed
    flags = _Flags(index, placement, policy)
    priority = _numbers(offers, "priority", 0)
    valid_from, valid_until = _instants(offers, "valid_from", _ALWAYS[0]), _instants(offers, "valid_until", _ALWAYS[1])
    silent = flags.never | flags.of_groups(name for name, group in policy.groups.items() if not group.name)
    nameable = placed & ~silent
    positions = {offer_id: position for position, offer_id in enumerate(offers["offer_id"])}
    return OfferBook(
        policy=policy,
        ids=tuple(offers["offer_id"]),
        positions=positions,
        titles=tuple(offers["title"]),
        index=index,
        catalogue=catalogue,
        items=items,
        covering=covering,
        brands=_brands(catalogue, index, covering),
        valid_from=valid_from,
        valid_until=valid_until,
        channels=_places(offers, "channels"),
        placements=_places(offers, "placements"),
        in_stock=_numbers(offers, "stock", 1) > 0,
        priority=priority,
        ties=Ties.of(priority),
        unplaced=items.any_of(~placed & (policy.unknown_category is UnknownCategory.WITHHOLD)),
        never=items.any_of(flags.never),
        adults_only=items.any_of(flags.of_groups(policy.adults_only)),
        keys=lay_out_keys(policy, placement, items, index, layout.path_of),
        paths=layout.paths,
        list_rules=ListRules.of(policy, layout.paths, positions),
        boost=boost_of(offers, items, index, policy, placement),
        dropped=flags.never,
        learned=~flags.of_groups(policy.unlearned),
        nameable=nameable,
        veiled=items.any_of(~nameable),
        silent=items.any_of(silent),
        warnings=(*placement.warnings, *unmatched_lifts(offers, policy), *_never_valid(valid_from, valid_until)),
    )


class _Flags:
    """Marks items of the index."""

    def __init__(self, index: ItemIndex, placement: Placement, policy: Policy) -> None:
        self._index = index
        self._placement = placement
        self.never = self.of_groups(policy.never)

    def of(self, items: Iterable[str]) -> NDArray[np.bool_]:
        flags = np.zeros(len(self._index), np.bool_)
        flags[self._index.encode_known(items)] = True
        return flags

    def of_groups(self, names: Iterable[str]) -> NDArray[np.bool_]:
        return self.of(self._placement.items_of(names))


def _brands(catalogue: pl.DataFrame, index: ItemIndex, covering: Ragged) -> dict[str, NDArray[np.int64]]:
    if "brand" not in catalogue.columns:
        return {}
    found: dict[str, set[int]] = {}
    for item, brand in catalogue.filter(pl.col("brand").is_not_null()).select("item", "brand").iter_rows():
        offers = covering.row(index.codes[item])
        if len(offers):
            found.setdefault(compared(brand), set()).update(offers.tolist())
    return {brand: np.array(sorted(offers), np.int64) for brand, offers in found.items()}


def _never_valid(valid_from: NDArray[np.int64], valid_until: NDArray[np.int64]) -> list[str]:
    rows = np.flatnonzero(valid_until <= valid_from)
    if not len(rows):
        return []
    offers = amount(len(rows), "offer is over before it begins", "offers are over before they begin")
    return [f"{offers} and can never go out; the first stands in row {rows[0] + 1}"]


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
