"""Attributes of people that pass: how many share them, and how much a class gives away.

k-anonymity: every combination of attributes that occurs is had by at least k people. Sweeney, k-anonymity: a model for
protecting privacy, IJUFKS 10 (2002), definition 3. An empty cell is a value like any other here, so that emptying a
cell merges people who are then alike.

Distinct l-diversity: among the people of each such class at least l values of each sensitive attribute occur.
Machanavajjhala, Kifer, Gehrke, Venkitasubramaniam: l-Diversity, ACM TKDD 1 (2007), section 4. A class in which an
attribute is known of nobody tells nothing about it, and is left out.

Neither says anything about histories: somebody's purchases single them out whatever their attributes are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from recsys.contracts.subjects import SUBJECTS

NOT_ATTRIBUTES: Final = frozenset({"subject", "consents"})
_SIZE: Final = "class size"


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of people with the same attributes.

    Args:
        smallest: The size of the smallest class: the table is k-anonymous for every k up to it.
        below: How many people are in classes of fewer than k.
        people: How many there are.
        diversity: The fewest distinct values of a sensitive attribute in a class; None where there is none.
    """

    smallest: int
    below: int
    people: int
    diversity: int | None


def attribute_names(subjects: pl.DataFrame) -> list[str]:
    """The columns that say something about a person."""
    return [name for name in subjects.columns if name not in NOT_ATTRIBUTES]


def classes_of(subjects: pl.DataFrame, *, k: int, sensitive: pl.DataFrame | None = None) -> Classes:
    """Measure the attributes of `subjects`.

    Args:
        subjects: One row a person, with `subject`.
        k: Classes of fewer people are counted.
        sensitive: `subject`, `attribute`, `group`: what is sensitive about some of them.
    """
    names = attribute_names(subjects)
    sized = _sized(subjects, names)
    below = int((sized[_SIZE] < k).sum()) if names else 0
    smallest = min(sized[_SIZE].to_list(), default=0) if names else sized.height
    return Classes(smallest, below, sized.height, _diversity(sized, names, sensitive))


def suppressed(subjects: pl.DataFrame, *, k: int) -> pl.DataFrame:
    """The same people, with the attributes of some emptied so that every class has at least k.

    Where a class has fewer than k, its people lose one attribute after the other, first the one with the most values.
    Should those who lost all be fewer than k themselves, the smallest other class joins them. A table of fewer than k
    people loses all attributes, and stays below k.
    """
    names = sorted(attribute_names(subjects), key=lambda name: (-subjects[name].n_unique(), name))
    for name in names:
        subjects = _emptied(subjects, [name], _sized(subjects, names)[_SIZE] < k)
    while names:
        sized = _sized(subjects, names)
        bare = pl.all_horizontal(pl.col(name).is_null() for name in names)
        few = sized.filter(bare & (pl.col(_SIZE) < k))
        others = sized.filter(~bare)
        if few.is_empty() or others.is_empty():
            return subjects
        chosen = others.sort(_SIZE, "subject").row(0, named=True)
        same = pl.all_horizontal(pl.col(name).eq_missing(pl.lit(chosen[name], others[name].dtype)) for name in names)
        subjects = _emptied(subjects, names, sized.select(same).to_series())
    return subjects


def suppress_file(path: Path, *, k: int) -> int:
    """Write the subjects of a release anew, `suppressed`; how many people lost an attribute."""
    before = SUBJECTS.read(path)
    after = suppressed(before, k=k)
    SUBJECTS.write(after, path)
    changed = [(before[name].ne_missing(after[name])) for name in attribute_names(before)]
    return int(pl.DataFrame(changed).select(pl.any_horizontal(pl.all())).sum().item()) if changed else 0


def _sized(subjects: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Each person with the size of their class."""
    if not names:
        return subjects.with_columns(pl.lit(subjects.height).alias(_SIZE))
    return subjects.with_columns(pl.len().over(list(names)).alias(_SIZE))


def _emptied(subjects: pl.DataFrame, names: Sequence[str], of_whom: pl.Series) -> pl.DataFrame:
    kept = (
        pl.when(of_whom).then(pl.lit(None, subjects[name].dtype)).otherwise(pl.col(name)).alias(name) for name in names
    )
    return subjects.with_columns(*kept)


def _diversity(sized: pl.DataFrame, names: Sequence[str], sensitive: pl.DataFrame | None) -> int | None:
    if sensitive is None or sensitive.is_empty():
        return None
    known = sized.join(sensitive, on="subject", how="inner")
    values = known.group_by([*names, "attribute"]).agg(pl.col("group").n_unique())
    return min(values["group"].to_list(), default=None)
