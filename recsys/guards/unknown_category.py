"""Unknown category: what the catalogue cannot place, the policy cannot judge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation


def unknown_category(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer with any item that is not in the catalogue or has no category there.

    `unknown_category = "allow"` in the policy lets them pass. Source: fail-safe defaults, Saltzer and Schroeder, The
    Protection of Information in Computer Systems (1975).
    """
    return situation.from_everyone(situation.book.unplaced)
