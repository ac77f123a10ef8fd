"""Lists for those without a history or without consent to profiling: what they declared an interest in, else popular.

    score = popularity + 1 for an offer that matches a declared interest; popularity for the others

Popularity is a share, so that what matches comes first. An interest matches where it equals one part of the category
path of one of the offer's items, in upper or lower case. It was declared by the person, so no profiling is needed.
Never by demographics; by store or region only once there are item statistics for each (there are none yet).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.state import State
from recsys.offer_book import OfferBook


def matches(book: OfferBook, state: State) -> NDArray[np.bool_]:
    """Which offers match one of the declared interests, as bool [O]."""
    matched = np.zeros(len(book), np.bool_)
    for interest in state.interests:
        matched[book.paths.with_run((" ".join(interest.split()).casefold(),))] = True
    return matched


def segment_scores(popular: NDArray[np.float32], matched: NDArray[np.bool_]) -> NDArray[np.float32]:
    """float32 [O]: popularity with what matches first."""
    return popular + matched.astype(np.float32)
