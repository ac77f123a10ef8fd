"""Items that fewer than k subjects bought: each is nearly a name. Counted, dropped, or merged into what is wider."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from pseudonymize.gate.lines import frames
from pseudonymize.gate.settings import Days, GateSettings, RareItems
from recsys.contracts.catalogue import PATH_SEPARATOR, split_path
from recsys.errors import UsageError

_BATCH: Final = 1 << 19


@dataclass(frozen=True, slots=True)
class Rare:
    """How many items fewer than k subjects bought, of how many, and in how many rows of how many."""

    items: int
    of_items: int
    rows: int
    of_rows: int


class Buyers:
    """Who bought what, as far as it matters: up to k subjects an item, and its rows. Memory grows with items only."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._pairs = pl.DataFrame(schema={"item": pl.String, "subject": pl.UInt64})
        self._rows = pl.DataFrame(schema={"item": pl.String, "rows": pl.UInt32})

    def add(self, purchases: pl.DataFrame) -> None:
        """Count some rows."""
        pairs = purchases.select("item", pl.col("subject").hash()).unique()
        self._pairs = pl.concat([self._pairs, pairs]).unique().group_by("item").head(self._k).select("item", "subject")
        rows = purchases.group_by("item").agg(rows=pl.len())
        self._rows = pl.concat([self._rows, rows]).group_by("item").agg(pl.col("rows").sum())

    def rare(self) -> pl.Series:
        """The items that fewer than k bought, in order."""
        return self._pairs.group_by("item").len().filter(pl.col("len") < self._k)["item"].sort()

    def figures(self) -> Rare:
        """How many they are."""
        few = self._rows.join(self.rare().to_frame(), on="item", how="semi")
        return Rare(few.height, self._rows.height, int(few["rows"].sum()), int(self._rows["rows"].sum()))


def buyers_in(path: Path, k: int) -> Buyers:
    """The buyers in a purchases file."""
    buyers = Buyers(k)
    for frame in frames(path, ("subject", "item")):
        buyers.add(frame)
    return buyers


def rewrite(path: Path, settings: GateSettings, paths: pl.DataFrame | None) -> int:
    """Write purchases anew with rare items and days as the policy says; how many rows went.

    Raises:
        UsageError: Items are to be merged, and there is no catalogue.
    """
    names = _renamed(path, settings, paths)
    beside = path.with_name(f".{path.name}")
    gone = 0
    with pq.ParquetFile(path) as file, pq.ParquetWriter(beside, file.schema_arrow, compression="zstd") as writer:
        for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
            frame = pl.DataFrame(pl.from_arrow(batch))
            kept = _coarser(frame, names, settings.days)
            gone += frame.height - kept.height
            writer.write_table(kept.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(file.schema_arrow))
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
    rare = (
        buyers_in(path, settings.k).rare()
        if settings.rare_items is not RareItems.REPORT
        else pl.Series([], dtype=pl.String)
    )
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
