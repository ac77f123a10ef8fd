"""Exact top-k: the best of what is allowed, with ties broken by a stated rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SCORE_BITS: Final = 32
_KEY_BITS: Final = 63
_INFINITY: Final = 0x7F800000  # the bits of a float that is above all that are finite


@dataclass(frozen=True, slots=True)
class Best:
    """The best candidates of each of B rows, best first.

    Args:
        offsets: B + 1; those of row b are `positions[offsets[b]:offsets[b + 1]]`.
        positions: int64, end to end.
    """

    offsets: list[int]
    positions: NDArray[np.int64]

    @classmethod
    def from_sizes(cls, sizes: NDArray[np.int64], positions: NDArray[np.int64]) -> Best:
        """From the number of each row, int64 [B], and the positions of all rows."""
        return cls([0, *sizes.cumsum().tolist()], positions)

    def of(self, row: int) -> NDArray[np.int64]:
        """Those of one row."""
        return self.positions[self.offsets[row] : self.offsets[row + 1]]


@dataclass(frozen=True, slots=True)
class Ties:
    """The order in which equals stand: higher priority, then earlier position.

    Args:
        order: int64 [C], the candidates in that order.
        place: int64 [C], the place of each in it.
    """

    order: NDArray[np.int64]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, priority: NDArray[np.int64]) -> Ties:
        """From the priorities, int64 [C]."""
        order = np.argsort(-priority, kind="stable")
        return cls(order, np.argsort(order))


def top_k(
    scores: NDArray[np.floating], allowed: NDArray[np.bool_], k: int, priority: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """The positions of the k best allowed candidates, best first; fewer where fewer are allowed.

    A score that is not finite is never returned. Ties go to the higher priority, then to the earlier position.

    Args:
        scores: [C].
        allowed: bool [C].
        k: At least 1.
        priority: int64 [C]; None: all equal.
    """
    able = np.flatnonzero(allowed & np.isfinite(scores))
    if len(able) > k:
        kth = np.partition(scores[able], len(able) - k)[len(able) - k]
        able = able[scores[able] >= kth]
    ties = np.zeros(len(able), np.int64) if priority is None else -priority[able]
    return able[np.lexsort((able, ties, -scores[able]))][:k]


def best_of(scores: NDArray[np.float32], able: NDArray[np.bool_], k: int, ties: Ties) -> Best:
    """At least the k best able candidates of each row; all that are able where there are fewer.

    Whoever ties with the k-th is listed too. One sort of whole numbers orders many rows at once: row, score, tie.

    Args:
        scores: float32 [B, C], finite where able.
        able: bool [B, C].
        k: At least 1.
        ties: How to break ties among the C.
    """
    most = rows_at_once(scores.shape[1])
    if len(scores) <= most:
        return Best.from_sizes(*_best_of(scores, able, k, ties))
    starts = range(0, len(scores), most)
    parts = [_best_of(scores[start : start + most], able[start : start + most], k, ties) for start in starts]
    return Best.from_sizes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def rows_at_once(size: int) -> int:
    """How many rows of `size` candidates one sort can number: row, score and tie share a number's 63 bits.

    Raises:
        ValueError: Not even one row.
    """
    bits = _KEY_BITS - _SCORE_BITS - _tie_bits(size)
    if bits < 0:
        raise ValueError(f"{size:,} candidates are more than a ranking can number")
    return 1 << bits


def _best_of(
    scores: NDArray[np.float32], able: NDArray[np.bool_], k: int, ties: Ties
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of each row, and those of all rows end to end."""
    rows, size = scores.shape
    heights = _heights(scores, able)
    lowest = np.maximum(np.partition(heights, size - k, axis=1)[:, size - k, None], 1) if k < size else 1
    cells = (heights >= lowest).reshape(-1).nonzero()[0]
    row, candidate = np.divmod(cells, size)
    bits = _tie_bits(size)
    keys = (row << _SCORE_BITS) - heights.reshape(-1)[cells]
    keys <<= bits
    keys |= ties.place[candidate]
    keys.sort()
    keys &= (1 << bits) - 1
    return np.bincount(row, minlength=rows), ties.order[keys]


def _tie_bits(size: int) -> int:
    return max(size - 1, 1).bit_length()


def _heights(scores: NDArray[np.float32], able: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """uint32 [B, C]: the larger the larger the score, from 1 on; 0 where not able.

    Of whole numbers, since a product masks them without a branch, which would be guessed wrong at every other offer.
    """
    bits = scores.view(np.int32)
    sign = bits >> 31
    number = bits & 0x7FFFFFFF
    number ^= sign
    number -= sign  # from sign and magnitude to two's complement, in which -0 is 0
    number += _INFINITY  # wraps above 2^31, and is read without a sign
    return number.view(np.uint32) * able
