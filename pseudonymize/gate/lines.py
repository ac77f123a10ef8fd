"""Purchases as numbers: what the measures of the gate work on, in about twenty bytes a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

_HASH_BITS: Final = 64
_BATCH: Final = 1 << 18
_BUFFER: Final = 1 << 20  # bytes a column; without it a whole row group is read at once


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows of purchases with a positive quantity: a return says nothing that its purchase does not.

    Args:
        people: A hash of each subject's token, rising. Of n subjects, two share one with probability n² / 2⁶⁵: for
            10⁷ of them about 3·10⁻⁶.
        items: The names of the items, in order.
        subject: For each row, the place of its subject in `people`.
        item: For each row, the place of its item in `items`.
        day: For each row, the days since 1970.
    """

    people: NDArray[np.uint64]
    items: pl.Series
    subject: NDArray[np.uint32]
    item: NDArray[np.uint32]
    day: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.subject)


def read_lines(path: Path, *, share: float = 1.0) -> Lines:
    """The rows of a file of purchases, checked already; of `share` of the subjects, chosen by hash."""
    subjects, items, days, names = [], [], [], pl.Series("item", dtype=pl.String)
    for frame in frames(path, ("subject", "item", "day", "quantity")):
        sold = frame.filter(pl.col("quantity") > 0).with_columns(pl.col("subject").hash())
        if share < 1:
            sold = sold.filter(pl.col("subject") < int(share * 2**_HASH_BITS))
        names = pl.concat([names, sold["item"].unique()]).unique()
        subjects.append(sold["subject"])
        items.append(sold["item"].hash())
        days.append(sold["day"].to_physical())
    names = names.sort()
    people, subject = _numbered(pl.concat(subjects))
    hashes, hashed = _numbered(pl.concat(items))
    place = pl.DataFrame({"hash": names.hash(), "place": np.arange(len(names), dtype=np.uint32)})
    places = pl.DataFrame({"hash": hashes}).join(place, on="hash", maintain_order="left")["place"].to_numpy()
    return Lines(people, names, subject, places[hashed], pl.concat(days).to_numpy())


def frames(path: Path, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """A Parquet file, some rows at a time."""
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
        for batch in file.iter_batches(batch_size=_BATCH, columns=columns, use_threads=False):
            yield pl.DataFrame(pl.from_arrow(batch))


def tokens_in(path: Path) -> pl.Series:
    """The tokens of the subjects in a file, each once."""
    seen = pl.Series("subject", dtype=pl.String)
    for frame in frames(path, ("subject",)):
        seen = pl.concat([seen, frame["subject"].unique()]).unique()
    return seen


def share_of(rows: int, most: int) -> float:
    """The share of subjects whose rows are about `most` of `rows`."""
    return min(1.0, most / max(rows, 1))


def _numbered(hashes: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """The distinct hashes, rising, and the place of each row's among them."""
    distinct = hashes.unique().sort()
    return distinct.to_numpy(), (hashes.rank("dense") - 1).cast(pl.UInt32).to_numpy()
