"""Who belongs to which demographic group: read from an evaluation set, for measuring only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.evaluation_sets import DEMOGRAPHICS
from recsys.contracts.token import Lineage
from recsys.errors import ContractError
from recsys.evaluation.intervals import RESAMPLES, Estimate, estimates, p_values
from recsys.evaluation.source import check_lineage

SMALLEST: Final = 20  # members of a group that is told about
_BLOCK: Final = 500  # resamples at a time: bounds memory


@dataclass(frozen=True, slots=True)
class Demographics:
    """The groups of some subjects: attribute to subject to group."""

    of_attribute: Mapping[str, Mapping[str, str]]

    def known(self) -> set[str]:
        """Everyone who belongs to any group."""
        return {subject for groups in self.of_attribute.values() for subject in groups}

    def labels(self, attribute: str, subjects: Sequence[str]) -> list[str | None]:
        """The group of each subject; None where it is not known."""
        return [self.of_attribute[attribute].get(subject) for subject in subjects]

    def groups(
        self, subjects: Sequence[str], *, smallest: int = SMALLEST
    ) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
        """Attribute, group and members (bool [S]) of every group that is large enough, by name and number."""
        for attribute in sorted(self.of_attribute):
            labels = self.labels(attribute, subjects)
            for group in sorted({label for label in labels if label is not None}, key=in_order):
                members = np.array([label == group for label in labels], np.bool_)
                if members.sum() >= smallest:
                    yield attribute, group, members


def read_demographics(path: Path, lineage: Lineage) -> Demographics:
    """Read the evaluation set.

    Raises:
        ContractError: It breaks its contract, or is empty.
        TokenError: Its tokens are of another domain or epoch than the purchases.
    """
    rows = DEMOGRAPHICS.read(path)
    if rows.is_empty():
        raise ContractError("names nobody's group", where=str(path), mend="Name the release's demographics")
    check_lineage(rows["subject"], lineage, where=str(path))
    parts = rows.partition_by("attribute", as_dict=True, maintain_order=True)
    return Demographics(
        {str(name): dict(part.select("subject", "group").iter_rows()) for (name,), part in parts.items()}
    )


def in_order(group: str) -> tuple[float, str]:
    """Bands by their first number ("under 15" before "15 to 24"), other names by the alphabet."""
    digits = "".join(c if c.isdigit() else " " for c in group).split()
    below = group.casefold().startswith(("under", "below", "<"))
    return (float(digits[0]) - below / 2 if digits else np.inf, group)


@dataclass(frozen=True, slots=True)
class GroupEstimates:
    """Means of M columns in each of G groups, how far they lie from everyone else's, and p of no gap: [G][M]."""

    means: list[list[Estimate]]
    gaps: list[list[Estimate]]
    chances: list[list[float]]


def estimate_groups(
    values: NDArray[np.float64], members: NDArray[np.bool_], rng: np.random.Generator
) -> GroupEstimates:
    """Percentile bootstrap over all subjects at once, so that a group and the rest are drawn together.

    Args:
        values: float64 [S, M].
        members: bool [G, S]; each group and its complement hold somebody.
        rng: Draws the resamples.
    """
    subjects, _columns = values.shape
    inside = members.astype(np.float64)
    sums = (inside[:, :, None] * values).transpose(1, 0, 2).reshape(subjects, -1)
    drawn: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for start in range(0, RESAMPLES, _BLOCK):
        times = rng.multinomial(subjects, np.full(subjects, 1 / subjects), min(_BLOCK, RESAMPLES - start))
        drawn.append(_means(times.astype(np.float64), sums, inside, values))
    exact = _means(np.ones((1, subjects)), sums, inside, values)
    of_means, of_gaps = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    chances = [p_values(of_gaps[:, group]).tolist() for group in range(len(members))]
    return GroupEstimates(_of_groups(exact[0][0], of_means), _of_groups(exact[1][0], of_gaps), chances)


def _of_groups(exact: NDArray[np.float64], drawn: NDArray[np.float64]) -> list[list[Estimate]]:
    """The estimates of each group, from its means [G, M] and those of the resamples [R, G, M]."""
    return [estimates(exact[group], drawn[:, group]) for group in range(len(exact))]


def _means(
    weights: NDArray[np.float64],
    sums: NDArray[np.float64],
    inside: NDArray[np.float64],
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For R weightings of the subjects: the groups' means and their gaps to the rest, each [R, G, M].

    NaN where nobody of the group, or of the rest, has any weight.
    """
    of_group = (weights @ sums).reshape(len(weights), len(inside), -1)
    size = (weights @ inside.T)[:, :, None]
    rest = (weights @ values)[:, None, :] - of_group
    means = of_group / _or_nan(size)
    return means, means - rest / _or_nan(weights.sum(axis=1)[:, None, None] - size)


def _or_nan(size: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(size > 0, size, np.nan)
