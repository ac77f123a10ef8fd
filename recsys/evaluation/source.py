"""The purchases that a bundle is judged on, and where they come from."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recsys.contracts.purchases import purchase_files, read_purchases
from recsys.contracts.token import Lineage, column_lineage
from recsys.errors import TokenError
from recsys.files import sha256_of


@dataclass(frozen=True, slots=True)
class Source:
    """Purchases as read.

    Args:
        purchases: In the purchases contract.
        lineage: The one domain and epoch of their subjects.
        fingerprint: SHA-256 over the hashes of the files, in the order of their names.
    """

    purchases: pl.DataFrame
    lineage: Lineage
    fingerprint: str


def read_source(path: Path, *, today: dt.date) -> Source:
    """Read and check a purchases file, or the folder of a release or dataset.

    Raises:
        ContractError: A file breaks the contract, or holds tokens of several domains or epochs.
    """
    purchases = read_purchases(path, today=today)
    lineage = column_lineage(purchases["subject"], where=str(path))
    hashes = "\n".join(sha256_of(file) for file in purchase_files(path))
    return Source(purchases, lineage, hashlib.sha256(hashes.encode()).hexdigest())


def check_lineage(subjects: pl.Series, purchases: Lineage, *, where: str) -> None:
    """Refuse a table about other people than the purchases: its tokens are of another domain or epoch."""
    lineage = column_lineage(subjects, where=where)
    if lineage != purchases:
        raise TokenError(
            f"holds tokens of {lineage}, the purchases those of {purchases}",
            where=where,
            mend="Name tables of one release",
        )
