"""Splitting the groups of an attribute in two, so that there is one thing to guess."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from recsys.evaluation.policy_lab.groups import in_order


def split_in_two(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The groups that have the trait, and those that lack it; None where there is only one group.

    Bands are cut where the halves come nearest to equal, and the upper bands have the trait: ages from 45 on, incomes
    from 50K on, any children. Where a group's name has no number, the largest group is held against all others.
    """
    counts = Counter(labels)
    groups = sorted(counts, key=in_order)
    if len(groups) < 2:  # noqa: PLR2004 - nothing to tell apart
        return None
    if any(math.isinf(in_order(group)[0]) for group in groups):
        largest = max(groups, key=lambda group: counts[group])
        return (largest,), tuple(group for group in groups if group != largest)
    below = [sum(counts[group] for group in groups[:cut]) for cut in range(1, len(groups))]
    cut = min(range(len(below)), key=lambda place: abs(2 * below[place] - len(labels))) + 1
    return tuple(groups[cut:]), tuple(groups[:cut])
