"""Purchase days as arrays: what windows, matrices and examples are cut from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recsys.history import DAYS, MAX_ROWS, Histories, ItemIndex
from recsys.purchase_log import NEVER
from recsys.ragged import changes, in_order, offsets_of

Days = NDArray[np.int64]
_DAY: Final = ("subject", "item", "day")


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when each of P rows holds, where anything was returned.

    Args:
        since: int64 [P], the day of the purchase, or of the return that left so much of it.
        taken: int64 [P], the day of the return that took it or a part of it back, or `NEVER`.
    """

    since: Days
    taken: Days

    def there(self, until: int | Days, rows: slice | Days) -> NDArray[np.bool_]:
        """Bool [rows]: what held before a day, or each before its own."""
        return np.asarray((self.since[rows] < until) & (self.taken[rows] >= until))


@dataclass(frozen=True)
class Record:
    """The purchase days of N subjects over M model items, P in all, by subject, day and item.

    What was taken back later was there until then. Where a part was, the same purchase day has a row for each quantity:
    as of any day, one of them holds.

    Args:
        vocabulary: M.
        categories: int64 [M]: the category of each model item; all zero where none is known.
        offsets: int64 [N + 1]: the rows of subject u are `offsets[u]:offsets[u + 1]`.
        item: int32 [P].
        day: int64 [P], since 1970.
        quantity: float32 [P].
        span: When each row holds; None: nothing was returned, all do from their day on.
    """

    vocabulary: ItemIndex
    categories: NDArray[np.int64]
    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    day: Days
    quantity: NDArray[np.float32]
    span: Span | None = None

    @classmethod
    def of(
        cls,
        daily: pl.DataFrame,
        vocabulary: ItemIndex,
        categories: NDArray[np.int64],
        returned: pl.DataFrame | None = None,
    ) -> Record:
        """Lay out purchase days of model items; other items than the vocabulary's are left out.

        Args:
            daily: `subject, item, day, quantity, …`, one row each; see `recsys.returns.Netted`.
            vocabulary: M.
            categories: int64 [M].
            returned: `subject, item, day, quantity, taken`; None: nothing was taken back.
        """
        codes = pl.DataFrame({"item": vocabulary.names, "code": np.arange(len(vocabulary), dtype=np.int32)})
        if returned is None or returned.is_empty():
            rows, span = daily.join(codes, on="item").sort("subject", "day", "code"), None
        else:
            rows = _as_they_were(daily, returned).join(codes, on="item").sort("subject", "day", "code", "since")
            span = Span(*(rows[name].to_physical().cast(pl.Int64).to_numpy() for name in ("since", "taken")))
        lengths = rows.group_by("subject", maintain_order=True).len()["len"].to_numpy()
        return cls(
            vocabulary,
            categories,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            rows["code"].to_numpy(),
            rows["day"].to_physical().cast(pl.Int64).to_numpy(),
            rows["quantity"].cast(pl.Float32).to_numpy(),
            span,
        )

    @property
    def subjects(self) -> int:
        """N."""
        return len(self.offsets) - 1

    @property
    def owner(self) -> NDArray[np.int64]:
        """int64 [P]: the subject of each row."""
        return np.repeat(np.arange(self.subjects), np.diff(self.offsets))

    @property
    def whole(self) -> slice | NDArray[np.bool_]:
        """Each purchase day once: of several rows the last to hold."""
        if self.span is None:
            return slice(None)
        last = np.ones(len(self.item), np.bool_)
        columns = (self.owner, self.day, self.item)
        last[:-1] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
        return last

    def there(self, until: int | Days, rows: slice | Days = slice(None)) -> NDArray[np.bool_]:
        """Bool [rows]: what had been bought, and not been taken back, before a day, or each before its own."""
        return np.asarray(self.day[rows] < until) if self.span is None else self.span.there(until, rows)

    def counts(self, until: int, *, half_life: float | None = None) -> sparse.csr_matrix:
        """float32 CSR [N, M]: purchase days before `until`, halved every so many days where a half-life is given."""
        seen = self.there(until)
        weight = np.ones(seen.sum(), np.float32)
        if half_life is not None:
            weight = np.exp2((self.day[seen] - until) / half_life).astype(np.float32)
        shape = (self.subjects, len(self.vocabulary))
        return sparse.csr_matrix((weight, (self.owner[seen], self.item[seen])), shape=shape)

    def buyers(self, until: int) -> NDArray[np.int64]:
        """int64 [M]: how many subjects bought each model item before `until`."""
        item, since, taken = self._held
        there = since < until if taken is None else (since < until) & (taken >= until)
        return np.bincount(item[there], minlength=len(self.vocabulary)).astype(np.int64)

    def anything(self, subjects: NDArray[np.int64], ends: Days) -> NDArray[np.bool_]:
        """Bool [E]: whether there was anything of some subjects, int64 [E], each before a day of its own."""
        found = np.asarray(self._first_kept[subjects] < ends)
        if self.span is not None:
            rest = np.flatnonzero(~found)  # few: of what was never taken back, they had nothing yet
            found[rest] = np.diff(self.until(subjects[rest], ends[rest]).offsets) > 0
        return found

    @cached_property
    def _first_kept(self) -> Days:
        """int64 [N]: since when each subject has anything that was never taken back; `NEVER` for nothing."""
        if self.span is None:
            return self.day[self.offsets[:-1]]
        kept = np.where(self.span.taken == NEVER, self.span.since, NEVER)
        return np.asarray(np.minimum.reduceat(kept, self.offsets[:-1]))

    def until(self, subjects: NDArray[np.int64], ends: Days) -> Histories:
        """The histories of some subjects, each before a day of its own, bounded as a scorer's are.

        Args:
            subjects: int64 [E].
            ends: int64 [E].
        """
        first, end = self.offsets[subjects], self.offsets[subjects + 1]
        rows = _ranges(first, end)
        seen = self.there(np.repeat(ends, end - first), rows)  # of these subjects' rows only
        passed, ends_of = np.concatenate([[0], np.cumsum(seen)]), np.cumsum(end - first)
        start, stop = passed[ends_of - (end - first)], passed[ends_of]
        newest, rows = np.maximum(start, stop - MAX_ROWS), rows[seen]
        if (newest > start).any():
            rows = rows[_ranges(newest, stop)]
        offsets = offsets_of(stop - newest)
        day = self.day[rows].astype(np.int32)
        nobody = tuple("" for _ in range(len(subjects)))
        once = np.ones(len(rows), np.int32)
        return Histories(nobody, offsets, self.item[rows], day, self.quantity[rows], once)

    @cached_property
    def _held(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32] | None]:
        """A row for each time that a subject came to have bought a model item: int32, the item, since when, until when.

        None as the last: nothing was taken back, so that each has the item once and for all. Sorted out once: every day
        that is looked back from asks for buyers.
        """
        pair = self.owner * len(self.vocabulary) + self.item
        if self.span is None:
            keys = pair * DAYS + self.day
            keys.sort()
            cell, day = np.divmod(keys, DAYS)
            first = changes(cell)
            return (cell[first] % len(self.vocabulary)).astype(np.int32), day[first].astype(np.int32), None
        order = in_order(pair, self.span.since)
        begun = (pair * DAYS + self.span.since)[order]
        ended = np.maximum.accumulate((pair * DAYS + self.span.taken)[order])
        first = np.ones(len(order), np.bool_)
        first[1:] = begun[1:] > ended[:-1]  # all that the subject had bought of it before was taken back by then
        cell, since = np.divmod(begun[first], DAYS)
        taken = ended[np.roll(first, -1)] % DAYS
        return (cell % len(self.vocabulary)).astype(np.int32), since.astype(np.int32), taken.astype(np.int32)


def _as_they_were(daily: pl.DataFrame, returned: pl.DataFrame) -> pl.DataFrame:
    """`subject, item, day, quantity, since, taken`: what there was of each purchase day, from when until when."""
    kept = daily.select(*_DAY, "quantity", taken=pl.lit(None, pl.Date))
    rest = kept.join(returned, on=_DAY, how="anti").with_columns(since=pl.col("day"))
    parts = pl.concat([kept.join(returned, on=_DAY, how="semi"), returned.select(kept.columns)])
    left, before = pl.col("quantity").cum_sum(reverse=True), pl.col("taken").shift(1)
    parts = parts.sort(*_DAY, "taken", nulls_last=True)
    parts = parts.with_columns(left.over(_DAY), since=before.over(_DAY).fill_null(pl.col("day")))
    return pl.concat([rest, parts]).with_columns(pl.col("taken").to_physical().fill_null(NEVER))


def _ranges(start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.int64]:
    """start[0] … stop[0] - 1, start[1] … stop[1] - 1, … end to end."""
    lengths = stop - start
    shift = start - (np.cumsum(lengths) - lengths)
    return np.asarray(np.arange(lengths.sum()) + np.repeat(shift, lengths), np.int64)
