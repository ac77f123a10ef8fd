"""The links as they lie in the vault: identifiers, what stood beside what, and what was taken apart.

An identifier is its root token under a key of its own, so that the file alone links to nothing: neither to a token of a
domain nor, without the vault, to an identifier. All of it is one file, and so changes all at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.custody import read_private
from pseudonymize.keys import BlockKey, Label, Purpose, VaultError
from pseudonymize.tokens import Tokens
from recsys.contracts.table import parquet_metadata
from recsys.files import replacing

LINKS_LABEL: Final = Label(purpose=Purpose.LINKS, epoch="01")
FOLDER: Final = "links"  # in the vault, mode 0700: orders, what was refused, and a lock of its own, held for longer
LINKING: Final = 600.0  # seconds that it may take, and that others wait for the lock
ID: Final = ["high", "low"]
OTHER: Final = ["to_high", "to_low"]

_FILE: Final = "links.parquet"
_ORDERS: Final = "recsys.links.orders"  # in the file's metadata
_RESTORE: Final = "Restore the links from their copy, or people fall apart and what was taken apart joins again"
_PAIR: Final = {"high": pl.UInt64, "low": pl.UInt64, "to_high": pl.UInt64, "to_low": pl.UInt64}
_KIND: Final = {"field": pl.String, "form": pl.String, "generation": pl.String}
NODES: Final = pl.Schema({**_PAIR, **_KIND, "day": pl.Date})
PAIRS: Final = pl.Schema(_PAIR)


@dataclass(frozen=True, slots=True)
class Links:
    """What is known.

    Args:
        nodes: One row an identifier: `high, low`, whose person's it is (`to_high, to_low`: the identifier that the
            person's token is made of), `field, form, generation` of its key, and the `day` on which it came.
        edges: Pairs of identifiers that stood in one row, the smaller one first.
        apart: Pairs that are not one person's, whatever stands in any row.
        number: How many relink orders were issued.
        parted: The number of the last one that took people apart; 0: none did.
    """

    nodes: pl.DataFrame
    edges: pl.DataFrame
    apart: pl.DataFrame
    number: int = 0
    parted: int = 0

    def of_generations(self, alive: frozenset[str]) -> Links:
        """Without what stands on field roots that were destroyed: nothing leads to it any more."""
        gone = self.nodes.filter(~pl.col("generation").is_in(sorted(alive))).select(ID)
        edges, apart = (pairs.join(gone, on=ID, how="anti") for pairs in (self.edges, self.apart))
        return replace(self, nodes=self.nodes.join(gone, on=ID, how="anti"), edges=edges, apart=apart)


class _Orders(msgspec.Struct, frozen=True):
    number: int
    parted: int


def no_links() -> Links:
    """Nobody was linked yet."""
    return Links(pl.DataFrame(schema=NODES), pl.DataFrame(schema=PAIRS), pl.DataFrame(schema=PAIRS))


def read_links(vault: Path) -> Links:
    """The vault's links.

    Raises:
        VaultError: Unreadable, damaged or open to others.
    """
    file = vault / _FILE
    if not file.exists():
        return no_links()
    try:
        rows = pl.read_parquet(read_private(file, mend=_RESTORE))
        orders = msgspec.json.decode(parquet_metadata(file)[_ORDERS], type=_Orders)
        nodes, edges, apart = (
            rows.filter(row=row).select(list(columns))
            for row, columns in (("node", NODES), ("edge", PAIRS), ("apart", PAIRS))
        )
        return Links(nodes, edges, apart, orders.number, orders.parted)
    except (pl.exceptions.PolarsError, KeyError, msgspec.DecodeError):
        raise VaultError("the links are damaged", where=str(file), mend=_RESTORE) from None


def write_links(vault: Path, links: Links) -> None:
    """Replace the links, whole or not at all; the caller holds the lock of `links_folder`."""
    named = {"node": links.nodes, "edge": links.edges, "apart": links.apart}
    rows = pl.concat([frame.with_columns(row=pl.lit(row)) for row, frame in named.items()], how="diagonal")
    orders = msgspec.json.encode(_Orders(links.number, links.parted)).decode()
    with replacing(vault / _FILE, mode=0o600) as beside:
        rows.write_parquet(beside, metadata={_ORDERS: orders})


def links_folder(vault: Path) -> Path:
    """The folder beside the links, which is made where it is not there."""
    folder = vault / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def entries_of(key: BlockKey, roots: Tokens) -> pl.DataFrame:
    """What root tokens are called in the file: `high, low`."""
    return as_frame(key.encrypt_blocks(roots))


def roots_of_entries(key: BlockKey, entries: pl.DataFrame) -> Tokens:
    """The root tokens of two columns of entries."""
    return key.decrypt_blocks(as_array(entries))


def as_frame(tokens: Tokens) -> pl.DataFrame:
    """`high, low`."""
    return pl.DataFrame({"high": tokens[:, 0], "low": tokens[:, 1]}, schema={"high": pl.UInt64, "low": pl.UInt64})


def as_array(entries: pl.DataFrame) -> NDArray[np.uint64]:
    """Two columns as an array of shape (n, 2)."""
    return np.ascontiguousarray(np.stack([column.to_numpy() for column in entries.get_columns()], axis=1))


def ordered(pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs with the smaller identifier first; none of an identifier with itself. Other columns stay."""
    high, low, to_high, to_low = map(pl.col, (*ID, *OTHER))
    smaller = (high < to_high) | ((high == to_high) & (low < to_low))
    same = (high == to_high) & (low == to_low)
    turn = {name: pl.when(smaller).then(pl.col(name)) for name in (*ID, *OTHER)}
    return pairs.filter(~same).with_columns(
        **{one: turn[one].otherwise(pl.col(other)) for one, other in zip(ID, OTHER, strict=True)},
        **{other: turn[other].otherwise(pl.col(one)) for one, other in zip(ID, OTHER, strict=True)},
    )
