"""The one-time map from the tokens of one epoch to those of the next, and the receipt for its use.

A map links two epochs, so it is a secret while it lives: mode 0600, applied once, then destroyed. It covers subjects
and baskets alike. A recipient that holds a token of the old epoch which the map does not name refuses it whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec
import polars as pl

from recsys.contracts.recipient import Recipient
from recsys.contracts.table import TableContract, parquet_metadata, token_column
from recsys.contracts.token import DOMAIN_PATTERN, EPOCH_PATTERN, Lineage, column_lineage
from recsys.errors import ContractError, TokenError

MAP_ID_PATTERN: Final = r"^[0-9a-f]{32}$"

REKEY_MAP: Final = TableContract(
    name="rekey-map",
    version=1,
    columns=(token_column("from", "A token of the old epoch"), token_column("to", "The same person's in the new one")),
    unique=("from",),
)

_ID: Final = "recsys.rekey.map-id"
_DOMAIN: Final = "recsys.rekey.domain"
_FROM: Final = "recsys.rekey.from-epoch"
_TO: Final = "recsys.rekey.to-epoch"

MapId = Annotated[str, msgspec.Meta(pattern=MAP_ID_PATTERN)]
_Domain = Annotated[str, msgspec.Meta(pattern=f"^{DOMAIN_PATTERN}$")]
_Epoch = Annotated[str, msgspec.Meta(pattern=f"^{EPOCH_PATTERN}$")]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class MapHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a map says of itself, in its Parquet metadata. `map_id` is random: no two maps have the same one."""

    map_id: MapId
    domain: _Domain
    from_epoch: _Epoch
    to_epoch: _Epoch

    @property
    def source(self) -> Lineage:
        """The lineage of the tokens that are replaced."""
        return Lineage(self.domain, self.from_epoch)

    @property
    def target(self) -> Lineage:
        """The lineage of the tokens that take their place."""
        return Lineage(self.domain, self.to_epoch)


class RekeyReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That a recipient applied a map: `replaced` and `unmapped` count tokens for each file or table.

    `destroyed` says that the map was deleted where it was applied; an epoch is not retired without it. `unmapped`
    counts tokens of the old epoch that the map did not name and that therefore still stand there.
    """

    contract: Annotated[str, msgspec.Meta(pattern=r"^rekey-receipt/1$")] = "rekey-receipt/1"
    map_id: MapId
    recipient: Recipient
    domain: _Domain
    from_epoch: _Epoch
    to_epoch: _Epoch
    applied_at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    replaced: dict[str, _Count]
    unmapped: dict[str, _Count]
    destroyed: bool

    @classmethod
    def of(cls, header: MapHeader, recipient: Recipient, replaced: dict[str, int], *, at: dt.datetime) -> Self:
        """Of a map that was applied whole. That it is destroyed is for whoever holds its file to say."""
        return cls(
            map_id=header.map_id,
            recipient=recipient,
            domain=header.domain,
            from_epoch=header.from_epoch,
            to_epoch=header.to_epoch,
            applied_at=at,
            replaced=replaced,
            unmapped=dict.fromkeys(replaced, 0),
            destroyed=False,
        )


@dataclass(frozen=True, slots=True)
class RekeyMap:
    """A map that was read and checked. `tokens` has the columns `from` and `to`, both without repetition."""

    header: MapHeader
    tokens: pl.DataFrame


def read_map(path: Path) -> RekeyMap:
    """Read a map.

    Raises:
        ContractError: Not a map, or not one-to-one, or its tokens are not of the epochs that it names.
    """
    tokens, where = REKEY_MAP.read(path), str(path)
    header = _header(parquet_metadata(path), where)
    for name, lineage in (("from", header.source), ("to", header.target)):
        if column_lineage(tokens[name], where=where) != lineage:
            what = f"column {name!r} does not hold tokens of {lineage}"
            raise TokenError(what, where=where, mend="Ask the custodian for a new map")
    if not tokens["to"].is_unique().all():
        raise ContractError("two tokens become one", where=where, mend="Ask the custodian for a new map")
    return RekeyMap(header, tokens)


def map_metadata(header: MapHeader) -> dict[str, str]:
    """The Parquet metadata that says `header`; for `REKEY_MAP.write`."""
    return {_ID: header.map_id, _DOMAIN: header.domain, _FROM: header.from_epoch, _TO: header.to_epoch}


def _header(metadata: Mapping[str, str], where: str) -> MapHeader:
    named = {
        "map_id": metadata.get(_ID),
        "domain": metadata.get(_DOMAIN),
        "from_epoch": metadata.get(_FROM),
        "to_epoch": metadata.get(_TO),
    }
    try:
        return msgspec.convert(named, MapHeader)
    except msgspec.ValidationError:
        raise ContractError(
            "does not say which map it is",
            where=where,
            mend="Name the file that `recsys-pseudonymize epoch` wrote",
        ) from None
