"""Joining what stood in one row, within limits: what is shared, implausible, forgotten or taken apart joins nobody.

What was joined before stays joined: a limit keeps new links out and never takes a person apart by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.links.people import Ranks, components, named, positions
from pseudonymize.links.table import ID, NODES, OTHER, PAIRS, Links

_BOTH: Final = [*ID, *OTHER]


class Refused(StrEnum):
    """Why a link was not made."""

    FORGOTTEN = "one of the two was forgotten"
    APART = "the two were taken apart"
    SHARED = "one of the two is shared by too many"
    CROWDED = "one person would have too many identifiers"
    REJOINED = "it would join people who were taken apart"
    SINCE = "linked before one of the two was shared by too many"


@dataclass(frozen=True, slots=True)
class Limits:
    """By field: beside how many values of another one a value may stand, and how many one person may have."""

    shared_by: Mapping[str, int]
    per_person: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Arriving:
    """What the files hold.

    Args:
        nodes: In the form of `Links.nodes`, each a person of its own.
        edges: In the form of `Links.edges`, each once.
        forgotten: Entries, `high, low`, of those of the nodes who were forgotten.
    """

    nodes: pl.DataFrame
    edges: pl.DataFrame
    forgotten: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Joined:
    """The links with what was new, and what is not plausible.

    Args:
        links: As they are from now on.
        refused: Pairs of `Arriving.edges` that were refused, with a `reason`.
        doubtful: Links of earlier files, by an identifier that is shared by too many since, with that as the `reason`.
    """

    links: Links
    refused: pl.DataFrame
    doubtful: pl.DataFrame


def joined(links: Links, arriving: Arriving, limits: Limits, ranks: Ranks) -> Joined:
    """Add what the files hold. The order of rows and files does not matter."""
    nodes = pl.concat([links.nodes, arriving.nodes]).unique(ID, keep="first", maintain_order=True)
    offered = arriving.edges.join(links.edges, on=_BOTH, how="anti")
    given, doubtful = _with_reasons(_Offer(nodes, links, offered, limits), arriving.forgotten)
    refused = given.drop_nulls("reason")
    made = given.filter(pl.col("reason").is_null()).select(list(PAIRS))
    grown = replace(links, nodes=nodes.select(list(NODES)), edges=pl.concat([links.edges, made]))
    return Joined(replace(grown, nodes=named(grown, ranks)), refused, doubtful)


@dataclass(frozen=True, slots=True)
class _Offer:
    """Everybody, what is known, and the pairs that may join it."""

    nodes: pl.DataFrame
    links: Links
    pairs: pl.DataFrame
    limits: Limits


def _with_reasons(offer: _Offer, forgotten: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The offered pairs with the `reason` against each, none where there is nothing against it; and earlier doubts."""
    pairs = offer.pairs
    gone = forgotten.with_columns(gone=pl.lit(value=True))
    for names in (ID, OTHER):
        pairs = pairs.join(gone, left_on=names, right_on=ID, how="left", maintain_order="left", suffix=f"_{names[0]}")
    is_gone = pl.any_horizontal(pl.col("^gone.*$").fill_null(value=False))
    apart = offer.links.apart.with_columns(cut=pl.lit(value=True))
    pairs = pairs.join(apart, on=_BOTH, how="left", maintain_order="left").with_columns(gone=is_gone)
    reason = np.full(len(pairs), "", object)
    _say(reason, pairs["gone"].to_numpy(), Refused.FORGOTTEN)
    _say(reason, pairs["cut"].fill_null(value=False).to_numpy(), Refused.APART)
    old, new = positions(offer.nodes, offer.links.edges), positions(offer.nodes, pairs)
    shared = _shared(offer, np.concatenate([old, new[reason == ""]]))
    _say(reason, shared[new[:, 0]] | shared[new[:, 1]], Refused.SHARED)
    labels = components(len(offer.nodes), np.concatenate([old, new[reason == ""]]))
    for why, implausible in ((Refused.CROWDED, _crowded(offer, labels)), (Refused.REJOINED, _rejoined(offer, labels))):
        _say(reason, np.isin(labels[new[:, 0]], implausible), why)
    said = pl.Series("reason", [text or None for text in reason], dtype=pl.String)
    doubtful = offer.links.edges.filter(pl.Series(shared[old[:, 0]] | shared[old[:, 1]], dtype=pl.Boolean))
    since = pl.lit(Refused.SINCE.value).alias("reason")
    return pairs.select(_BOTH).with_columns(said), doubtful.select(*_BOTH, since)


def _say(reason: NDArray[np.object_], wrong: NDArray[np.bool_], why: Refused) -> None:
    """Give a reason to those that have none yet."""
    reason[wrong & (reason == "")] = why.value


def _shared(offer: _Offer, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which identifiers stand beside too many of one other field."""
    fields, either = offer.nodes["field"], np.concatenate([pairs, pairs[:, ::-1]])
    beside = pl.DataFrame({"place": either[:, 0], "beside": fields.gather(either[:, 1])})
    most = offer.limits.shared_by
    counts = beside.group_by("place", "beside").len()
    allowed = fields.gather(counts["place"]).replace_strict(dict(most), default=_NO_LIMIT, return_dtype=pl.Int64)
    found = np.zeros(len(fields), np.bool_)
    found[counts.filter(counts["len"] > allowed)["place"].to_numpy()] = True
    return found


def _crowded(offer: _Offer, labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """The components with too many identifiers of one field."""
    counts = pl.DataFrame({"label": labels, "field": offer.nodes["field"]}).group_by("label", "field").len()
    most = dict(offer.limits.per_person)
    allowed = counts["field"].replace_strict(most, default=_NO_LIMIT, return_dtype=pl.Int64)
    found: NDArray[np.int32] = counts.filter(counts["len"] > allowed)["label"].to_numpy()
    return found


def _rejoined(offer: _Offer, labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """The components in which two meet who were taken apart."""
    known = offer.nodes.select(ID)
    both = offer.links.apart.join(known, on=ID, how="semi").join(known, left_on=OTHER, right_on=ID, how="semi")
    ends = labels[positions(offer.nodes, both)]
    met: NDArray[np.int32] = ends[ends[:, 0] == ends[:, 1], 0]
    return met


_NO_LIMIT: Final = np.iinfo(np.int64).max  # of a field that a former policy had
