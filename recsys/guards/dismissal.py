"""Dismissal: what the shopper said no to, at once, until they take it back or it expires."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.contracts.catalogue import compared, path_parts
from recsys.contracts.state import Dismissal, DismissalScope
from recsys.guards.situation import Situation
from recsys.offer_book import OfferBook

_NONE: Final = np.empty(0, np.int64)


def dismissal(situation: Situation) -> NDArray[np.bool_]:
    """Withhold the dismissed offer, every offer with the dismissed item, or with an item of the category or brand.

    In force from `at` on and no longer at `expires`; one dated after the decision has not been said yet. A category is
    matched as in the policy (parts of a path that stand next to each other, in upper or lower case), a brand in upper
    or lower case. What names something that does not exist is kept in the state, and withholds it once it appears.
    Source: who objects to direct marketing is not sent any more of it, GDPR Art. 21(3).
    """
    if not any(state.dismissals for state in situation.states):
        return situation.nothing
    withheld = np.zeros(situation.shape, np.bool_)
    for row, state in enumerate(situation.states):
        for said in state.dismissals:
            if in_force(said, situation.utc):
                withheld[row, _FINDERS[said.scope](situation.book, said.value)] = True
    return withheld


def in_force(said: Dismissal, utc: dt.datetime) -> bool:
    """Whether a dismissal holds at a time in UTC."""
    return said.at <= utc and (said.expires is None or utc < said.expires)


def _by_offer(book: OfferBook, value: str) -> NDArray[np.int64]:
    return np.array([book.positions[value]], np.int64) if value in book.positions else _NONE


def _by_item(book: OfferBook, value: str) -> NDArray[np.int64]:
    return book.covering.row(book.index.codes[value]) if value in book.index.codes else _NONE


def _by_category(book: OfferBook, value: str) -> NDArray[np.int64]:
    return book.paths.with_run(path_parts(value))


def _by_brand(book: OfferBook, value: str) -> NDArray[np.int64]:
    return book.brands.get(compared(value), _NONE)


_FINDERS: Final[dict[DismissalScope, Callable[[OfferBook, str], NDArray[np.int64]]]] = {
    DismissalScope.OFFER: _by_offer,
    DismissalScope.ITEM: _by_item,
    DismissalScope.CATEGORY: _by_category,
    DismissalScope.BRAND: _by_brand,
}
