"""Rows that could not pass, kept in the vault: they are raw, and somebody has to mend them."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from pseudonymize.set_aside import SetAside
from recsys.files import new_folder

FOLDER: Final = "quarantine"
_LINE: Final = "line"  # a row of a CSV that does not have the header's cells, as it stands there


class Quarantine:
    """What one run sets aside: for each file a table with the row's number, the column, the reason, the raw cells."""

    def __init__(self) -> None:
        self._parts: dict[Path, list[pl.DataFrame]] = {}
        self.reasons: Counter[str] = Counter()  # by column and reason

    @property
    def rows(self) -> int:
        """How many rows were set aside."""
        return self.reasons.total()

    def add(self, aside: SetAside, numbers: pl.Series, frame: pl.DataFrame) -> None:
        """Take the rows of a batch that were set aside."""
        gone = ~aside.kept(numbers)
        if gone.any():
            said = [aside.reasons[row] for row in numbers.filter(gone)]
            self._take(aside.path, frame.filter(gone), numbers.filter(gone).to_list(), said)

    def add_line(self, path: Path, row: int, line: str) -> None:
        """Take a row of a CSV whose cells are not as many as the header's."""
        self._take(path, pl.DataFrame({_LINE: [line]}), [row], [("", "has not as many cells as the header")])

    def _take(self, path: Path, frame: pl.DataFrame, rows: list[int], said: list[tuple[str, str]]) -> None:
        head = pl.DataFrame(
            {"row": rows, "column": [column for column, _ in said], "reason": [reason for _, reason in said]},
            schema={"row": pl.Int64, "column": pl.String, "reason": pl.String},
        )
        raw = frame.rename({name: f"raw {name}" for name in frame.columns})
        self._parts.setdefault(path, []).append(pl.concat([head, raw], how="horizontal"))
        self.reasons.update(f"{column}: {reason}" if column else reason for column, reason in said)

    @contextlib.contextmanager
    def kept(self, vault: Path, day: str) -> Iterator[Path | None]:
        """Write the rows into the vault; should the block fail, they go again."""
        if not self._parts:
            yield None
            return
        folder = vault / FOLDER / f"{day}-{secrets.token_hex(4)}"
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        with new_folder(folder, mode=0o700) as beside:
            for number, (path, parts) in enumerate(self._parts.items(), start=1):
                file = beside / f"{number}-{path.stem}.parquet"
                file.touch(mode=0o600)
                pl.concat(parts, how="diagonal_relaxed").sort("row").write_parquet(file)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
