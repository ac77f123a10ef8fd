"""Diversity: not ten yoghurts."""

from __future__ import annotations

from recsys.constraints.tally import Limit
from recsys.offer_paths import OfferKeys
from recsys.policy.document import Diversity


def diversity(rule: Diversity, keys: OfferKeys) -> Limit:
    """At most `max` offers of a list share the first `depth` parts of a category path, which are their `keys`.

    An offer of several items has all their prefixes, and needs room in each; one without any category has none. Source:
    Ziegler et al., Improving Recommendation Lists Through Topic Diversification (WWW 2005); a bound here, no trade-off.
    """
    return Limit("diversity", rule.max, keys)
