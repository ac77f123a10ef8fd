"""Holdout: the empty arm. Without people who get nothing, nobody knows what an offer was worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.arms import Arm
from recsys.guards.situation import Situation


def holdout(situation: Situation) -> NDArray[np.bool_]:
    """Withhold everything from the empty arm (`recsys.arms`). The popular arm changes the scores, and no verdict.

    An arm that is remembered comes before the lot. Source: long-term holdouts, Kohavi, Tang and Xu, Trustworthy Online
    Controlled Experiments (2020), chapter 23.
    """
    return situation.everything([arm is Arm.EMPTY for arm in situation.arms])
