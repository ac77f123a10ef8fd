"""Cool-down: the durable thing they just bought does not follow them around."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation


def cool_down(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer for `days` days after a purchase of any key of its items.

    With `days = 1` a purchase of today withholds today, and tomorrow the offer is free again. A purchase dated after
    today has not happened. Consent to profiling is not asked: a history may always withhold. Source: the very
    goods that people looked at work less well on average than the brand's, Lambrecht and Tucker, When Does Retargeting
    Work? (2013).
    """
    keys, runs = situation.book.keys, situation.runs
    warm = (runs.newest < keys.cooling_days[runs.key]).nonzero()[0]
    if not len(warm):
        return situation.nothing
    offer, which = keys.offers.take(runs.key[warm])
    return situation.cells(runs.subject[warm][which], offer)
