"""Splits: who is judged on what. History is strictly before a day; targets lie in a window that starts with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.history import Histories, ItemIndex, purchase_days
from recsys.ragged import Ragged


@dataclass(frozen=True, slots=True)
class Window:
    """The days that a model is judged on: `as_of` is the first of them, `end` the first day after them."""

    as_of: dt.date
    horizon: int

    @property
    def end(self) -> dt.date:
        """The first day after the window."""
        return self.as_of + dt.timedelta(days=self.horizon)

    def covered(self, last_day: dt.date) -> int:
        """How many of the window's days lie within data that ends on `last_day`."""
        return max(0, min(self.horizon, (last_day - self.as_of).days + 1))


@dataclass(frozen=True, slots=True)
class Split:
    """The two sides of an as-of day, over I model items.

    Args:
        window: The window that was judged.
        items: I.
        everyone: The history of all subjects before the window: what anyone could know of the world by then.
        judged: The history of the S subjects who have one and bought something in the window.
        targets: For each of the S, the model items bought in the window.
        without_history: Subjects who bought in the window and never before: nothing personal could be said.
        unknown_items: Different items bought in the window that the model does not know: not judged.
        unknown_share: Their share of the window's purchases (a subject, an item and a day each).
    """

    window: Window
    items: int
    everyone: Histories
    judged: Histories
    targets: Ragged
    without_history: int
    unknown_items: int
    unknown_share: float

    def relevant(self, rows: slice) -> NDArray[np.bool_]:
        """What the judged subjects of `rows` bought in the window, bool [B, I]."""
        items, owners = self.targets.take(np.arange(rows.start, rows.stop))
        return _flagged(owners, items, (rows.stop - rows.start, self.items))

    def bought(self, rows: slice) -> NDArray[np.bool_]:
        """What the judged subjects of `rows` had bought before the window, bool [B, I]."""
        before = self.judged.slice(rows.start, rows.stop)
        return _flagged(before.rows_of, before.item, (len(before), self.items))


def time_split(
    purchases: pl.DataFrame, window: Window, index: ItemIndex, codes: NDArray[np.int32], *, items: int
) -> Split:
    """Split everyone's purchases at one day.

    A return inside the window takes nothing from the history, since it had not happened yet; it does take away a
    target that was bought in the window.

    Args:
        purchases: In the purchases contract.
        window: What to judge on.
        index: The items of `purchases`.
        codes: int32 [len(index)], the model item of each, -1 for those that the model does not know.
        items: How many model items there are.
    """
    model_items = pl.DataFrame({"item": index.names, "code": codes}, schema={"item": pl.String, "code": pl.Int32})
    before = _known(purchase_days(purchases, until=window.as_of).join(model_items, on="item"))
    after = (
        purchase_days(purchases, until=window.end).filter(pl.col("day") >= window.as_of).join(model_items, on="item")
    )
    targets = _known(after)
    unknown = after.filter(pl.col("code") < 0)
    both = before.select("subject").unique().join(targets.select("subject").unique(), on="subject").sort("subject")
    judged = both["subject"].to_list()
    return Split(
        window=window,
        items=items,
        everyone=_histories(before, before["subject"].unique().sort().to_list()),
        judged=_histories(before, judged),
        targets=_targets(targets, judged),
        without_history=targets.join(before, on="subject", how="anti")["subject"].n_unique(),
        unknown_items=unknown["item"].n_unique(),
        unknown_share=len(unknown) / max(len(after), 1),
    )


def _known(daily: pl.DataFrame) -> pl.DataFrame:
    """Bring purchase days to known model items: one row a subject, model item and day."""
    return (
        daily.filter(pl.col("code") >= 0)
        .group_by("subject", "code", "day")
        .agg(pl.col("quantity").sum(), pl.col("baskets").max())
    )


def _histories(daily: pl.DataFrame, subjects: list[str]) -> Histories:
    """Histories over model items. Unlike those a scorer is given they have no bound: "never bought" must be true."""
    rows = _of(daily, subjects).sort("row", "day", "code")
    return Histories(
        tuple(subjects),
        _offsets(rows["row"], len(subjects)),
        rows["code"].to_numpy(),
        rows["day"].to_physical().to_numpy(),
        rows["quantity"].cast(pl.Float32).to_numpy(),
        rows["baskets"].to_numpy(),
    )


def _targets(daily: pl.DataFrame, subjects: list[str]) -> Ragged:
    rows = _of(daily, subjects).unique(["row", "code"]).sort("row", "code")
    return Ragged(_offsets(rows["row"], len(subjects)), rows["code"].cast(pl.Int64).to_numpy())


def _of(daily: pl.DataFrame, subjects: list[str]) -> pl.DataFrame:
    order = pl.DataFrame({"subject": subjects}, schema={"subject": pl.String}).with_row_index("row")
    return daily.join(order, on="subject")


def _offsets(rows: pl.Series, subjects: int) -> NDArray[np.int64]:
    sizes = np.bincount(rows.to_numpy(), minlength=subjects)
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _flagged(rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.bool_]:
    flags = np.zeros(shape, np.bool_)
    flags[rows, columns] = True
    return flags
