"""Tombstones: salted hashes of erased tokens, so that a late release does not bring the person back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

import polars as pl

from recsys.contracts.dataset import Dataset, Tombstone
from recsys.contracts.rekey import RekeyMap
from recsys.contracts.token import lineage_of, parse_token


def tombstone(salt: str, token: str) -> Tombstone:
    """The tombstone of a token: HMAC-SHA256 under the dataset's salt."""
    lineage = lineage_of(parse_token(token, where="a tombstone's token"))
    digest = hmac.digest(bytes.fromhex(salt), token.encode(), hashlib.sha256).hex()
    return Tombstone(epoch=lineage.epoch, hash=digest)


def with_tombstones(dataset: Dataset, tokens: Iterable[str]) -> tuple[Tombstone, ...]:
    """The dataset's tombstones and those of `tokens`, in an order that tells nothing."""
    return tuple(sorted({*dataset.tombstones, *(tombstone(dataset.salt, token) for token in tokens)}))


def erased(dataset: Dataset, tokens: pl.Series) -> list[str]:
    """Those of `tokens` that belong to erased persons."""
    if not dataset.tombstones:
        return []
    known = frozenset(dataset.tombstones)
    return [token for token in tokens.unique().to_list() if tombstone(dataset.salt, token) in known]


def carried_over(dataset: Dataset, applied: RekeyMap) -> tuple[Tombstone, ...]:
    """The tombstones after a rekeying: those of the old epoch go with it, but for persons whom the map names."""
    named = erased(dataset, applied.tokens["from"])
    heirs = applied.tokens.filter(pl.col("from").is_in(named))["to"].to_list()
    kept = {stone for stone in dataset.tombstones if stone.epoch != applied.header.from_epoch}
    return tuple(sorted({*kept, *(tombstone(dataset.salt, token) for token in heirs)}))
