"""Where a policy's groups lie in a catalogue: which items belong to which group."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from recsys.contracts.catalogue import path_parts
from recsys.policy.checks import group_names, oddities
from recsys.policy.document import Policy
from recsys.policy.findings import Finding, sentences
from recsys.policy.locations import Path

_SUGGESTIONS: Final = 20  # looking for near names is slow; who has more to mend starts with these


@dataclass(frozen=True, slots=True)
class Placement:
    """The items of each group, and what the catalogue does not know.

    Args:
        members: Group name to the catalogue's items in it.
        cooling: For each cool-down rule, the items that its own categories and items name.
        lifted: For each lift, the items that its categories or groups name.
        warnings: One sentence for every name that matches nothing in the catalogue, and every rule that cannot matter.
    """

    members: Mapping[str, frozenset[str]]
    cooling: tuple[frozenset[str], ...]
    lifted: tuple[frozenset[str], ...]
    warnings: tuple[str, ...]

    def items_of(self, groups: Iterable[str]) -> frozenset[str]:
        """All items of the named groups."""
        return frozenset[str]().union(*(self.members[name] for name in groups))


def place(policy: Policy, catalogue: pl.DataFrame) -> Placement:
    """Find each group's items. A category matches where its parts stand next to each other in an item's path."""
    finder = _Finder(catalogue)
    members = {
        name: finder.items(group.categories, group.items, ("groups", name)) for name, group in policy.groups.items()
    }
    cooling = tuple(
        finder.items(rule.categories, rule.items, ("cool_down", i)) for i, rule in enumerate(policy.cool_down)
    )
    lifted = tuple(
        finder.items(lift.categories, (), ("boosts", "lift", i)).union(*(members[name] for name in lift.groups))
        for i, lift in enumerate(policy.boosts.lift)
    )
    findings = [*finder.findings, *oddities(policy), *_unreachable(policy, members)]
    return Placement(members, cooling, lifted, sentences(policy, findings))


def named_items(policy: Policy) -> list[str]:
    """The items that the policy names one by one: purchases of them count, whether the catalogue has them or not."""
    grouped = [item for group in policy.groups.values() for item in group.items]
    return grouped + [item for rule in policy.cool_down for item in rule.items]


def never_items(policy: Policy, catalogue: pl.DataFrame) -> frozenset[str]:
    """Items that are offered to nobody, and whose purchases no stage keeps."""
    return place(policy, catalogue).items_of(policy.never)


class _Finder:
    """Looks categories and items up in one catalogue, and remembers what was not there."""

    def __init__(self, catalogue: pl.DataFrame) -> None:
        self.findings: list[Finding] = []
        self._known = frozenset(catalogue["item"])
        self._paths = _items_by_path(catalogue)
        self._runs = paths_by_run(self._paths)
        self._parts = sorted({part for path in self._paths for part in path})

    def items(self, categories: Iterable[str], items: Iterable[str], keys: Path) -> frozenset[str]:
        found: set[str] = set()
        for number, item in enumerate(items):
            # An item that is not in the catalogue stays in the group: an offer or a purchase may still name it.
            found.add(item)
            if item not in self._known:
                self.findings.append(Finding((*keys, "items", number), f"no item {item!r} in the catalogue"))
        for number, category in enumerate(categories):
            matched = self._runs.get(path_parts(category), ())
            if not matched:
                what = f"no category {category!r} in the catalogue"
                self.findings.append(Finding((*keys, "categories", number), what, self._nearest(category)))
            for path in matched:
                found.update(self._paths[path])
        return frozenset(found)

    def _nearest(self, category: str) -> str:
        if len(self.findings) >= _SUGGESTIONS:
            return ""
        near = difflib.get_close_matches(path_parts(category)[-1], self._parts, n=1, cutoff=0.5)
        return f"the nearest is {near[0].upper()!r}" if near else ""


def paths_by_run(paths: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """Every run of adjacent parts, to the paths that hold it: thousands of rules then cost a look-up each."""
    runs: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for path in paths:
        for run in {path[i:j] for i in range(len(path)) for j in range(i + 1, len(path) + 1)}:
            runs.setdefault(run, []).append(path)
    return runs


def _items_by_path(catalogue: pl.DataFrame) -> dict[tuple[str, ...], list[str]]:
    known = catalogue.filter(pl.col("category").is_not_null())
    grouped = known.group_by("category", maintain_order=True).agg("item")
    result: dict[tuple[str, ...], list[str]] = {}
    for category, items in grouped.iter_rows():
        result.setdefault(path_parts(category), []).extend(items)
    return result


def _unreachable(policy: Policy, members: Mapping[str, frozenset[str]]) -> list[Finding]:
    """Rules about groups that lie within what is never offered, under another name."""
    never = frozenset[str]().union(*(members[name] for name in policy.never))
    return [
        Finding(keys, f"everything in {name!r} is never offered, so this rule is never reached")
        for keys, name in group_names(policy)
        if name not in policy.never and members[name] and members[name] <= never
    ]
