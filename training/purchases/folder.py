"""Changing a dataset's folder: one process at a time, all at once, and whatever a killed one left is removed.

New files lie in the folder unnamed, and so are no part of the dataset, until `dataset.json` is replaced by one that
names them: that rename is the change. Before and after it, what is not named goes (ADR 5).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from recsys.contracts.dataset import DATASET_FILE, Dataset, DatasetState, dataset_in
from recsys.contracts.document import encode_document
from recsys.contracts.release import fingerprint
from recsys.contracts.table import TableContract
from recsys.contracts.token import Lineage
from recsys.errors import ContractError, OutputError
from recsys.files import explained, flush, sha256_of, write_text
from training.purchases.tables import TABLES

_STAGED: Final = ".staged.parquet"
_NAME_HASH: Final = 16  # hexadecimal digits of a file's hash in its name
_PART: Final = re.compile(rf"({'|'.join(TABLES)})-[0-9a-f]{{{_NAME_HASH}}}\.parquet")


class Change:
    """A dataset that this process alone may change. `dataset` is what it is so far."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        self.folder = folder
        self.dataset = dataset
        self._staged: dict[str, str] = {}

    def read(self, table: str, name: str) -> pl.DataFrame:
        """One of the dataset's files."""
        return TABLES[table].read(self.folder / name)

    def stage(self, contract: TableContract, frame: pl.DataFrame) -> str | None:
        """Write a file that will belong to the dataset, and return its name; None where there are no rows."""
        if frame.is_empty():
            return None
        beside = self.folder / _STAGED
        contract.write(frame, beside)
        digest = sha256_of(beside)
        name = f"{contract.name}-{digest[:_NAME_HASH]}.parquet"
        with explained(self.folder / name):
            beside.replace(self.folder / name)
        self._staged[name] = digest
        return name

    def commit(self, dataset: Dataset) -> None:
        """Make `dataset` what the folder holds; its files, fingerprint and states follow from its parts."""
        named = {name for table in TABLES for name in dataset.parts(table)} | set(dataset.merged.values())
        known = self.dataset.files | self._staged
        files = {name: known[name] for name in sorted(named)}
        now = DatasetState(fingerprint=fingerprint(files), releases=len(dataset.releases))
        states = dataset.states if now in dataset.states else (*dataset.states, now)
        changed = msgspec.structs.replace(dataset, files=files, fingerprint=now.fingerprint, states=states)
        with explained(self.folder):
            flush(self.folder)
        write_text(self.folder / DATASET_FILE, encode_document(changed).decode())
        self.dataset = changed


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[Change]:
    """Wait for the other commands that change this dataset, then be the only one.

    Raises:
        ContractError: The folder is no dataset.
    """
    if dataset_in(folder) is None:
        raise ContractError(
            "is not a purchases dataset: it holds no dataset.json",
            where=str(folder),
            mend="Name the folder that `recsys-train append` made",
        )
    with _alone(folder):
        yield from _swept(folder)


@contextlib.contextmanager
def creating(folder: Path, lineage: Lineage) -> Iterator[Change]:
    """As `changing`; an empty dataset of `lineage` comes into being where there is none, and goes if the block fails.

    Raises:
        OutputError: The folder holds something else.
    """
    new = not folder.exists()
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        try:
            if dataset_in(folder) is None:
                _check_empty(folder)
                write_text(folder / DATASET_FILE, encode_document(_blank(lineage)).decode())
            yield from _swept(folder)
        finally:
            _remove_if_blank(folder)
            if new:
                with contextlib.suppress(OSError):  # it holds something, as it should
                    folder.rmdir()


def _swept(folder: Path) -> Iterator[Change]:
    dataset = dataset_in(folder)
    if dataset is None:
        raise ContractError("was removed meanwhile", where=str(folder / DATASET_FILE), mend="Run it again")
    _sweep(folder, dataset)
    change = Change(folder, dataset)
    try:
        yield change
    finally:
        _sweep(folder, change.dataset)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with explained(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        with explained(folder):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sweep(folder: Path, dataset: Dataset) -> None:
    """Remove the files of ours that the dataset does not name, for good before the command goes on."""
    with explained(folder):
        for path in folder.iterdir():
            leftover = path.name.startswith((_STAGED, f".{_STAGED}.", f".{DATASET_FILE}."))
            if leftover or (_PART.fullmatch(path.name) and path.name not in dataset.files):
                path.unlink()
        flush(folder)


def _check_empty(folder: Path) -> None:
    if any(not path.name.startswith(f".{DATASET_FILE}.") for path in folder.iterdir()):
        raise OutputError(
            "is neither a purchases dataset nor empty",
            where=str(folder),
            mend="Name a dataset, or a new folder to make one; nothing was written",
        )


def _remove_if_blank(folder: Path) -> None:
    dataset = dataset_in(folder)
    if dataset is not None and is_blank(dataset):
        (folder / DATASET_FILE).unlink()


def is_blank(dataset: Dataset) -> bool:
    """Whether nothing was ever done to it: what a first append leaves that was killed."""
    return not (dataset.releases or dataset.erasures or dataset.rekeys)


def _blank(lineage: Lineage) -> Dataset:
    return Dataset(
        domain=lineage.domain,
        epochs=(lineage.epoch,),
        fingerprint=fingerprint({}),
        files={},
        releases=(),
        merged={},
        states=(),
        salt=secrets.token_hex(32),
        tombstones=(),
        erasures=(),
        rekeys=(),
    )
