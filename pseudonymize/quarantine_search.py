"""Looking through the quarantine: for rows of people who are forgotten, and for what has been there too long."""

from __future__ import annotations

import csv
import datetime as dt
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from pseudonymize.canonical import CanonicalForm
from pseudonymize.keys import VaultError
from pseudonymize.quarantine import FOLDER, LINE, RAW
from pseudonymize.vault_lock import locked
from recsys.files import replacing

_NAME: Final = re.compile(r"(\d{4}-\d\d-\d\d)-[0-9a-f]{8}")  # of the folder of a run that came to its end


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What one run set aside. `finished` is false for a run that is under way, or was cut short and cannot be read."""

    folder: str
    day: dt.date
    rows: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Searched:
    """How many rows were dropped, and how many are left."""

    dropped: int
    left: int


def drop_people(vault: Path, form: CanonicalForm, people: pl.Series) -> Searched:
    """Drop the rows that hold one of `people` (canonical values) in any cell that the form can read.

    A row whose identifier cannot be read is not found: that is why many are in quarantine.

    Raises:
        VaultError: A file of the quarantine is damaged.
        OutputError: One cannot be written anew.
    """
    dropped = left = 0
    with locked(vault):
        for file in sorted((vault / FOLDER).glob("[!.]*/*.parquet")):
            rows = _read(file)
            gone = _holds(rows, form, people.to_list())
            dropped += int(gone.sum())
            left += rows.height - int(gone.sum())
            if gone.all():
                file.unlink()
            elif gone.any():
                with replacing(file, mode=0o600) as beside:
                    rows.filter(~gone).write_parquet(beside)
            if not any(file.parent.iterdir()):
                file.parent.rmdir()
    return Searched(dropped, left)


def kept(vault: Path) -> list[Kept]:
    """What is in quarantine, a folder for each run, oldest first.

    Raises:
        VaultError: A file of it is damaged.
    """
    return sorted((_told(folder) for folder in _folders(vault)), key=lambda one: (one.day, one.folder))


def drop_older(vault: Path, before: dt.date) -> list[Kept]:
    """Drop what came before a day; what was dropped. Nobody can mend those rows any more."""
    with locked(vault):
        old = [one for one in kept(vault) if one.day < before]
        for one in old:
            shutil.rmtree(vault / FOLDER / one.folder)
    return old


def _folders(vault: Path) -> Iterator[Path]:
    return (folder for folder in (vault / FOLDER).glob("*") if folder.is_dir())


def _told(folder: Path) -> Kept:
    day = _NAME.fullmatch(folder.name)
    if day is None:
        changed = dt.datetime.fromtimestamp(folder.stat().st_mtime, dt.UTC).date()
        return Kept(folder=folder.name, day=changed, rows=0, finished=False)
    rows = sum(_read(file).height for file in folder.glob("*.parquet"))
    return Kept(folder=folder.name, day=dt.date.fromisoformat(day[1]), rows=rows, finished=True)


def _read(file: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(file)
    except pl.exceptions.PolarsError:
        mend = "Delete the file: its rows are lost to mending, and still raw"
        raise VaultError("is damaged", where=str(file), mend=mend) from None


def _holds(rows: pl.DataFrame, form: CanonicalForm, people: list[str]) -> pl.Series:
    """Which rows hold one of the people."""
    found = pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
    for values in rows.iter_columns():
        if values.name.startswith(RAW) and not values.dtype.is_nested() and values.dtype != pl.Binary:
            text = values.cast(pl.String)
            said = text.drop_nulls().unique()
            theirs = said.filter(form.column(said).is_in(people).fill_null(value=False))
            found |= text.is_in(theirs.to_list()).fill_null(value=False)
    if LINE in rows.columns:
        found |= pl.Series([line is not None and _line_holds(line, form, people) for line in rows[LINE]])
    return found


def _line_holds(line: str, form: CanonicalForm, people: list[str]) -> bool:
    """Whether one of the people stands in a cell of a row that is none."""
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error:  # a cell that is too long for the reader
        cells = line.split(",")
    return bool(form.column(pl.Series(cells, dtype=pl.String)).is_in(people).any())
