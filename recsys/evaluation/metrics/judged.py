"""What every metric of a list is computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Judged:
    """The lists of S subjects, place by place right or wrong.

    Args:
        hits: bool [S, k], whether the item in each place, best first, is relevant; false where a list is shorter.
        relevant: int64 [S], how many items were relevant, listed or not; at least 1.

    Raises:
        ValueError: The two do not fit together, or somebody had nothing relevant: no list could be right for them.
    """

    hits: NDArray[np.bool_]
    relevant: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.hits.ndim != 2 or self.relevant.shape != self.hits.shape[:1]:  # noqa: PLR2004 - subjects by places
            raise ValueError("hits must be [S, k] and relevant [S]")
        if (self.relevant < 1).any():
            raise ValueError("only subjects with something relevant can be judged")
        if (self.hits.sum(axis=1) > self.relevant).any():
            raise ValueError("a list has more hits than there are relevant items: it names one twice")

    @classmethod
    def of(cls, lists: NDArray[np.int64], relevant: NDArray[np.bool_]) -> Judged:
        """Judge lists of items.

        Args:
            lists: int64 [S, k], items best first, -1 where a list is shorter.
            relevant: bool [S, items].
        """
        named = lists >= 0
        hits = np.take_along_axis(relevant, np.where(named, lists, 0), axis=1) & named
        return cls(hits, relevant.sum(axis=1, dtype=np.int64))

    @property
    def k(self) -> int:
        """The length of a full list."""
        return int(self.hits.shape[1])
