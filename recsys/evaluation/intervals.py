"""Bootstrap intervals over subjects: how far a mean would move had other customers walked in."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 9_999
LEVEL: Final = 0.95
_CELLS: Final = 2**21  # of one block of resamples: bounds memory, whatever the number of subjects


class Estimate(msgspec.Struct, frozen=True):
    """A mean over subjects with its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap_means(values: NDArray[np.float64], rng: np.random.Generator) -> list[Estimate]:
    """The mean of each column with its percentile bootstrap interval (Efron, 1979).

    Each resample draws S subjects with replacement and takes all columns of those drawn: a column of differences
    between two models on the same subjects has a paired interval.

    Args:
        values: float64 [S, M], one row a subject.
        rng: Draws the resamples: the same generator state, the same intervals.

    Raises:
        ValueError: There is no subject.
    """
    resampled = resampled_means(values, rng)
    return estimates(values.mean(axis=0), resampled)


def resampled_means(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """float64 [RESAMPLES, M]: the means of the resamples that `bootstrap_means` draws."""
    subjects = len(values)
    if subjects == 0:
        raise ValueError("no subject to draw")
    means = np.empty((RESAMPLES, values.shape[1]))
    block = max(1, _CELLS // subjects)
    for start in range(0, RESAMPLES, block):
        drawn = _times_drawn(min(block, RESAMPLES - start), subjects, rng)
        means[start : start + len(drawn)] = drawn @ values / subjects
    return means


def estimates(observed: NDArray[np.float64], resampled: NDArray[np.float64]) -> list[Estimate]:
    """Figures with their percentile intervals.

    Args:
        observed: float64 [M].
        resampled: float64 [RESAMPLES, M], the same figures of the resamples.
    """
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [
        Estimate(float(mean), float(least), float(most)) for mean, least, most in zip(observed, low, high, strict=True)
    ]


def _times_drawn(resamples: int, subjects: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """float64 [resamples, S]: how often each subject was drawn."""
    draws = rng.integers(0, subjects, (resamples, subjects))
    draws += np.arange(resamples)[:, None] * subjects
    return np.bincount(draws.ravel(), minlength=resamples * subjects).reshape(resamples, subjects).astype(np.float64)
