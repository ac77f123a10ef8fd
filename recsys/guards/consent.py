"""Consent to the channel. Missing means no.

Consent to `profiling` is not a mask: without it the list is not personal (`recsys.decide`), and the history opens
nothing (`recsys.guards.only_if_purchased`), though it may still withhold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.guards.situation import Situation


def consent(situation: Situation) -> NDArray[np.bool_]:
    """Withhold everything from those who did not agree to the request's channel.

    Missing means no, and a consent that is taken back holds for the next decision. Source: consent of its own to each
    channel, Directive 2002/58/EC Art. 13; to be taken back at any time, GDPR Art. 7(3).
    """
    refused = [
        not state.may_use(request.channel) for request, state in zip(situation.requests, situation.states, strict=True)
    ]
    return situation.everything(refused)
