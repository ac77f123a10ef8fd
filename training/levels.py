"""What a model item is: the item itself, or its category path ("type") where items are too sparse to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from recsys.contracts.manifest import Level
from recsys.errors import ContractError, UsageError
from recsys.model_items import catalogue_map, to_model_items

MANY_BUYERS: Final = 100  # about as many observations as a factor has numbers,
MANY_SHARE: Final = 0.1  # or one subject in ten where there are fewer than a thousand,
FEW_BUYERS: Final = 10  # but never fewer than that
MIN_TYPES: Final = 100  # a list of ten has to be a choice


class LevelChoice(StrEnum):
    """`--level`."""

    ITEM = "item"
    TYPE = "type"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ModelItemDays:
    """Purchase days brought to model items.

    Args:
        daily: `subject, item, day, …` with model items, one row each.
        item_map: `item, model_item` of the whole catalogue at level type; None: items are model items.
        left_out: How many items that were bought have no model item.
    """

    daily: pl.DataFrame
    item_map: pl.DataFrame | None
    left_out: int

    @property
    def level(self) -> Level:
        """What a model item is here."""
        return Level.ITEM if self.item_map is None else Level.TYPE


def to_level(
    daily: pl.DataFrame, catalogue: pl.DataFrame | None, choice: LevelChoice, *, min_buyers: int
) -> ModelItemDays:
    """Bring purchase days to the level asked for.

    `auto` learns types where all three hold, and items otherwise:

    - less than half of the pairs (subject, item bought) lie on items that enough subjects bought to learn from: 100,
      or one in ten where there are fewer than 1,000 subjects, but at least 10;
    - the catalogue knows the category of at least half of those pairs;
    - at least 100 types have `min_buyers` buyers.

    Accuracy cannot decide, since it cannot be compared between levels.

    Args:
        daily: `subject, item, day, …`, one row each.
        catalogue: In the catalogue contract; None: not given.
        choice: The level asked for.
        min_buyers: How many buyers a model item needs.

    Raises:
        UsageError: Types were asked for without a catalogue.
        ContractError: Types were asked for, and the catalogue knows no category, or none of what was bought.
    """
    as_they_are = ModelItemDays(daily, None, 0)
    if catalogue is None and choice is LevelChoice.TYPE:
        raise UsageError("type needs --catalogue", where="--level", mend="Give the catalogue, or --level item")
    if catalogue is None or choice is LevelChoice.ITEM:
        return as_they_are
    if catalogue["category"].null_count() < len(catalogue):
        types = catalogue_map(catalogue, Level.TYPE).sort("item")
        left_out = daily.join(types, on="item", how="anti")["item"].n_unique()
        as_types = ModelItemDays(to_model_items(daily, types), types, left_out)
        if choice is LevelChoice.TYPE and as_types.daily.is_empty():
            raise ContractError(
                "knows the category of nothing that was bought",
                where="--catalogue",
                mend="Check that it names items as the purchases do, or fit with --level item",
            )
        if choice is LevelChoice.TYPE or _types_serve_better(as_they_are, as_types, min_buyers):
            return as_types
    elif choice is LevelChoice.TYPE:
        raise ContractError("the catalogue knows no category", where="--catalogue", mend="Fit with --level item")
    return as_they_are


def _types_serve_better(items: ModelItemDays, types: ModelItemDays, min_buyers: int) -> bool:
    subjects = items.daily["subject"].n_unique()
    enough = max(min(MANY_BUYERS, MANY_SHARE * subjects), FEW_BUYERS)
    buyers = items.daily.group_by("item").agg(pl.col("subject").n_unique().alias("buyers"))
    placed = buyers.join(types.item_map, on="item", how="semi") if types.item_map is not None else buyers.clear()
    half = buyers["buyers"].sum() / 2
    learnable_types = types.daily.group_by("item").agg(pl.col("subject").n_unique().alias("buyers"))
    return bool(
        buyers.filter(pl.col("buyers") >= enough)["buyers"].sum() < half
        and placed["buyers"].sum() >= half
        and (learnable_types["buyers"] >= min_buyers).sum() >= MIN_TYPES
    )
