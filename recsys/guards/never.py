"""Never: pregnancy tests, weight loss, …; to nobody, whatever they bought."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation


def never(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer with any item of a `never` group. No purchase, consent or score opens it."""
    return situation.from_everyone(situation.book.never)
