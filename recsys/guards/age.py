"""Age: alcohol, fireworks, films for adults, … go to those who were verified to be of age."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation


def age(situation: Situation) -> NDArray[np.bool_]:
    """Withhold an offer with any item of an `adults_only` group unless `adult` is true: not verified means no.

    Consent does not open it, nor does a history. Source: the law on the protection of minors, such as the German
    Jugendschutzgesetz §§ 9 and 10.
    """
    adults_only = situation.book.adults_only
    unverified = [state.adult is not True for state in situation.states]
    if not any(unverified) or not adults_only.any():
        return situation.nothing
    return adults_only & np.array(unverified, np.bool_)[:, None]
