"""How exactly the purchases in a file are dated, by the days that stand in it, whatever was said about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pseudonymize.gate.histories import day_of
from pseudonymize.gate.settings import Days


def exactness_of(days: NDArray[np.int32]) -> tuple[Days, ...]:
    """Every way of dating that these days may have come of: always the day, and the week where all are Mondays."""
    if not len(days):
        return (Days.DAY,)
    distinct = np.unique(days)
    fits = [Days.DAY]
    fits += [coarse for coarse in (Days.WEEK, Days.MONTH) if np.array_equal(day_of(distinct, coarse), distinct)]
    return (*fits, Days.NONE) if len(distinct) == 1 else tuple(fits)


def is_finer(days: NDArray[np.int32], than: Days) -> bool:
    """Whether they say more than a release that is dated so."""
    return than not in exactness_of(days)
