"""Erasing a person from the dataset, as the custodian's order says."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from recsys.contracts.dataset import Dataset, DatasetRelease
from recsys.contracts.erasure import ErasureOrder, ErasureReceipt
from recsys.contracts.purchases import PURCHASES
from recsys.contracts.recipient import TRAINING
from recsys.contracts.token import lineage_of, parse_token
from recsys.errors import ContractError, TokenError
from training.purchases.covered import Covered, covered
from training.purchases.folder import Change, changing
from training.purchases.tables import SUBJECT, TABLES
from training.purchases.tombstones import with_tombstones


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What an order led to.

    Args:
        receipt: For the custodian.
        new: False: the order was obeyed before, and the receipt is that of then.
        unknown: Bundles of which nobody can tell whether they were learned from the person's purchases.
    """

    receipt: ErasureReceipt
    new: bool
    unknown: tuple[str, ...]


def forget(order: ErasureOrder, folder: Path, models: Path, *, now: dt.datetime) -> Forgotten:
    """Drop the person's rows from every table at once, and keep tombstones.

    Raises:
        ContractError: The order is for somebody else.
        TokenError: A token is of another domain than the dataset's, or one of the dataset's epochs has none.
    """
    if order.recipient != TRAINING:
        raise ContractError("is for another recipient", where="the order", mend=f"This is {TRAINING!r}")
    with changing(folder) as change:
        dataset = change.dataset
        earlier = next((receipt for receipt in dataset.erasures if receipt.order_id == order.order_id), None)
        if earlier is not None:
            return Forgotten(earlier, new=False, unknown=())
        _check_tokens(order, dataset)
        found = covered(models, dataset, _rows(change, order.subjects))
        cleaned, deleted = _without(change, order.subjects)
        receipt = _receipt(order, found, deleted, now)
        change.commit(
            msgspec.structs.replace(
                cleaned,
                tombstones=with_tombstones(dataset, order.subjects),
                erasures=(*dataset.erasures, receipt),
            )
        )
    return Forgotten(receipt, new=True, unknown=found.unknown)


def _check_tokens(order: ErasureOrder, dataset: Dataset) -> None:
    lineages = {lineage_of(parse_token(token, where="the order, $.subjects")) for token in order.subjects}
    if {lineage.domain for lineage in lineages} != {dataset.domain}:
        raise TokenError(
            f"holds tokens of another domain than the dataset's ({dataset.domain!r})",
            where="the order, $.subjects",
            mend="Ask the custodian for the order that is meant for this dataset",
        )
    missing = set(dataset.epochs) - {lineage.epoch for lineage in lineages}
    if missing:  # or the person's rows would stay, and the receipt would say that there were none
        raise TokenError(
            f"holds no token of epoch {' and '.join(sorted(missing))}, which the dataset accepts",
            where="the order, $.subjects",
            mend="Ask the custodian for a new order, with a token for each epoch in use",
        )


def _rows(change: Change, subjects: tuple[str, ...]) -> pl.DataFrame:
    """`release, day` of the person's purchases."""
    found = [pl.DataFrame(schema={"release": pl.Int64, "day": pl.Date})]
    for position, release in enumerate(change.dataset.releases):
        if PURCHASES.name in release.parts:
            part = pl.scan_parquet(change.folder / release.parts[PURCHASES.name])
            days = part.filter(pl.col(SUBJECT).is_in(subjects)).select("day").unique().collect()
            found.append(days.select(pl.lit(position, pl.Int64).alias("release"), "day"))
    return pl.concat(found)


def _without(change: Change, subjects: tuple[str, ...]) -> tuple[Dataset, dict[str, int]]:
    """The dataset without the person's rows, staged, and how many rows each table loses."""
    dataset, deleted = change.dataset, dict.fromkeys(TABLES, 0)
    renamed: dict[str, str | None] = {}
    for table in TABLES:
        for name in (*dataset.parts(table), *filter(None, [dataset.merged.get(table)])):
            theirs = pl.scan_parquet(change.folder / name).filter(pl.col(SUBJECT).is_in(subjects))
            count = theirs.select(pl.len()).collect().item()
            if count:
                kept = change.read(table, name).filter(~pl.col(SUBJECT).is_in(subjects))
                renamed[name] = change.stage(TABLES[table], kept)
                deleted[table] += count
    return renaming(dataset, renamed), deleted


def renaming(dataset: Dataset, renamed: dict[str, str | None]) -> Dataset:
    """The dataset with other files in the place of some, or with none."""

    def now(parts: dict[str, str]) -> dict[str, str]:
        names = {table: renamed.get(name, name) for table, name in parts.items()}
        return {table: name for table, name in names.items() if name is not None}

    def moved(release: DatasetRelease) -> DatasetRelease:
        return msgspec.structs.replace(release, parts=now(release.parts))

    releases = tuple(moved(release) for release in dataset.releases)
    return msgspec.structs.replace(dataset, releases=releases, merged=now(dataset.merged))


def _receipt(order: ErasureOrder, found: Covered, deleted: dict[str, int], now: dt.datetime) -> ErasureReceipt:
    return ErasureReceipt(
        order_id=order.order_id,
        recipient=order.recipient,
        completed_at=now,
        deleted=deleted,
        bundles=found.affected,
    )
