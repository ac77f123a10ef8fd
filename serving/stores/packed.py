"""Histories as they lie in a store: one short string of bytes a subject, newest rows last.

A row is an item's day: the sum of what was bought and returned, and the receipts with it. The sum may be negative:
returns are netted when a history is read, so that it does not matter in which order purchases and returns arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.history import MAX_ROWS, Histories
from recsys.returns import net_of_returns

ROW: Final = np.dtype([("day", "<i4"), ("item", "<u4"), ("quantity", "<f4"), ("baskets", "<u2")])  # 14 bytes
_DUST: Final = 1e-5  # the share of a quantity that sums of float32 may leave over when all of it was returned
_MOST_BASKETS: Final = np.iinfo(np.uint16).max

Rows = NDArray[np.void]


def rows_of(daily: pl.DataFrame) -> Rows:
    """`item, day, quantity, baskets` as rows, with `item` as the store's codes."""
    rows = np.empty(len(daily), ROW)
    rows["day"] = daily["day"].to_physical().to_numpy()
    rows["item"] = daily["item"].to_numpy()
    rows["quantity"] = daily["quantity"].to_numpy()
    rows["baskets"] = np.minimum(daily["baskets"].to_numpy(), _MOST_BASKETS)
    return rows


def pack(rows: Rows) -> bytes:
    """One subject's rows, oldest first: the newest `MAX_ROWS` of them."""
    return rows[-MAX_ROWS:].tobytes()


def add(packed: bytes, more: Rows) -> bytes:
    """Add rows of one subject: quantities and receipts of the same item and day are summed."""
    rows = np.concatenate([np.frombuffer(packed, ROW), more])
    keys, first, same = np.unique(_keys(rows), return_index=True, return_inverse=True)
    summed = rows[first]
    moved = np.bincount(same, np.abs(rows["quantity"]), len(keys))
    summed["quantity"] = np.bincount(same, rows["quantity"], len(keys))
    summed["baskets"] = np.minimum(np.bincount(same, rows["baskets"], len(keys)), _MOST_BASKETS)
    return pack(summed[np.abs(summed["quantity"]) > _DUST * moved])


def unpack(packed: Sequence[bytes]) -> tuple[Rows, NDArray[np.int64]]:
    """The rows of B subjects, net of returns, and for each row its subject's position.

    Raises:
        ValueError: A string is not a whole number of rows.
    """
    parts = [_netted(np.frombuffer(part, ROW)) for part in packed]
    rows = np.concatenate([np.empty(0, ROW), *parts])
    return rows, np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def to_histories(subjects: Sequence[str], rows: Rows, owners: NDArray[np.int64], codes: NDArray[np.int32]) -> Histories:
    """Lay out rows as histories.

    Args:
        subjects: B tokens.
        rows: From `unpack`.
        owners: From `unpack`.
        codes: For each of the store's item codes the code to speak in, -1 for none.
    """
    item = codes[rows["item"]]
    order = np.lexsort((item, rows["day"], owners))
    order = order[item[order] >= 0]
    sizes = np.bincount(owners[order], minlength=len(subjects))
    return Histories(
        tuple(subjects),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        item[order],
        rows["day"][order],
        rows["quantity"][order],
        rows["baskets"][order].astype(np.int32),
    )


def _keys(rows: Rows) -> NDArray[np.int64]:
    """One number for an item's day, in the order of days."""
    return (rows["day"].astype(np.int64) << 32) | rows["item"].astype(np.int64)


def _netted(rows: Rows) -> Rows:
    returned = rows["quantity"] < 0
    if not returned.any():
        return rows
    net = rows.copy()
    for item in np.unique(rows["item"][returned]):
        own = np.flatnonzero(rows["item"] == item)  # oldest first
        net["quantity"][own] = net_of_returns(rows["quantity"][own].tolist())
    left: NDArray[np.bool_] = net["quantity"] > _DUST * np.abs(rows["quantity"])
    return net[left]
