"""Baselines: what a bundle has to beat to be worth its trouble. Both need no training.

Sources: M. Li, S. Jullien, M. Ariannezhad, M. de Rijke, "A Next Basket Recommendation Reality Check" (TOIS 2023), where
global and personal frequency stand up to most neural models; the decay is that of H. Hu et al., "Modeling Personalized
Item Frequency Information for Next-basket Recommendation" (SIGIR 2020).
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.history import Histories, day_number

HALF_LIFE_DAYS: Final = 84.0  # twelve weeks
PRIOR_WEIGHT: Final = 1.5


def popularity(everyone: Histories, *, items: int) -> NDArray[np.float64]:
    """float64 [items]: how many subjects bought each item; the same list for everyone."""
    cells = np.unique(everyone.rows_of * items + everyone.item)
    return np.asarray(np.bincount(cells % items, minlength=items), np.float64)


def own_frequency(histories: Histories, *, as_of: dt.date, items: int) -> NDArray[np.float64]:
    """float64 [B, items]: each subject's purchase days, one that is `HALF_LIFE_DAYS` old counting half."""
    cells = histories.rows_of * items + histories.item
    counted = np.bincount(cells, _decay(histories, as_of), minlength=len(histories) * items)
    return np.asarray(counted.reshape(len(histories), items), np.float64)


def global_prior(everyone: Histories, *, as_of: dt.date, items: int) -> NDArray[np.float64]:
    """float64 [items]: everyone's decayed purchase days, by their largest."""
    counted = np.bincount(everyone.item, _decay(everyone, as_of), minlength=items)
    return np.asarray(counted / (counted.max() or 1), np.float64)


def gp_pop(own: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """GP-Pop, float64 [B, items]: own frequency + 1.5 · global prior.

    Habit first; where there is none, what people buy these days. The strongest simple baseline on groceries.
    """
    return own + PRIOR_WEIGHT * prior


def _decay(histories: Histories, as_of: dt.date) -> NDArray[np.float64]:
    return np.asarray(np.exp2((histories.day - day_number(as_of)) / HALF_LIFE_DAYS), np.float64)
