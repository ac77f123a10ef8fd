"""Relink orders: what each recipient is to join and to part, in tokens of its own domain and nobody else's."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from pseudonymize.keys import BlockKey
from pseudonymize.links.table import ID, OTHER, Links, roots_of_entries
from pseudonymize.tokens import domain_label, domain_tokens, written
from pseudonymize.vault import Vault
from pseudonymize.vault_record import EpochRecord, Status
from recsys.contracts.recipient import SERVING, TRAINING
from recsys.contracts.relink import RELINK_ORDER, Act, RelinkHeader, order_metadata

BASKET: Final = ["basket_high", "basket_low"]
Name = Callable[[pl.DataFrame], pl.Series]  # from `high, low` to tokens


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be ordered.

    Args:
        links: As they are from now on, with the number of this order.
        parted_before: The number of the last order before this one that took people apart.
        parts: `high, low, to_high, to_low, generation`: whose name was whose, and is not any more.
        receipts: As `parts`, with a receipt, an entry too: `basket_high, basket_low`.
        subjects: The fields whose identifiers may have been released as tokens.
    """

    links: Links
    parted_before: int
    parts: pl.DataFrame
    receipts: pl.DataFrame
    subjects: frozenset[str]


def write_orders(vault: Vault, key: BlockKey, change: Change, folder: Path) -> tuple[str, ...]:
    """Write one order for training and one for serving into `folder`; who is sent one.

    Partners get none: it would tell them who is linked, and joined histories are more than the release gate measured.
    """
    readable = [epoch for epoch in vault.record.epochs if epoch.status is not Status.DESTROYED]
    keys = vault.take("relink", *(domain_label(epoch.lineage) for epoch in readable))
    rows: dict[str, list[pl.DataFrame]] = {}
    for epoch, domain_key in zip(readable, keys, strict=True):
        rows.setdefault(epoch.domain, []).append(_rows(change, epoch, key, domain_key))
    sent = []
    for recipient in vault.record.recipients:
        if recipient.name not in {TRAINING, SERVING}:
            continue
        frame = pl.concat(rows[recipient.domain]) if recipient.domain in rows else pl.DataFrame()
        if frame.is_empty():
            continue
        header = RelinkHeader(
            order_id=secrets.token_hex(16),
            number=change.links.number,
            parted=change.parted_before,
            recipient=recipient.name,
            domain=recipient.domain,
            epochs=tuple(epoch.epoch for epoch in readable if epoch.domain == recipient.domain),
            issued_at=vault.now,
        )
        shuffled = frame.sort("from", "to", "basket")  # an order of rows that says nothing about the others'
        RELINK_ORDER.write(shuffled, folder / f"{recipient.name}.parquet", metadata=order_metadata(header), mode=0o600)
        sent.append(recipient.name)
    return tuple(sorted(sent))


def _rows(change: Change, epoch: EpochRecord, key: BlockKey, domain_key: BlockKey) -> pl.DataFrame:
    """The rows of one epoch."""

    def name(entries: pl.DataFrame) -> pl.Series:
        return written(domain_tokens(domain_key, roots_of_entries(key, entries)), epoch.lineage)

    moved = (pl.col("high") != pl.col("to_high")) | (pl.col("low") != pl.col("to_low"))
    nodes = change.links.nodes.filter(moved, pl.col("field").is_in(sorted(change.subjects)))
    joins, parts, receipts = (
        frame.filter(generation=epoch.generation) for frame in (nodes, change.parts, change.receipts)
    )
    return pl.concat(
        [_acts(Act.JOIN, name, joins), _acts(Act.PART, name, parts), _acts(Act.PART, name, receipts, baskets=True)]
    )


def _acts(act: Act, name: Name, frame: pl.DataFrame, *, baskets: bool = False) -> pl.DataFrame:
    none = pl.Series([None] * len(frame), dtype=pl.String)
    return pl.DataFrame(
        {
            "act": pl.Series([act.value] * len(frame), dtype=pl.String),
            "from": name(frame.select(ID)),
            "to": name(frame.select(OTHER)),
            "basket": name(frame.select(BASKET)) if baskets else none,
        }
    )
