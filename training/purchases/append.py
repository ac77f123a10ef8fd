"""Appending a release: once, only from the dataset's own domain and epochs, and without those who were erased."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from recsys.contracts.dataset import Dataset, DatasetRelease
from recsys.contracts.purchases import PURCHASES, read_purchases
from recsys.contracts.release import RELEASE_FILE, Release, release_beside
from recsys.contracts.table import TableContract
from recsys.contracts.token import Lineage, column_lineage
from recsys.errors import ContractError, TokenError
from recsys.files import sha256_of
from training.purchases.folder import Change, creating
from training.purchases.tables import BASKET, SUBJECT, TABLES, newest, token_columns
from training.purchases.tombstones import erased

Tables = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did.

    Args:
        new: False: the release was there already, and nothing was changed.
        record: The release as the dataset knows it.
        fingerprint: The dataset's, now.
        repeated_baskets: Receipts of the release that an earlier one had brought: their lines may now count twice.
    """

    new: bool
    record: DatasetRelease
    fingerprint: str
    repeated_baskets: int


def append(source: Path, folder: Path, *, accept_epoch: bool, today: dt.date) -> Appended:
    """Add the release in `source` to the dataset in `folder`, which comes into being with its first release.

    Args:
        source: What `recsys-pseudonymize run` wrote.
        folder: The dataset.
        accept_epoch: Whether a release of another epoch than the dataset's makes that epoch accepted from now on.
        today: Purchases after this day are refused.

    Raises:
        ContractError: The release is not whole, or breaks a contract.
        TokenError: Its tokens are of another domain, or of an epoch that the dataset does not accept.
    """
    release, tables = _read(source, today)
    lineage = Lineage(release.domain, release.epoch)
    with creating(folder, lineage) as change:
        earlier = next((r for r in change.dataset.releases if r.fingerprint == release.fingerprint), None)
        if earlier is not None:
            return Appended(new=False, record=earlier, fingerprint=change.dataset.fingerprint, repeated_baskets=0)
        dataset = _accepting(change.dataset, lineage, folder, accept_epoch=accept_epoch)
        kept, suppressed = _without_erased(dataset, tables)
        repeated = _repeated_baskets(change, kept)
        record = DatasetRelease(
            release=sha256_of(source / RELEASE_FILE),
            fingerprint=release.fingerprint,
            epoch=release.epoch,
            field_policy=release.field_policy,
            guard_policy=release.guard_policy,
            parts=_parts(change, kept),
            rows={table: len(frame) for table, frame in kept.items()},
            suppressed=suppressed,
        )
        merged = dataset.merged | _merged(change, kept)
        change.commit(msgspec.structs.replace(dataset, releases=(*dataset.releases, record), merged=merged))
        return Appended(new=True, record=record, fingerprint=change.dataset.fingerprint, repeated_baskets=repeated)


def _read(source: Path, today: dt.date) -> tuple[Release, Tables]:
    release = release_beside(source) if source.is_dir() else None
    if release is None:
        mend = "Name the folder that `recsys-pseudonymize run` wrote"
        raise ContractError(f"is not the folder of a release: there is no {RELEASE_FILE}", where=str(source), mend=mend)
    for name, digest in release.files.items():
        path = source / Path(name).name
        if not path.is_file() or sha256_of(path) != digest:
            raise ContractError(
                "is not the file that the release names: it was changed or removed",
                where=str(path),
                mend="Take the release again from where it was made",
            )
    lineage = Lineage(release.domain, release.epoch)
    return release, {_table(name, source): _checked(source / name, lineage, today) for name in release.files}


def _table(name: str, source: Path) -> str:
    table = name.removesuffix(".parquet")
    if table not in TABLES:
        raise ContractError(
            f"holds a table that a dataset does not take (it takes {', '.join(TABLES)})",
            where=str(source / RELEASE_FILE),
            mend="Upgrade this program, or release without it",
        )
    return table


