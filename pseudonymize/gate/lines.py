"""Purchases as numbers: what the measures of the gate work on, in about twenty bytes a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

_HASH_BITS: Final = 64


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


def read_lines(files: Sequence[Path], *, share: float = 1.0) -> Lines:
    """The rows of some Parquet files of purchases, checked already; of `share` of the subjects, chosen by hash."""
    rows = pl.scan_parquet(list(files)).filter(pl.col("quantity") > 0)
    wanted = rows.select(subject=pl.col("subject").hash(), item=pl.col("item").hash(), day=pl.col("day"))
    if share < 1:
        wanted = wanted.filter(pl.col("subject") < int(share * 2**_HASH_BITS))
    read = wanted.collect(engine="streaming")
    names = rows.select(pl.col("item").unique()).collect(engine="streaming")["item"].sort()
    people, subject = _numbered(read["subject"])
    hashes, hashed = _numbered(read["item"])
    place = pl.DataFrame({"hash": names.hash(), "place": np.arange(len(names), dtype=np.uint32)})
    places = pl.DataFrame({"hash": hashes}).join(place, on="hash", maintain_order="left")["place"].to_numpy()
    return Lines(people, names, subject, places[hashed], read["day"].to_physical().to_numpy())


def share_of(rows: int, most: int) -> float:
    """The share of subjects whose rows are about `most` of `rows`."""
    return min(1.0, most / max(rows, 1))


def _numbered(hashes: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """The distinct hashes, rising, and the place of each row's among them."""
    distinct = hashes.unique().sort()
    return distinct.to_numpy(), (hashes.rank("dense") - 1).cast(pl.UInt32).to_numpy()
