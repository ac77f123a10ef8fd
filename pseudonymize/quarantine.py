"""Rows that could not pass, kept in the vault: they are raw, and somebody has to mend them."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pseudonymize.inputs import Batch
from pseudonymize.set_aside import SetAside
from recsys.files import new_folder

FOLDER: Final = "quarantine"
_HEAD: Final = {"row": pl.Int64, "column": pl.String, "reason": pl.String}
LINE: Final = "line"  # a row of a CSV that is none: it has no cells to stand in the columns
RAW: Final = "raw "  # what the names of the raw columns begin with


class Quarantine(contextlib.AbstractContextManager["Quarantine"]):
    """What one run sets aside: for each file a table with the row's number, the column, the reason, the raw cells.

    They are written batch by batch, into a folder that takes its name at `keep`; should the block fail, even after
    that, it goes again.
    """

    def __init__(self, vault: Path | None, day: str) -> None:
        """Without a vault, rows are only counted."""
        self.reasons: Counter[str] = Counter()  # by column and reason
        self.folder: Path | None = None  # where they are, if there are any
        self._place = vault / FOLDER / f"{day}-{secrets.token_hex(4)}" if vault else None
        self._beside: Path | None = None
        self._open = contextlib.ExitStack()
        self._writers: dict[Path, pq.ParquetWriter] = {}
        self._lines: list[tuple[int, str, str]] = []

    @property
    def rows(self) -> int:
        """How many rows were set aside."""
        return self.reasons.total()

    def note(self, row: int, why: str, line: str) -> None:
        """Take a row of a CSV that is none; the next `add` writes it."""
        self._lines.append((row, why, line))

    def add(self, aside: SetAside, batch: Batch) -> None:
        """Take the rows of a batch that were set aside."""
        gone = ~aside.kept(batch.numbers)
        if not gone.any() and not self._lines:
            return
        rows = batch.numbers.filter(gone)
        said = [(row, *aside.reasons[row]) for row in rows]
        head = pl.DataFrame(said, schema=_HEAD, orient="row")
        raw = batch.frame.filter(gone).rename({name: f"{RAW}{name}" for name in batch.frame.columns})
        lines = [(row, "", why, line) for row, why, line in self._lines]
        self._lines = []
        none = pl.DataFrame(lines, schema={**_HEAD, LINE: pl.String}, orient="row")
        part = pl.concat([pl.concat([head, raw], how="horizontal"), none], how="diagonal").sort("row")
        self.reasons.update(
            f"{column}: {reason}" if column else reason for column, reason in part.select("column", "reason").rows()
        )
        if self._place is not None:
            self._write(aside.path, part.to_arrow(compat_level=pl.CompatLevel.oldest()), self._place)

    def keep(self) -> None:
        """Let the folder take its name."""
        self._open.close()
        self.folder = self._place if self._beside else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what the block failed to keep."""
        self._open.__exit__(kind, error, trace)
        if kind is not None and self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, path: Path, part: pa.Table, place: Path) -> None:
        if self._beside is None:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            self._beside = self._open.enter_context(new_folder(place, mode=0o700))
        if path not in self._writers:
            file = self._beside / f"{len(self._writers) + 1}-{path.stem}.parquet"
            file.touch(mode=0o600)
            sink = self._open.enter_context(file.open("wb"))
            self._writers[path] = self._open.enter_context(pq.ParquetWriter(sink, part.schema))
        self._writers[path].write_table(part.cast(self._writers[path].schema))