def _checked(path: Path, lineage: Lineage, today: dt.date) -> pl.DataFrame:
    table = path.stem
    frame = read_purchases(path, today=today) if table == PURCHASES.name else TABLES[table].read(path)
    for column in token_columns(frame):
        tokens = frame[column].drop_nulls()
        if len(tokens) and column_lineage(tokens, where=str(path)) != lineage:
            raise TokenError(
                f"column {column!r} holds tokens of another domain or epoch than the release ({lineage})",
                where=str(path),
                mend="Take the release again from where it was made",
            )
    return frame


def _accepting(dataset: Dataset, lineage: Lineage, folder: Path, *, accept_epoch: bool) -> Dataset:
    """The dataset, if it may hold tokens of `lineage`."""
    if not dataset.releases and not dataset.erasures:  # what a killed first append left decides nothing
        return msgspec.structs.replace(dataset, domain=lineage.domain, epochs=(lineage.epoch,))
    if dataset.domain != lineage.domain:
        raise TokenError(
            f"holds tokens of domain {dataset.domain!r}, the release has those of {lineage.domain!r}",
            where=str(folder),
            mend="Keep each domain in a dataset of its own",
        )
    if lineage.epoch in dataset.epochs:
        return dataset
    if not accept_epoch:
        raise TokenError(
            f"accepts tokens of epoch {' and '.join(dataset.epochs)}, the release has those of {lineage.epoch}",
            where=str(folder),
            mend="Apply the custodian's map first (recsys-train rekey), or say --accept-epoch and apply it afterwards",
        )
    if lineage.epoch in {receipt.from_epoch for receipt in dataset.rekeys}:  # its tombstones are gone
        raise TokenError(
            f"left epoch {lineage.epoch}, and does not take it back: it could not tell who was erased",
            where=str(folder),
            mend="Ask the custodian to release these purchases again, in the epoch of today",
        )
    return msgspec.structs.replace(dataset, epochs=(*dataset.epochs, lineage.epoch))


def _without_erased(dataset: Dataset, tables: Tables) -> tuple[Tables, dict[str, int]]:
    """The rows of those who were not erased, and how many rows each table lost."""
    subjects = pl.concat([frame[SUBJECT] for frame in tables.values()])
    gone = erased(dataset, subjects)
    kept = {table: frame.filter(~pl.col(SUBJECT).is_in(gone)) for table, frame in tables.items()}
    lost = {table: len(frame) - len(kept[table]) for table, frame in tables.items()}
    return kept, {table: rows for table, rows in lost.items() if rows}


def _parts(change: Change, tables: Tables) -> dict[str, str]:
    staged = {table: change.stage(TABLES[table], frame) for table, frame in tables.items() if not _is_merged(table)}
    return {table: name for table, name in staged.items() if name is not None}


def _merged(change: Change, tables: Tables) -> dict[str, str]:
    """The tables with one row a person, the release's rows in place of the dataset's."""
    staged: dict[str, str] = {}
    for table, frame in tables.items():
        if _is_merged(table) and not frame.is_empty():
            held = change.dataset.merged.get(table)
            frames = [change.read(table, held), frame] if held else [frame]
            name = change.stage(TABLES[table], newest(TABLES[table], pl.concat(frames, how="diagonal")))
            if name is not None:
                staged[table] = name
    return staged


def _is_merged(table: str) -> bool:
    contract: TableContract = TABLES[table]
    return bool(contract.unique)


def _repeated_baskets(change: Change, tables: Tables) -> int:
    arriving = tables.get(PURCHASES.name)
    if arriving is None or BASKET not in arriving.columns:
        return 0
    baskets = arriving.select(BASKET).drop_nulls().unique()
    repeated = pl.Series(BASKET, [], dtype=pl.String)
    for name in change.dataset.parts(PURCHASES.name):
        part = pl.scan_parquet(change.folder / name)
        if BASKET in part.collect_schema():
            found = part.select(BASKET).join(baskets.lazy(), on=BASKET, how="semi").unique().collect()[BASKET]
            repeated = pl.concat([repeated, found])
    return repeated.n_unique()
