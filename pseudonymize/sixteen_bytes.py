"""Finding sixteen-byte entries among many: put in order once, then looked up by halving.

A process that lives long asks again and again; a hash table would be made anew each time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.uint64]  # shape (n, 2)

_LEAST_BITS: Final = 10


class Entries:
    """Entries, shape (n, 2), none of them twice."""

    def __init__(self, entries: Halves) -> None:
        self._order = np.lexsort((entries[:, 1], entries[:, 0]))
        self._high, self._low = entries[self._order, 0], entries[self._order, 1]
        bits = max(len(entries).bit_length() + 4, _LEAST_BITS)
        self._shift = np.uint64(64 - bits)
        self._maybe = np.zeros(1 << bits, np.bool_)  # where it is false, nothing is: of 32 strangers, 31 are seen here
        self._maybe[self._high >> self._shift] = True
        self._alike = int((self._high[1:] == self._high[:-1]).sum())  # among random ones nearly always none

    def __len__(self) -> int:
        """How many there are."""
        return len(self._order)

    def places(self, wanted: Halves) -> NDArray[np.intp]:
        """The row of each, -1 where it is not there."""
        found = np.full(len(wanted), -1, np.intp)
        likely = np.flatnonzero(self._maybe.take((wanted[:, 0] >> self._shift).view(np.int64)))
        if len(likely):
            found[likely] = self._searched(wanted[likely])
        return found

    def holds(self, wanted: Halves) -> NDArray[np.bool_]:
        """Which of them are there."""
        return self.places(wanted) >= 0

    def _searched(self, wanted: Halves) -> NDArray[np.intp]:
        found = np.full(len(wanted), -1, np.intp)
        at = np.searchsorted(self._high, wanted[:, 0])
        for step in range(self._alike + 1):
            near = np.minimum(at + step, len(self) - 1)
            same = (self._high[near] == wanted[:, 0]) & (self._low[near] == wanted[:, 1])
            found[same] = self._order[near[same]]
        return found
