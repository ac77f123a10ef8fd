"""Lists for those without a history or without consent to profiling: what they declared an interest in, else popular.

    score = popularity + 1 for an offer that matches a declared interest; popularity for the others

Popularity is a share, so that what matches comes first. An interest matches where it equals one part of the category
path of one of the offer's items, in upper or lower case. It was declared by the person, so no profiling is needed.
Never by demographics; by store or region only once there are item statistics for each (there are none yet).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.catalogue import compared
from recsys.contracts.state import State
from recsys.contracts.statistics import popularity_column
from recsys.offer_book import OfferBook
from recsys.scorer import Scorer

_POPULARITY: Final = popularity_column(30)
_EVER: Final = 1e-6  # of what was bought at any time, beside what was lately: it decides between equals


def popularity(scorer: Scorer) -> NDArray[np.float32]:
    """float32 [model items]: the share of recent purchase days; -inf for an item with too few buyers.

    Where too few bought lately for any to be told, and between items of which that is so: by all purchase days.
    """
    statistics = scorer.statistics
    found = np.full(len(scorer.vocabulary), -np.inf, np.float32)
    codes = scorer.vocabulary.encode(statistics["item"])
    lately, ever = (statistics[name].to_numpy() for name in (_POPULARITY, popularity_column(None)))
    weight = lately + _EVER * ever
    found[codes[codes >= 0]] = (weight / max(weight.sum(), _EVER))[codes >= 0]
    return found


def matches(book: OfferBook, state: State) -> NDArray[np.bool_]:
    """Which offers match one of the declared interests, as bool [O]."""
    matched = np.zeros(len(book), np.bool_)
    for interest in state.interests:
        matched[book.paths.with_run((compared(interest),))] = True
    return matched


def segment_scores(popular: NDArray[np.float32], matched: NDArray[np.bool_]) -> NDArray[np.float32]:
    """float32 [O]: popularity with what matches first."""
    return popular + matched.astype(np.float32)
