"""From links to people: connected components, and the identifier that a person's token is made of.

That identifier stays when others join it: of the people who were known, the one known longest gives the name; among
those of one day, and where nobody was known, the field that the policy names first, then the smallest entry. An
identifier of a field that no table has as its subject never gives the name while there is another: it was no token.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pseudonymize.links.table import ID, NODES, OTHER, Links

Ranks = Mapping[str, int]  # of the fields that are subjects: their order in the policy


def positions(nodes: pl.DataFrame, pairs: pl.DataFrame) -> NDArray[np.int64]:
    """Pairs as positions in `nodes`, shape (n, 2); every identifier stands there."""
    known = nodes.select(ID).with_row_index("place")
    found = [
        pairs.select(names)
        .join(known, left_on=names, right_on=ID, how="left", maintain_order="left")["place"]
        .to_numpy()
        for names in (ID, OTHER)
    ]
    return np.stack(found, axis=1).astype(np.int64)


def components(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int32]:
    """For each of `count` identifiers, the number of its component."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - half a second that every other command can do without
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - as above

    ones = np.ones(len(pairs), np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    labels: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return labels


def named(links: Links, ranks: Ranks) -> pl.DataFrame:
    """The nodes of `links`, each with the person that its edges make it part of."""
    nodes = links.nodes
    labels = components(len(nodes), positions(nodes, links.edges))
    known = (pl.col("high") == pl.col("to_high")) & (pl.col("low") == pl.col("to_low"))
    rank = pl.col("field").replace_strict(dict(ranks), default=len(ranks), return_dtype=pl.Int64)
    order = nodes.select(
        *ID,
        pl.Series("label", labels),
        (rank == len(ranks)).alias("nobody"),
        (~known).alias("new"),
        "day",
        rank.alias("rank"),
    )
    first = order.sort("label", "nobody", "new", "day", "rank", *ID).unique("label", keep="first", maintain_order=True)
    names = first.select("label", pl.col("high").alias("to_high"), pl.col("low").alias("to_low"))
    own = order.select("label").join(names, on="label", how="left", maintain_order="left")
    return nodes.with_columns(own["to_high"], own["to_low"]).select(list(NODES))
