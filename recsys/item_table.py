"""Item statistics as the graph takes them: one row a model item, one column a feature."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.statistics import HALF_LIVES_DAYS, popularity_column
from recsys.history import ItemIndex

_COLUMNS: Final = tuple(popularity_column(days) for days in (None, *HALF_LIVES_DAYS))
_LEAST: Final = 1e-6  # a share below it counts as this much
_RATIOS: Final = ((1, 0), (2, 1), (4, 2))  # of half-lives: 30 days to ever, 8 to 30, 1 to 8
_BUYERS: Final = 5.0  # that the repeat rate of few is shrunk with

ITEM_FEATURES: Final = (
    *(f"log share, {name}" for name in _COLUMNS),
    *(f"log ratio, {_COLUMNS[recent]} to {_COLUMNS[usual]}" for recent, usual in _RATIOS),
    "repeat rate",
    "log interval",
    "log purchases a buyer",
    "log days on sale",
    "log share of its category",
    "share of the most popular",
)
INTERVAL: Final = ITEM_FEATURES.index("log interval")
PRIOR: Final = ITEM_FEATURES.index("share of the most popular")


def item_table(statistics: pl.DataFrame, vocabulary: ItemIndex, categories: NDArray[np.int64]) -> NDArray[np.float32]:
    """float32 [M, S]: the `ITEM_FEATURES` of each model item; of one without statistics, those of one never bought.

    Args:
        statistics: In the item-statistics contract.
        vocabulary: The M model items.
        categories: int64 [M], the category of each; all zero where none is known.
    """
    codes = vocabulary.encode(statistics["item"])
    known = codes >= 0
    raw = np.zeros((len(vocabulary), len(statistics.columns) - 1))
    raw[codes[known]] = statistics.drop("item").cast(pl.Float64).to_numpy()[known]
    column = {name: raw[:, place] for place, name in enumerate(statistics.columns[1:])}
    days = np.stack([column[name] for name in _COLUMNS], axis=1)
    shares = days / np.maximum(days.sum(axis=0), _LEAST)
    logs = np.log(np.maximum(shares, _LEAST))
    mean_rate = (column["repeat_rate"] * column["buyers"]).sum() / max(column["buyers"].sum(), 1)
    recent = days[:, 2]
    of_category = np.bincount(categories, shares[:, 1])[categories]
    return np.column_stack(
        [
            logs,
            *(logs[:, newer] - logs[:, older] for newer, older in _RATIOS),
            (column["repeat_rate"] * column["buyers"] + _BUYERS * mean_rate) / (column["buyers"] + _BUYERS),
            np.log1p(column["interval"]),
            np.log1p(days[:, 0] / np.maximum(column["buyers"], 1)),
            np.log1p(column["days_on_sale"]),
            np.log(np.maximum(of_category, _LEAST)),
            recent / max(recent.max(initial=0), _LEAST),
        ]
    ).astype(np.float32)
