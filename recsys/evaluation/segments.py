"""Segments: for whom, and at what, a model is good or weak.

*Short*, *middle* and *long*: thirds of the subjects with a history, by shopping days before the window. *New*: those
without one. *Rare*: everyone with a history, but only rare items count as right. *All*: everyone with a history.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.history import DAYS, Histories

Segment = Literal["all", "short", "middle", "long", "new", "rare"]
SEGMENTS: Final[tuple[Segment, ...]] = ("all", "short", "middle", "long", "new", "rare")
THIRDS: Final[tuple[Segment, ...]] = ("short", "middle", "long")
HEAD: Final = 0.8  # of all purchase days: what falls to the most bought items; the others are rare


def shopping_days(histories: Histories) -> NDArray[np.int64]:
    """int64 [B]: on how many different days each subject bought something."""
    visits = np.unique(histories.rows_of * DAYS + histories.day)
    return np.bincount(visits // DAYS, minlength=len(histories))


def segments_of(histories: Histories) -> dict[Segment, NDArray[np.bool_]]:
    """Bool [B] for each segment of subjects; equal shopping days, equal third."""
    days = shopping_days(histories)
    old = days > 0
    edges = np.quantile(days[old], [1 / 3, 2 / 3], method="higher") if old.any() else np.zeros(2)
    third = np.searchsorted(edges, days)
    found: dict[Segment, NDArray[np.bool_]] = {"all": old, "new": ~old}
    return found | {name: old & (third == number) for number, name in enumerate(THIRDS)}


def rare_items(everyone: Histories, *, items: int) -> NDArray[np.bool_]:
    """Bool [items]: all but the most bought items that share `HEAD` of everyone's purchase days."""
    counts = np.bincount(everyone.item, minlength=items).astype(np.float64)
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    rare = np.ones(items, np.bool_)
    rare[order[before < HEAD * counts.sum()]] = False
    return rare
