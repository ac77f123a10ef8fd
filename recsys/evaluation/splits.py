"""Splits: who is judged on what. History is strictly before a day; targets lie in a window that starts with it.

Two kinds. *Time*: everyone's history ends where the window begins, and all that they buy in it is a target. *Last
basket*: the target is the last basket of each subject in the window, and their own history ends the day before it. What
is known of everybody else ends where the window begins in both, so that nobody's list knows another one's future: the
leak of splits that leave out each one's last basket wherever it lies.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.contracts.runs import SplitKind
from recsys.history import Histories, ItemIndex, day_number, purchase_days
from recsys.ragged import Ragged, offsets_of


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
        judged: The history of the S subjects who bought something in the window; empty for those who are new.
        days: int64 [S], the day (since 1970) before which each one's history ends.
        targets: For each of the S, the model items to be found.
        unknown_items: Different items bought in the window that the model does not know: not judged.
        unknown_share: Their share of the window's purchases (a subject, an item and a day each).
    """

    window: Window
    items: int
    everyone: Histories
    judged: Histories
    days: NDArray[np.int64]
    targets: Ragged
    unknown_items: int
    unknown_share: float

    @property
    def new(self) -> NDArray[np.bool_]:
        """Bool [S]: who had bought nothing that the model knows: nothing personal could be said to them."""
        return np.asarray(np.diff(self.judged.offsets) == 0)

    def relevant(self, rows: slice) -> NDArray[np.bool_]:
        """What is to be found for the judged subjects of `rows`, bool [B, I]."""
        items, owners = self.targets.take(np.arange(rows.start, rows.stop))
        return _flagged(owners, items, (rows.stop - rows.start, self.items))

    def bought(self, rows: slice) -> NDArray[np.bool_]:
        """What the judged subjects of `rows` had bought before, bool [B, I]."""
        before = self.judged.slice(rows.start, rows.stop)
        return _flagged(before.rows_of, before.item, (len(before), self.items))

    def thinned(self, most: int) -> Split:
        """At most so many of the judged subjects, evenly spread."""
        if len(self.judged) <= most:
            return self
        kept = np.linspace(0, len(self.judged) - 1, most).astype(np.int64)
        values, owners = self.targets.take(kept)
        return replace(
            self,
            judged=_only(self.judged, kept),
            days=self.days[kept],
            targets=Ragged.of_pairs(owners, values, len(kept)),
        )


def compact(purchases: pl.DataFrame) -> pl.DataFrame:
    """The same purchases with subjects and items as numbered names: splitting them takes a third of the time."""
    names = {column: pl.Enum(purchases[column].unique().sort()) for column in ("subject", "item")}
    return purchases.with_columns(pl.col(column).cast(names[column]) for column in names)


def split_at(
    purchases: pl.DataFrame,
    window: Window,
    index: ItemIndex,
    codes: NDArray[np.int32],
    *,
    items: int,
    kind: SplitKind = SplitKind.TIME,
) -> Split:
    """Split everyone's purchases.

    A return takes nothing from what lies on the other side of the day, since it had not happened yet.

    Args:
        purchases: In the purchases contract, or `compact`.
        window: What to judge on.
        index: The items of `purchases`.
        codes: int32 [len(index)], the model item of each, -1 for those that the model does not know.
        items: How many model items there are.
        kind: What is held out.
    """
    model_items = pl.DataFrame(
        {"item": index.names, "code": codes}, schema={"item": purchases["item"].dtype, "code": pl.Int32}
    )
    everyone = _known(purchase_days(purchases, until=window.as_of).join(model_items, on="item"))
    inside = purchase_days(purchases, until=window.end).filter(pl.col("day") >= window.as_of)
    inside = inside.join(model_items, on="item")
    targets, before = _known(inside), everyone
    if kind is SplitKind.LAST_BASKET:
        last = targets.group_by("subject").agg(pl.col("day").max())
        targets = targets.join(last, on=["subject", "day"])
        before = _known(purchase_days(purchases, until=last).join(model_items, on="item"))
    unknown = inside.filter(pl.col("code") < 0)
    ends = targets.group_by("subject").agg(pl.col("day").max()).sort("subject")
    judged = ends["subject"].to_list()
    start = np.full(len(judged), day_number(window.as_of), np.int64)
    return Split(
        window=window,
        items=items,
        everyone=_histories(everyone, everyone["subject"].unique().sort().to_list()),
        judged=_histories(before, judged),
        days=start if kind is SplitKind.TIME else ends["day"].to_physical().cast(pl.Int64).to_numpy(),
        targets=_targets(targets, judged),
        unknown_items=unknown["item"].n_unique(),
        unknown_share=len(unknown) / max(len(inside), 1),
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
    order = pl.DataFrame({"subject": subjects}, schema={"subject": daily["subject"].dtype}).with_row_index("row")
    return daily.join(order, on="subject")


def _offsets(rows: pl.Series, subjects: int) -> NDArray[np.int64]:
    return offsets_of(np.bincount(rows.to_numpy(), minlength=subjects))


def _flagged(rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.bool_]:
    flags = np.zeros(shape, np.bool_)
    flags[rows, columns] = True
    return flags


def _only(histories: Histories, kept: NDArray[np.int64]) -> Histories:
    """The subjects at `kept`, in ascending order."""
    rows = histories.where(np.isin(histories.rows_of, kept))
    subjects = tuple(histories.subjects[row] for row in kept)
    return replace(rows, subjects=subjects, offsets=offsets_of(np.diff(rows.offsets)[kept]))
