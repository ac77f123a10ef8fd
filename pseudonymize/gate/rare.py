"""Items that fewer than k subjects bought: each is nearly a name. Counted, dropped, or merged into what is wider."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.gate.lines import Reader, frames
from pseudonymize.gate.release import TableWriter
from pseudonymize.gate.settings import Days, GateSettings, RareItems
from recsys.contracts.catalogue import PATH_SEPARATOR, split_path
from recsys.contracts.table import parquet_metadata
from recsys.errors import UsageError

_HALF: Final = np.uint64(32)  # bits of a pair, for its item


@dataclass(frozen=True, slots=True)
class Rare:
    """How many items fewer than k subjects bought, of how many, and in how many rows of how many."""

    items: int
    of_items: int
    rows: int
    of_rows: int


class Buyers:
    """Who bought what, as far as it matters: up to k subjects an item, and its rows. Memory grows with items.

    An item that k bought is settled: it cannot become rare again, and its buyers are looked at no more.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self._pairs = np.empty(0, np.uint64)  # item and subject by number, each once; of items that are not settled
        self._rows = np.empty(0, np.int64)  # by the item's number
        self._buyers = np.empty(0, np.int64)  # alike; of those that are settled some number of at least k

    def add(self, subject: NDArray[np.uint32], item: NDArray[np.uint32]) -> None:
        """Count some rows: the numbers of their subjects and items."""
        rows = np.bincount(item, minlength=len(self._rows))
        self._rows = rows + np.pad(self._rows, (0, len(rows) - len(self._rows)))
        self._buyers = np.pad(self._buyers, (0, len(rows) - len(self._buyers)))
        unsettled = (self._buyers < self._k)[item]
        new = (item[unsettled].astype(np.uint64) << _HALF) | subject[unsettled]
        pairs = pl.Series(np.concatenate([self._pairs, new])).unique().to_numpy()
        theirs = (pairs >> _HALF).astype(np.int64)
        counted = np.bincount(theirs, minlength=len(self._rows))
        self._buyers = np.maximum(self._buyers, counted)
        self._pairs = pairs[self._buyers[theirs] < self._k]

    def rare(self) -> NDArray[np.bool_]:
        """For each item's number, whether it was bought, and by fewer than k."""
        return (self._rows > 0) & (self._buyers < self._k)

    def figures(self) -> Rare:
        """How many they are."""
        rare = self.rare()
        return Rare(int(rare.sum()), int((self._rows > 0).sum()), int(self._rows[rare].sum()), int(self._rows.sum()))


def rare_in(path: Path, k: int) -> tuple[Rare, pl.Series]:
    """How much of a purchases file is rare, and the items that are, in order."""
    buyers, reader = Buyers(k), Reader(path)
    for part in reader.parts():
        buyers.add(part.subject, part.item)
    return buyers.figures(), reader.items.values.filter(pl.Series(buyers.rare())).sort()


def rewrite(path: Path, settings: GateSettings, paths: pl.DataFrame | None) -> int:
    """Write purchases anew with rare items and days as the policy says; how many rows went.

    Raises:
        UsageError: Items are to be merged, and there is no catalogue.
    """
    names = _renamed(path, settings, paths)
    beside = path.with_name(f".{path.name}")
    gone = 0
    with TableWriter(beside, parquet_metadata(path)) as writer:
        for frame in frames(path):
            kept = _coarser(frame, names, settings.days)
            gone += frame.height - kept.height
            writer.write(kept)
    beside.replace(path)
    return gone


def _coarser(frame: pl.DataFrame, names: pl.DataFrame, days: Days) -> pl.DataFrame:
    if days in {Days.WEEK, Days.MONTH}:
        frame = frame.with_columns(pl.col("day").dt.truncate("1w" if days is Days.WEEK else "1mo"))
    joined = frame.join(names, on="item", how="left", maintain_order="left")
    known = pl.when(pl.col("rare")).then(pl.col("name")).otherwise(pl.col("item"))
    return joined.with_columns(item=known).drop("name", "rare").drop_nulls("item")


def _renamed(path: Path, settings: GateSettings, paths: pl.DataFrame | None) -> pl.DataFrame:
    """What each rare item becomes: part of its path, or nothing."""
    asked = settings.rare_items is not RareItems.REPORT
    rare = rare_in(path, settings.k)[1] if asked else pl.Series([], dtype=pl.String)
    names = pl.DataFrame({"item": rare, "name": [None] * len(rare)}, schema={"item": pl.String, "name": pl.String})
    if settings.rare_items is RareItems.MERGE:
        if paths is None:
            raise UsageError(
                "rare items are merged into their categories", where="--catalogue", mend="Name a catalogue"
            )
        names = _merged(path, names, paths, settings.k)
    return names.with_columns(rare=pl.lit(value=True))


def _merged(path: Path, names: pl.DataFrame, paths: pl.DataFrame, k: int) -> pl.DataFrame:
    """The narrowest part of each rare item's path that k subjects bought, counting its rare items alone."""
    known = names.select("item").join(paths.select("item", "category"), on="item", how="inner").drop_nulls()
    bought = pl.concat(
        [
            frame.select("subject", "item").join(known.select("item"), on="item", how="semi").unique()
            for frame in frames(path, ("subject", "item"))
        ]
    ).unique()
    done = pl.DataFrame(schema={"item": pl.String, "name": pl.String})
    parts = {row[0]: list(accumulate(split_path(row[1]), lambda a, b: a + PATH_SEPARATOR + b)) for row in known.rows()}
    while parts:
        now = pl.DataFrame({"item": list(parts), "name": [parts[item][-1] for item in parts]})
        enough = (
            bought.join(now, on="item")
            .group_by("name")
            .agg(pl.col("subject").n_unique())
            .filter(pl.col("subject") >= k)
        )
        fine = now.join(enough.select("name"), on="name", how="semi")
        done = pl.concat([done, fine])
        settled = set(fine["item"])
        parts = {item: path[:-1] for item, path in parts.items() if item not in settled and len(path) > 1}
    return names.select("item").join(done, on="item", how="left")
