"""Bootstrap intervals over subjects: how far a mean would move had other customers walked in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 9_999
LEVEL: Final = 0.95
_CELLS: Final = 2**21  # of one block of resamples: bounds memory, whatever the number of subjects

Doubles = NDArray[np.float64]


class Estimate(msgspec.Struct, frozen=True):
    """A mean over subjects with its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap_means(values: Doubles, rng: np.random.Generator) -> list[Estimate]:
    """The mean of each column, float64 [S, M], with its interval: a row a subject.

    Raises:
        ValueError: There is no subject.
    """
    drawn = resampled_columns(values, rng)
    return estimates(values.mean(axis=0), drawn)


def bootstrap_unit_means(values: Doubles, owners: NDArray[np.int64], rng: np.random.Generator) -> list[Estimate]:
    """The mean of each column over units, float64 [U, M], several of which may be one subject's: drawn together.

    Args:
        values: A row a unit.
        owners: int64 [U], whose it is: 0, 1, … without a gap.
        rng: Draws the resamples of subjects.

    Raises:
        ValueError: There is no unit.
    """
    subjects = int(owners.max(initial=-1)) + 1
    if subjects == 0:
        raise ValueError("no subject to draw")
    sums = np.zeros((subjects, values.shape[1]))
    np.add.at(sums, owners, values)
    units = np.bincount(owners, minlength=subjects).astype(np.float64)
    drawn = [times @ sums / (times @ units)[:, None] for _, times in _blocks(subjects, rng)]
    return estimates(values.mean(axis=0), np.concatenate(drawn))


def resampled_columns(values: Doubles, rng: np.random.Generator) -> Doubles:
    """The means of each column, float64 [S, M], in the resamples that `bootstrap_means` draws."""
    (drawn,) = resampled_means([(np.arange(len(values)), values)], len(values), rng)
    return drawn


def resampled_means(
    groups: Sequence[tuple[NDArray[np.int64], Doubles]], subjects: int, rng: np.random.Generator
) -> list[Doubles]:
    """The means of each group in `RESAMPLES` bootstrap samples of the subjects (Efron, 1979).

    Each resample draws S of the S subjects with replacement, and whoever is drawn brings all that is known of them: the
    same draw serves every group, so that differences between columns are paired, whether between two models in a window
    or between windows.

    Args:
        groups: For each, int64 [N], which of the S subjects its rows are of, each once, and float64 [N, M].
        subjects: S.
        rng: Draws the resamples: the same generator state, the same means.

    Returns:
        For each group float64 [RESAMPLES, M]; a row is NaN where nobody of the group was drawn.

    Raises:
        ValueError: There is no subject.
    """
    if subjects == 0:
        raise ValueError("no subject to draw")
    means = [np.empty((RESAMPLES, values.shape[1])) for _, values in groups]
    for start, drawn in _blocks(subjects, rng):
        for (rows, values), of_group in zip(groups, means, strict=True):
            times = drawn[:, rows]
            people = times.sum(axis=1, keepdims=True)
            people[people == 0] = np.nan
            of_group[start : start + len(drawn)] = times @ values / people
    return means


def estimates(means: Doubles, resampled: Doubles) -> list[Estimate]:
    """Percentile intervals: one estimate a mean, row by row; `means` [...], and the same in resamples [R, ...].

    What is NaN in a resample is left out of it: nobody was drawn whom it is about.
    """
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    cells = zip(means.ravel().tolist(), low.ravel().tolist(), high.ravel().tolist(), strict=True)
    return [Estimate(mean, least, most) for mean, least, most in cells]


def p_values(differences: Doubles) -> Doubles:
    """Two-sided bootstrap p-value of no difference, float64 [M], from resampled differences [R, M].

        p = 2 · min(resamples at or below 0, resamples at or above 0, each + 1) / (R + 1), at most 1

    It is below .05 about where the 95 % interval leaves zero out.
    """
    resamples = len(differences)
    least = np.minimum((differences <= 0).sum(axis=0), (differences >= 0).sum(axis=0))
    return np.asarray(np.minimum(2 * (least + 1) / (resamples + 1), 1.0), np.float64)


def holm(p: Doubles) -> Doubles:
    """p-values corrected for having looked m times, float64 [m] (Holm, 1979).

        corrected(i-th smallest) = max over j ≤ i of min(1, (m - j + 1) · p(j-th smallest))

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0))
    corrected = np.empty_like(stepped)
    corrected[order] = stepped
    return corrected


def _blocks(subjects: int, rng: np.random.Generator) -> Iterator[tuple[int, Doubles]]:
    """Blocks of resamples: where they start, and how often each subject was drawn."""
    block = max(1, _CELLS // subjects)
    for start in range(0, RESAMPLES, block):
        resamples = min(block, RESAMPLES - start)
        draws = rng.integers(0, subjects, (resamples, subjects))
        draws += np.arange(resamples)[:, None] * subjects
        counts = np.bincount(draws.ravel(), minlength=resamples * subjects)
        yield start, counts.reshape(resamples, subjects).astype(np.float64)
