"""Taking apart: two identifiers that are not one person's, and what goes with each of them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

import polars as pl

from pseudonymize.links.people import Ranks, named
from pseudonymize.links.table import ID, OTHER, PAIRS, Links, ordered

Entry = tuple[int, int]
Pair = tuple[Entry, Entry]


def parted(links: Links, pairs: Iterable[Pair], ranks: Ranks) -> Links:
    """The links without what joins the two of each pair, and for good: no later file joins them again.

    Each other identifier of the person goes with the nearer of the two; one that is as near to either joins neither,
    and stands for itself. What connected them stays cut.
    """
    edges, apart = links.edges, [links.apart]
    for one, other in sorted({(min(pair), max(pair)) for pair in pairs}):
        cut = _cut(_around(links.nodes, edges, one), one, other)
        edges = edges.join(cut, on=[*ID, *OTHER], how="anti")
        apart += [_frame([(one, other)]), cut]
    separate = ordered(pl.concat(apart)).unique(maintain_order=True)
    left = replace(links, edges=edges, apart=separate)
    return replace(left, nodes=named(left, ranks))


def _around(nodes: pl.DataFrame, edges: pl.DataFrame, one: Entry) -> Mapping[Entry, AbstractSet[Entry]]:
    """What stands beside what, among the identifiers of the person that `one` is of."""
    person = nodes.filter(pl.col("high") == one[0], pl.col("low") == one[1]).select(OTHER)
    theirs = nodes.join(person, on=OTHER, how="semi").select(ID)
    beside: defaultdict[Entry, set[Entry]] = defaultdict(set)
    for high, low, to_high, to_low in edges.join(theirs, on=ID, how="semi").iter_rows():
        beside[high, low].add((to_high, to_low))
        beside[to_high, to_low].add((high, low))
    return beside


def _cut(beside: Mapping[Entry, AbstractSet[Entry]], one: Entry, other: Entry) -> pl.DataFrame:
    """The edges between those nearer to `one`, those nearer to `other`, and those between."""
    near, far = _distances(beside, one), _distances(beside, other)
    if other not in near:
        return pl.DataFrame(schema=PAIRS)
    side = {entry: (near[entry] > far[entry]) - (near[entry] < far[entry]) for entry in near}
    return _frame(
        [(entry, to) for entry, ends in beside.items() for to in ends if entry < to and side[entry] != side[to]]
    )


def _distances(beside: Mapping[Entry, AbstractSet[Entry]], start: Entry) -> dict[Entry, int]:
    found, waiting = {start: 0}, deque([start])
    while waiting:
        entry = waiting.popleft()
        for to in beside.get(entry, frozenset()):
            if to not in found:
                found[to] = found[entry] + 1
                waiting.append(to)
    return found


def _frame(pairs: Iterable[Pair]) -> pl.DataFrame:
    return pl.DataFrame([(*one, *other) for one, other in pairs], schema=PAIRS, orient="row")
