"""Where a policy's groups lie in a catalogue: which items belong to which group."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from recsys.contracts.catalogue import split_path
from recsys.policy.document import Policy


@dataclass(frozen=True, slots=True)
class Placement:
    """The items of each group, and what the catalogue does not know.

    Args:
        members: Group name to the catalogue's items in it.
        warnings: One sentence for every name in the policy that matches nothing in the catalogue.
    """

    members: Mapping[str, frozenset[str]]
    warnings: tuple[str, ...]

    def items_of(self, groups: Iterable[str]) -> frozenset[str]:
        """All items of the named groups."""
        return frozenset[str]().union(*(self.members[name] for name in groups))


def place(policy: Policy, catalogue: pl.DataFrame) -> Placement:
    """Find each group's items. A category matches where its parts stand next to each other in an item's path."""
    paths = _items_by_path(catalogue)
    runs = _paths_by_run(paths)
    known_items = set(catalogue["item"])
    members: dict[str, frozenset[str]] = {}
    warnings: list[str] = []
    for name, group in policy.groups.items():
        found = {item for item in group.items if item in known_items}
        # An item that is not in the catalogue stays in the group: an offer or a purchase may still name it.
        warnings += [f"groups.{name}: no item {item!r} in the catalogue" for item in group.items if item not in found]
        found.update(group.items)
        for category in group.categories:
            matched = runs.get(_normal(split_path(category)), ())
            if not matched:
                warnings.append(_unmatched(name, category, catalogue))
            for path in matched:
                found.update(paths[path])
        members[name] = frozenset(found)
    return Placement(members, tuple(warnings))


def never_items(policy: Policy, catalogue: pl.DataFrame) -> frozenset[str]:
    """Items that are offered to nobody, and whose purchases no stage keeps."""
    return place(policy, catalogue).items_of(policy.never)


def _normal(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(" ".join(part.split()).casefold() for part in parts)


def _items_by_path(catalogue: pl.DataFrame) -> dict[tuple[str, ...], list[str]]:
    known = catalogue.filter(pl.col("category").is_not_null())
    grouped = known.group_by("category", maintain_order=True).agg("item")
    result: dict[tuple[str, ...], list[str]] = {}
    for category, items in grouped.iter_rows():
        result.setdefault(_normal(split_path(category)), []).extend(items)
    return result


def _paths_by_run(paths: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """Every run of adjacent parts, to the paths that hold it: thousands of rules then cost a look-up each."""
    runs: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for path in paths:
        for run in {path[i:j] for i in range(len(path)) for j in range(i + 1, len(path) + 1)}:
            runs.setdefault(run, []).append(path)
    return runs


def _unmatched(group: str, category: str, catalogue: pl.DataFrame) -> str:
    parts = {part for path in catalogue["category"].drop_nulls().unique() for part in split_path(path)}
    near = difflib.get_close_matches(category.upper(), sorted(parts), n=1, cutoff=0.5)
    mend = f"; did you mean {near[0]!r}?" if near else ""
    return f"groups.{group}: no category {category!r} in the catalogue{mend}"
