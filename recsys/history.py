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

from recsys.ragged import Ragged, in_order, offsets_of
from recsys.returns import Netted, net_returns

MAX_ROWS: Final = 4096  # of one subject: the newest purchase days are kept, the rest is of no use to a ranking
EPOCH: Final = dt.date(1970, 1, 1)
DAYS: Final = 1 << 20  # more days than there will be: `code * DAYS + day` is one number for a pair

_EPOCH_UTC: Final = dt.datetime.combine(EPOCH, dt.time(0), dt.UTC)
_FIRST: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_LAST: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_ROW: Final = ("subject", "item", "day")


@dataclass(frozen=True, slots=True, weakref_slot=True)
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

    def take(self, subjects: NDArray[np.int64]) -> Histories:
        """Some of the subjects, by position, in the order of `subjects`."""
        if len(subjects) == len(self) and (np.diff(subjects) > 0).all():
            return self
        chosen, _ = Ragged(self.offsets, np.arange(len(self.item))).take(subjects)
        return Histories(
            tuple(self.subjects[position] for position in subjects.tolist()),
            offsets_of(np.diff(self.offsets)[subjects]),
            self.item[chosen],
            self.day[chosen],
            self.quantity[chosen],
            self.baskets[chosen],
        )

    def where(self, kept: NDArray[np.bool_]) -> Histories:
        """The rows that are flagged in `kept` [N]."""
        if kept.all():
            return self
        sizes = np.bincount(self.rows_of[kept], minlength=len(self))
        return Histories(
            self.subjects, offsets_of(sizes), self.item[kept], self.day[kept], self.quantity[kept], self.baskets[kept]
        )


def day_number(day: dt.date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def microseconds(at: dt.datetime) -> int:
    """Microseconds since 1970 UTC of an instant with a time zone."""
    return (at - _EPOCH_UTC) // _MICROSECOND


def in_utc(at: dt.datetime) -> dt.datetime:
    """The same instant, in UTC; where its offset carries it out of the calendar, the calendar's first or last."""
    try:
        return at.astimezone(dt.UTC)
    except OverflowError:
        return _FIRST if at.year == 1 else _LAST


def purchase_days(purchases: pl.DataFrame, *, until: dt.date | pl.DataFrame | None = None) -> pl.DataFrame:
    """Net the purchases to one row a subject, item and day.

    Args:
        purchases: In the purchases contract.
        until: Nothing dated on or after this day counts; or a frame `subject, day` with a day for each subject, which
            leaves out the subjects that are not listed; None takes all.

    Returns:
        `subject, item, day, quantity, baskets`, sorted by subject, day and item; quantities above zero only.
    """
    return netted(purchases, until=until).daily


def netted(purchases: pl.DataFrame, *, until: dt.date | pl.DataFrame | None = None) -> Netted:
    """The same, with what was taken back on which day: for whoever looks at several days."""
    names = {column: purchases[column].unique().sort() for column in ("subject", "item")}
    lines = _before(purchases, until).with_columns(
        _coded(column, known.cast(pl.String)) for column, known in names.items()
    )
    made = _netted(lines.collect().lazy())  # numbers: faster than names, and a quarter of their memory
    keys = (made.daily[name].to_physical().to_numpy() for name in ("subject", "day", "item"))
    frames = (made.daily[in_order(*keys)], made.returned)
    return Netted(
        *(
            frame.with_columns(known.gather(frame[column]).alias(column) for column, known in names.items())
            for frame in frames
        )
    )


def histories(
    purchases: pl.DataFrame,
    index: ItemIndex,
    *,
    until: dt.date | pl.DataFrame | None = None,
    subjects: Sequence[str] | None = None,
) -> Histories:
    """The histories of `subjects`, of whom one may stand there twice; items outside `index` are left out.

    None as `subjects`: of everyone in `purchases`, sorted.
    """
    if subjects is None:
        listed = until if isinstance(until, pl.DataFrame) else purchases
        subjects = listed["subject"].unique().sort().to_list()
    once = dict(zip(dict.fromkeys(subjects), range(len(subjects)), strict=False))
    if len(once) < len(subjects):
        places = np.array([once[subject] for subject in subjects])
        return histories(purchases, index, until=until, subjects=tuple(once)).take(places)
    lines = _before(purchases, until).with_columns(_coded("subject", subjects), _coded("item", index.names))
    daily = _netted(lines.drop_nulls(["subject", "item"]).collect().lazy()).daily
    rows, item, day = (daily[name].to_physical().to_numpy() for name in ("subject", "item", "day"))
    kept = _newest(in_order(rows, day, item), np.bincount(rows, minlength=len(subjects)))
    return Histories(
        tuple(subjects),
        offsets_of(np.bincount(rows[kept], minlength=len(subjects))),
        item[kept],
        day[kept],
        daily["quantity"].to_numpy()[kept].astype(np.float32),
        daily["baskets"].to_numpy()[kept],
    )


def _coded(column: str, names: Sequence[str] | pl.Series) -> pl.Expr:
    """The column's names as positions in `names`, each of which is there once; null for one that is not."""
    return pl.col(column).cast(pl.Enum(names), strict=False).to_physical().cast(pl.Int32)


def _newest(ordered: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of rows in the order of subjects and days, with so many a subject: the last `MAX_ROWS` of each."""
    if sizes.max(initial=0) <= MAX_ROWS:
        return ordered
    before_end = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(ordered))
    return ordered[before_end <= MAX_ROWS]


def _before(purchases: pl.DataFrame, until: dt.date | pl.DataFrame | None) -> pl.LazyFrame:
    """The lines that count, without what nothing here asks for."""
    wanted = [name for name in ("subject", "item", "day", "quantity", "basket") if name in purchases.columns]
    lines = purchases.lazy().select(wanted)
    if isinstance(until, pl.DataFrame):
        ends = until.lazy().select("subject", pl.col("day").alias("until"))
        return lines.join(ends, on="subject", maintain_order="left").filter(pl.col("day") < pl.col("until"))
    return lines if until is None else lines.filter(pl.col("day") < until)


def _netted(lines: pl.LazyFrame) -> Netted:
    """One row a subject, item and day, in any order, with the quantity net of returns and the number of baskets."""
    several = pl.len().cast(pl.Int32).alias("baskets")
    daily = lines.group_by(_ROW).agg(pl.col("quantity").sum(), several).collect()
    if "basket" in lines.collect_schema():
        repeated = daily.filter(pl.col("baskets") > 1).select(*_ROW, "quantity")  # few: distinct receipts are dear
        counted = lines.join(repeated.lazy(), on=_ROW, how="semi").group_by(_ROW)
        exact = counted.agg(pl.col("basket").n_unique().cast(pl.Int32).alias("baskets")).collect()
        daily = pl.concat([daily.filter(pl.col("baskets") == 1), repeated.join(exact, on=_ROW)])
    else:
        daily = daily.with_columns(baskets=pl.lit(1, pl.Int32))
    return net_returns(daily)
