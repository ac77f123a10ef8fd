"""Item statistics as a file, fresher than a bundle's own: written by `recsys-train statistics`, read where it decides.

The file says which bundle it was counted for, as of which day, whether only those who agreed to training were counted,
and what its numbers hash to. What was counted for another bundle, was damaged on its way, or counts people who were not
asked beside a bundle that learned only from those who agreed, is refused. It is not signed: whoever may write it may
say what is popular.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from recsys.bundle import Bundle
from recsys.contracts.statistics import ITEM_STATISTICS
from recsys.contracts.subjects import Purpose
from recsys.contracts.table import parquet_metadata
from recsys.errors import ContractError

_KEY: Final = "recsys.statistics"  # in the file's metadata: a `_Label`
_MEND: Final = "Compute it again with `recsys-train statistics`"


class _Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a file says of itself: the bundle's name and version, the as-of day, SHA-256 of the numbers.

    Args:
        consent: As a manifest says it of a bundle: "training", or "assumed" where nobody said who agreed.
    """

    bundle: str
    as_of: dt.date
    consent: str
    content: str


@dataclass(frozen=True, slots=True)
class FreshStatistics:
    """Statistics that were checked against a bundle.

    Args:
        table: In the item-statistics contract.
        as_of: Nothing dated on or after this day counts.
    """

    table: pl.DataFrame
    as_of: dt.date


def write_fresh_statistics(table: pl.DataFrame, path: Path, *, bundle: Bundle, as_of: dt.date, consent: str) -> None:
    """Write statistics for a bundle, whole or not at all.

    Raises:
        ContractError: No item has enough buyers, or people were counted who may have refused what the bundle asks for.
        OutputError: The place cannot be written.
    """
    if table.is_empty():
        raise ContractError(
            "no model item has enough buyers by then", where="--purchases", mend="Name purchases of the bundle's shop"
        )
    if not _agreed(consent, bundle):
        raise ContractError(
            "says nowhere who agreed to training, and the bundle was learned only from those who did",
            where="--purchases",
            mend="Name the --subjects of these purchases",
        )
    label = _Label(bundle=bundle.model_version, as_of=as_of, consent=consent, content=_content(table))
    ITEM_STATISTICS.write(table, path, metadata={_KEY: msgspec.json.encode(label).decode()})


def read_fresh_statistics(path: Path, bundle: Bundle, *, latest: dt.date) -> FreshStatistics:
    """Read statistics and check that they are a bundle's.

    Args:
        path: What `recsys-train statistics` wrote.
        bundle: That they are for.
        latest: An as-of day after this one would look ahead.

    Raises:
        ContractError: The file is missing, damaged, of another format, for another bundle, of a day to come, counts
            people who may have refused, or holds an item of fewer buyers than the bundle allows.
    """
    table, label, where = ITEM_STATISTICS.read(path), _label(path), str(path)
    if label.content != _content(table):
        raise ContractError("was changed after it was written", where=where, mend=_MEND)
    if label.bundle != bundle.model_version:
        raise ContractError(f"was computed for another bundle than {bundle.model_version}", where=where, mend=_MEND)
    if not _agreed(label.consent, bundle):
        raise ContractError(
            "counts people who may have refused training, and the bundle does not",
            where=where,
            mend=f"{_MEND} --subjects",
        )
    if label.as_of > latest:
        raise ContractError(f"counts days after {latest}", where=where, mend="Compute it as of an earlier day")
    few = (table["buyers"] < bundle.manifest.min_buyers).any()
    if few or -1 in bundle.vocabulary.encode(table["item"]):
        raise ContractError("holds items that the bundle does not have, or of too few buyers", where=where, mend=_MEND)
    return FreshStatistics(table, label.as_of)


def _agreed(consent: str, bundle: Bundle) -> bool:
    """Whether nobody was counted who may have refused what the bundle asked for."""
    return consent == Purpose.TRAINING or bundle.manifest.data.consent != Purpose.TRAINING


def _label(path: Path) -> _Label:
    try:
        return msgspec.json.decode(parquet_metadata(path).get(_KEY, ""), type=_Label)
    except (msgspec.DecodeError, OSError, pl.exceptions.PolarsError):
        raise ContractError("does not say which bundle it is for", where=str(path), mend=_MEND) from None


def _content(table: pl.DataFrame) -> str:
    """SHA-256 over the values, column by column: the same whatever wrote the file."""
    digest = hashlib.sha256("\n".join(table["item"]).encode())
    for name in table.columns[1:]:
        digest.update(table[name].to_numpy().tobytes())
    return digest.hexdigest()
