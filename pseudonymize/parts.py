"""Texts within bytes: what a column has inside, without the column."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BEHIND: Final = 16  # bytes behind the last text, so that a block of a cipher may begin in any

Parts = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]
"""All bytes, of which the last `BEHIND` belong to no text; where each text starts, and how long it is."""
