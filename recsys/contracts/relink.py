"""The relink order: which tokens of a domain are one person, and which are not any more; and the receipt for its use.

Each recipient has an order of its own, with tokens of its own domain only, for every epoch that can still be read. Rows
of `join` say that what stands under `from` belongs to `to`. They name everybody who is linked, not only who is new: an
order takes the place of all joins of those before it. Rows of `part` say that what stands under `from` was of several
people: what belongs to which, by receipts. Parts are ordered once, so that no order with a part may be left out.

Joined: histories and exposures are put together, so that caps add; every dismissal stands; a purpose is agreed to where
somebody said yes and nobody no, and whoever is on file without it has said no; of two arms the older one stays. Parted:
what a receipt tells apart goes where it belongs; what nothing tells apart is removed, consents are asked for anew, what
was shown or refused counts for all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec
import polars as pl

from recsys.contracts.document import decode_document
from recsys.contracts.recipient import Recipient
from recsys.contracts.table import Column, TableContract, parquet_metadata, token_column
from recsys.contracts.token import DOMAIN_PATTERN, EPOCH_PATTERN, Lineage, lineages_of
from recsys.errors import ContractError, TokenError

_MEND: Final = "Ask the custodian for a new order"
_HEADER: Final = "recsys.relink"  # in the Parquet metadata, as JSON

RelinkId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]  # random: no two orders have the same one
_Domain = Annotated[str, msgspec.Meta(pattern=f"^{DOMAIN_PATTERN}$")]
_Epoch = Annotated[str, msgspec.Meta(pattern=f"^{EPOCH_PATTERN}$")]
_Count = Annotated[int, msgspec.Meta(ge=0)]


Counts = tuple[dict[str, int], dict[str, int], dict[str, int]]  # rows that were joined, parted, removed


class Act(StrEnum):
    """What becomes of what stands under a token."""

    JOIN = "join"
    PART = "part"


RELINK_ORDER: Final = TableContract(
    name="relink-order",
    version=1,
    columns=(
        Column("act", pl.String(), "join or part", check=lambda value: value.is_in([act.value for act in Act])),
        token_column("from", "The token that stands there"),
        token_column("to", "The person's; of a part, one of the people"),
        token_column("basket", "Of a part: a receipt of theirs; else empty", required=False, nullable=True),
    ),
)


class RelinkHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an order says of itself, in its Parquet metadata.

    `number` counts the custodian's orders; `parted` is the number of the last one before it that had a part, or 0.
    """

    order_id: RelinkId
    number: Annotated[int, msgspec.Meta(ge=1)]
    parted: _Count
    recipient: Recipient
    domain: _Domain
    epochs: Annotated[tuple[_Epoch, ...], msgspec.Meta(min_length=1)]
    issued_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]

    def check_follows(self, last: int, *, skip: bool, where: str) -> None:
        """Return when an order may come after number `last` (0: there was none), or raise `ContractError`.

        Args:
            last: The number of the newest order that was applied.
            skip: Whether orders in between are known to be about nothing that is held.
            where: What errors call the order.
        """
        if self.number <= last:
            what = f"is order {self.number}, and order {last} was applied already"
            raise ContractError(what, where=where, mend="A newer order takes its place: there is nothing to do")
        if self.parted > last and not skip:
            raise ContractError(
                f"is order {self.number}; order {self.parted}, which parts people, comes first",
                where=where,
                mend="Apply that one, or say --skip-earlier if everything here was released after it",
            )


class RelinkReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That a recipient applied an order. Counts are of rows, for each file or table.

    `joined` got the person's token. `parted` went to whom a receipt says that they belong to. `removed` were of
    somebody who was parted, and nothing tells of whom. `erased` counts tokens that were erased here and so were joined
    to nobody: the custodian should forget these people, too.
    """

    contract: Annotated[str, msgspec.Meta(pattern=r"^relink-receipt/1$")] = "relink-receipt/1"
    order_id: RelinkId
    number: Annotated[int, msgspec.Meta(ge=1)]
    recipient: Recipient
    domain: _Domain
    applied_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    joined: dict[str, _Count]
    parted: dict[str, _Count]
    removed: dict[str, _Count]
    erased: _Count = 0

    def told(self, *, again: bool) -> Iterator[str]:
        """For whoever is at the terminal: what became of how many rows."""
        if again:
            yield f"Obeyed already on {self.applied_at:%Y-%m-%d}; nothing was changed."
        for what, counts in (("Joined", self.joined), ("Told apart", self.parted), ("Removed", self.removed)):
            rows = ", ".join(f"{count:,} in {table}" for table, count in counts.items() if count)
            yield f"{what}: {rows or 'nothing'}."

    @classmethod
    def of(cls, header: RelinkHeader, counts: Counts, *, erased: int, at: dt.datetime) -> Self:
        """Of an order that was applied."""
        joined, parted, removed = counts
        return cls(
            order_id=header.order_id,
            number=header.number,
            recipient=header.recipient,
            domain=header.domain,
            applied_at=at,
            joined=joined,
            parted=parted,
            removed=removed,
            erased=erased,
        )


@dataclass(frozen=True, slots=True)
class RelinkOrder:
    """An order that was read and checked.

    Args:
        header: Which one.
        joins: `from, to`, each `from` once, and no `to` that is a `from` itself.
        parts: `from, to`, of those who were several people.
        baskets: `from, to, basket`, each receipt once.
    """

    header: RelinkHeader
    joins: pl.DataFrame
    parts: pl.DataFrame
    baskets: pl.DataFrame

    def check_for(self, recipient: str, accepted: frozenset[Lineage]) -> None:
        """Return when the order is for `recipient` and speaks of every epoch that is accepted there.

        Raises:
            ContractError: It is for somebody else.
            TokenError: It is of another domain, or of too few epochs: people would stay as they were.
        """
        where = "the order"
        if self.header.recipient != recipient:
            raise ContractError("is for another recipient", where=where, mend=f"This is {recipient!r}")
        if {lineage.domain for lineage in accepted} != {self.header.domain}:
            raise TokenError("is of another domain than what is held here", where=where, mend=_MEND)
        missing = sorted(lineage.epoch for lineage in accepted if lineage.epoch not in self.header.epochs)
        if missing:
            what = f"does not speak of epoch {' and '.join(missing)}, which is accepted here"
            raise TokenError(what, where=where, mend=f"{_MEND}: `recsys-pseudonymize link --again`")


def order_metadata(header: RelinkHeader) -> dict[str, str]:
    """The Parquet metadata that says `header`; for `RELINK_ORDER.write`."""
    return {_HEADER: msgspec.json.encode(header).decode()}


def read_order(path: Path) -> RelinkOrder:
    """Read an order.

    Raises:
        ContractError: Not an order, or one that contradicts itself.
        TokenError: Tokens of another domain or of an epoch that it does not name, or a row across two epochs.
    """
    rows, where = RELINK_ORDER.read(path), str(path)
    header = _header(path)
    if "basket" not in rows.columns:
        rows = rows.with_columns(basket=pl.lit(None, pl.String))
    _check_tokens(rows, header, where)
    joins = rows.filter(act=Act.JOIN.value).select("from", "to")
    parts = rows.filter(pl.col("act") == Act.PART.value)
    order = RelinkOrder(
        header, joins, parts.select("from", "to").unique(), parts.select("from", "to", "basket").drop_nulls()
    )
    twice = not joins["from"].is_unique().all() or not order.baskets["basket"].is_unique().all()
    if twice or joins["to"].is_in(joins["from"].implode()).any():
        raise ContractError("contradicts itself", where=where, mend=_MEND)
    return order


def _check_tokens(rows: pl.DataFrame, header: RelinkHeader, where: str) -> None:
    known = {Lineage(header.domain, epoch) for epoch in header.epochs}
    for name in ("from", "to", "basket"):
        if not set(lineages_of(rows[name].drop_nulls())) <= known:
            raise TokenError(f"column {name!r} holds tokens of another domain or epoch", where=where, mend=_MEND)
    lineage = [pl.col(name).str.head(-27) for name in ("from", "to", "basket")]
    if not rows.select((lineage[0] == lineage[1]) & (lineage[0] == lineage[2]).fill_null(value=True)).to_series().all():
        raise TokenError("leads from one epoch to another", where=where, mend=_MEND)


def _header(path: Path) -> RelinkHeader:
    said = parquet_metadata(path).get(_HEADER) if path.suffix == ".parquet" else None
    if said is None:
        mend = "Name the file that `recsys-pseudonymize link` wrote for this recipient"
        raise ContractError("does not say which order it is", where=str(path), mend=mend)
    return decode_document(said.encode(), RelinkHeader, where=str(path))
