"""Histories: what the subjects of a batch bought, netted of returns, as arrays.

Everything that looks at purchases (the scorer, the guards, training, evaluation) starts here, so that all of them
count a return, a repeated line and the as-of day alike.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

MAX_ROWS: Final = 4096  # of one subject: the newest purchase days are kept, the rest is of no use to a ranking
EPOCH: Final = dt.date(1970, 1, 1)
DUST: Final = 1e-6  # of a unit: what floating point may leave of a purchase that was returned whole
DAYS: Final = 1 << 20  # more days than there will be: `code * DAYS + day` is one number for a pair


@dataclass(frozen=True, slots=True)
class ItemIndex:
    """Items by number. A code is the position of a name; -1 stands for an item that is not here."""

    names: tuple[str, ...]
    codes: dict[str, int]

    @classmethod
    def of(cls, names: Iterable[str]) -> ItemIndex:
        """Number the names in their order, each once."""
        unique = tuple(dict.fromkeys(names))
        return cls(unique, {name: code for code, name in enumerate(unique)})

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, names: Iterable[str]) -> NDArray[np.int32]:
        """The codes of `names`, -1 for the unknown."""
        return np.fromiter((self.codes.get(name, -1) for name in names), dtype=np.int32)

    def encode_known(self, names: Iterable[str]) -> NDArray[np.int32]:
        """The codes of those of `names` that are here."""
        return np.array([self.codes[name] for name in names if name in self.codes], np.int32)


@dataclass(frozen=True)
class Histories:
    """The purchases of B subjects: one row a subject, item and day, N rows in all, by subject and then by day.

    Args:
        subjects: B tokens.
        offsets: int64 [B + 1]; the rows of subject b are `offsets[b]:offsets[b + 1]`.
        item: int32 [N], codes of an `ItemIndex`.
        day: int32 [N], days since 1970-01-01.
        quantity: float32 [N], net of returns, above zero.
        baskets: int32 [N], distinct receipts with the item on that day.
    """

    subjects: tuple[str, ...]
    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    day: NDArray[np.int32]
    quantity: NDArray[np.float32]
    baskets: NDArray[np.int32]

    @classmethod
    def empty(cls, subjects: Sequence[str]) -> Histories:
        """Subjects of whom nothing is known."""
        none = np.empty(0, np.int32)
        return cls(tuple(subjects), np.zeros(len(subjects) + 1, np.int64), none, none, none.astype(np.float32), none)

    def __len__(self) -> int:
        return len(self.subjects)

    @cached_property
    def rows_of(self) -> NDArray[np.int64]:
        """int64 [N]: the position of each row's subject."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def batches(self, size: int) -> Iterator[Histories]:
        """Consecutive slices of at most `size` subjects."""
        for start in range(0, len(self), size):
            yield self.slice(start, min(start + size, len(self)))

    def slice(self, start: int, stop: int) -> Histories:
        """The subjects from `start` up to `stop`."""
        first, last = self.offsets[start], self.offsets[stop]
        return Histories(
            self.subjects[start:stop],
            self.offsets[start : stop + 1] - first,
            self.item[first:last],
            self.day[first:last],
            self.quantity[first:last],
            self.baskets[first:last],
        )

    def up_to(self, day: int) -> Histories:
        """What was bought on `day` (since 1970) or before: a purchase dated later has not happened yet."""
        return self.where(self.day <= day)

    def where(self, kept: NDArray[np.bool_]) -> Histories:
        """The rows that are flagged in `kept` [N]."""
        if kept.all():
            return self
        sizes = np.bincount(self.rows_of[kept], minlength=len(self))
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return Histories(
            self.subjects, offsets, self.item[kept], self.day[kept], self.quantity[kept], self.baskets[kept]
        )


