"""Diversity: not ten yoghurts."""

from __future__ import annotations

from recsys.constraints.tally import Tally
from recsys.offer_book import OfferBook
from recsys.policy.document import CapScope, Diversity


def diversity(rule: Diversity, book: OfferBook) -> Tally:
    """At most `max` offers of a list share the first `depth` parts of a category path.

    An offer of several items has all their prefixes, and needs room in each; one without any category has none.
    """
    return Tally("diversity", rule.max, book.limits[CapScope.CATEGORY, rule.depth], {})
