"""Moving a dataset from the tokens of one epoch to those of the next."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from recsys.contracts.dataset import Dataset
from recsys.contracts.recipient import TRAINING
from recsys.contracts.rekey import MapHeader, RekeyMap, RekeyReceipt
from recsys.errors import ContractError, TokenError
from training.purchases.folder import Change, changing
from training.purchases.forget import renaming
from training.purchases.tables import TABLES, newest, token_columns
from training.purchases.tombstones import carried_over


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """What a map led to. `new` is False where it had been applied before; the receipt is that of then."""

    receipt: RekeyReceipt
    new: bool


def rekey(applied: RekeyMap, folder: Path, *, now: dt.datetime) -> Rekeyed:
    """Replace every token of the map's old epoch, in all tables at once.

    The receipt does not say `destroyed` yet: see `recsys.contracts.rekeying`.

    Raises:
        TokenError: The map is of another domain, or from an epoch that the dataset does not hold.
        ContractError: The map lacks a token; nothing was changed.
    """
    with changing(folder) as change:
        earlier = earlier_receipt(change.dataset, applied.header.map_id)
        if earlier is not None:
            return Rekeyed(earlier, new=False)
        _check_lineage(change.dataset, applied.header, folder)
        _check_complete(change, applied)
        moved, replaced = _moved(change, applied)
        receipt = RekeyReceipt.of(applied.header, TRAINING, replaced, at=now)
        change.commit(
            msgspec.structs.replace(
                moved,
                epochs=_epochs(change.dataset, applied.header),
                tombstones=carried_over(change.dataset, applied),
                rekeys=(*change.dataset.rekeys, receipt),
            )
        )
    return Rekeyed(receipt, new=True)


def earlier_receipt(dataset: Dataset, map_id: str) -> RekeyReceipt | None:
    """The receipt for a map that was applied to this dataset."""
    return next((receipt for receipt in dataset.rekeys if receipt.map_id == map_id), None)


def replaced_tokens(tokens: pl.Series, applied: RekeyMap) -> pl.Series:
    """A column with the new token wherever the map names the old one."""
    joined = tokens.alias("from").to_frame().join(applied.tokens, on="from", how="left", maintain_order="left")
    return joined.select(pl.coalesce("to", "from").alias(tokens.name)).to_series()


def _check_lineage(dataset: Dataset, header: MapHeader, folder: Path) -> None:
    if header.domain != dataset.domain:
        raise TokenError(
            f"holds tokens of domain {dataset.domain!r}, the map is for {header.domain!r}",
            where=str(folder),
            mend="Ask the custodian for the map that is meant for this dataset",
        )
    if header.from_epoch not in dataset.epochs:
        raise TokenError(
            f"holds tokens of epoch {' and '.join(dataset.epochs)}, the map begins at {header.from_epoch}",
            where=str(folder),
            mend="Ask the custodian for a map from the epoch that this dataset holds",
        )


def _check_complete(change: Change, applied: RekeyMap) -> None:
    lacking = 0
    for table, name in _files(change.dataset):
        frame = change.read(table, name)
        for column in token_columns(frame):
            old = frame.select(pl.col(column).alias("from")).unique()
            old = old.filter(pl.col("from").str.starts_with(applied.header.source.prefix))
            lacking += len(old.join(applied.tokens, on="from", how="anti"))
    if lacking:
        raise ContractError(
            f"lacks {lacking} tokens that stand in the dataset; nothing was changed",
            where="the map",
            mend="Ask the custodian for a map made from all of the dataset's purchases and subjects files",
        )


def _moved(change: Change, applied: RekeyMap) -> tuple[Dataset, dict[str, int]]:
    """The dataset in new tokens, staged, and how many tokens each table had replaced."""
    replaced = dict.fromkeys(TABLES, 0)
    renamed: dict[str, str | None] = {}
    for table, name in _files(change.dataset):
        before = change.read(table, name)
        after = before.with_columns(replaced_tokens(before[column], applied) for column in token_columns(before))
        for column in token_columns(before):
            replaced[table] += int((before[column] != after[column]).sum())
        if TABLES[table].unique:  # the same person may have stood there under both epochs
            after = newest(TABLES[table], after)
        if not after.equals(before):
            renamed[name] = change.stage(TABLES[table], after)
    return renaming(change.dataset, renamed), replaced


def _files(dataset: Dataset) -> list[tuple[str, str]]:
    parts = [(table, name) for table in TABLES for name in dataset.parts(table)]
    return [*parts, *dataset.merged.items()]


def _epochs(dataset: Dataset, header: MapHeader) -> tuple[str, ...]:
    left = [epoch for epoch in dataset.epochs if epoch not in {header.from_epoch, header.to_epoch}]
    return (*left, header.to_epoch)