def day_number(day: dt.date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def microseconds(at: dt.datetime) -> int:
    """Microseconds since 1970 UTC of an instant with a time zone."""
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def purchase_days(purchases: pl.DataFrame, *, until: dt.date | pl.DataFrame | None = None) -> pl.DataFrame:
    """Net the purchases to one row a subject, item and day.

    Args:
        purchases: In the purchases contract.
        until: Nothing dated on or after this day counts; or a frame `subject, day` with a day for each subject, which
            leaves out the subjects that are not listed; None takes all.

    Returns:
        `subject, item, day, quantity, baskets`, sorted by subject, day and item; quantities above zero only.
    """
    lines = purchases.lazy()
    if isinstance(until, pl.DataFrame):
        ends = until.lazy().select("subject", pl.col("day").alias("until"))
        lines = lines.join(ends, on="subject").filter(pl.col("day") < pl.col("until"))
    elif until is not None:
        lines = lines.filter(pl.col("day") < until)
    has_baskets = "basket" in purchases.columns
    baskets = pl.col("basket").n_unique() if has_baskets else pl.lit(1)
    daily = (
        lines.group_by("subject", "item", "day")
        .agg(pl.col("quantity").sum(), baskets.cast(pl.Int32).alias("baskets"))
        .collect()
    )
    return _net_returns(daily).sort("subject", "day", "item")


def histories(
    purchases: pl.DataFrame,
    index: ItemIndex,
    *,
    until: dt.date | pl.DataFrame | None = None,
    subjects: Sequence[str] | None = None,
) -> Histories:
    """The histories of `subjects` (None: of everyone in `purchases`, sorted); items outside `index` are left out."""
    daily = purchase_days(purchases, until=until)
    if subjects is None:
        listed = until if isinstance(until, pl.DataFrame) else purchases
        subjects = listed["subject"].unique().sort().to_list()
    order = pl.DataFrame({"subject": subjects, "row": range(len(subjects))}, schema_overrides={"row": pl.Int64})
    codes = pl.DataFrame({"item": index.names, "code": range(len(index))}, schema={"item": pl.String, "code": pl.Int32})
    known = (
        daily.join(codes, on="item")
        .join(order, on="subject")
        .sort("row", "day", "code")
        .filter(pl.int_range(pl.len(), 0, step=-1).over("row") <= MAX_ROWS)
    )
    sizes = np.bincount(known["row"].to_numpy(), minlength=len(subjects))
    return Histories(
        tuple(subjects),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        known["code"].to_numpy(),
        known["day"].to_physical().to_numpy(),
        known["quantity"].cast(pl.Float32).to_numpy(),
        known["baskets"].to_numpy(),
    )


def _net_returns(daily: pl.DataFrame) -> pl.DataFrame:
    """Take each return off the newest purchases before it; a return without a purchase counts for nothing."""
    returned = daily.filter(pl.col("quantity") < 0).select("subject", "item").unique()
    if returned.is_empty():
        return daily.filter(pl.col("quantity") > DUST)
    untouched = daily.join(returned, on=["subject", "item"], how="anti")
    touched = (
        daily.join(returned, on=["subject", "item"])
        .sort("subject", "item", "day")
        .group_by("subject", "item", maintain_order=True)
        .agg("day", "quantity", "baskets")
    )
    net = pl.Series("quantity", [net_of_returns(each) for each in touched["quantity"].to_list()])
    netted = touched.with_columns(net).explode("day", "quantity", "baskets")
    return pl.concat([untouched, netted.select(untouched.columns)]).filter(pl.col("quantity") > DUST)


def net_of_returns(quantities: Sequence[float]) -> list[float]:
    """Net one subject's quantities of one item, oldest first: 2, 3, -4 becomes 1, 0, 0."""
    net: list[float] = []
    for quantity in quantities:
        net.append(max(quantity, 0.0))
        owed = max(-quantity, 0.0)
        for position in range(len(net) - 1, -1, -1):
            taken = min(owed, net[position])
            net[position] -= taken
            owed -= taken
    return [quantity if quantity > DUST else 0.0 for quantity in net]
