"""Never: pregnancy tests, weight loss, …; to nobody, whatever they bought."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation


def never(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer with any item of a `never` group. No purchase, consent or score opens it.

    One such item is enough, however many others the offer has. Source: GDPR Art. 9(1); and what happened to a retailer
    who guessed at pregnancies, Duhigg, How Companies Learn Your Secrets, New York Times Magazine (2012).
    """
    return situation.from_everyone(situation.book.never)
