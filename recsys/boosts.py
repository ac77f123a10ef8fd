"""Boosts: what a category manager adds to the scores of offers. Within bounds, and past no guard.

    boost(offer) = clip(Σ of the lifts that name it + value_weight * value, -max, +max)

The same for everyone, on personal and popular lists alike.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.history import ItemIndex
from recsys.policy import Placement, Policy
from recsys.policy.document import Lift
from recsys.policy.findings import Finding, sentences
from recsys.ragged import Ragged


def boost_of(
    offers: pl.DataFrame, items: Ragged, index: ItemIndex, policy: Policy, placement: Placement
) -> NDArray[np.float32]:
    """float32 [O]: what the policy adds to each offer's score.

    Args:
        offers: In the offers contract; an empty `value` is worth nothing.
        items: Offer to items.
        index: The items.
        policy: The policy.
        placement: Where the policy's groups and the lifts' categories lie.
    """
    lifted = np.zeros(len(offers), np.float64)
    for lift, names in zip(policy.boosts.lift, placement.lifted, strict=True):
        flags = np.zeros(len(index), np.bool_)
        flags[index.encode_known(names)] = True
        lifted += lift.by * (items.any_of(flags) | _named(offers, lift))
    if "value" in offers.columns:
        with np.errstate(over="ignore"):  # beyond all bounds is clipped, too
            lifted += policy.boosts.value_weight * offers["value"].fill_null(0.0).to_numpy()
    return np.clip(lifted, -policy.boosts.max, policy.boosts.max).astype(np.float32)


def _named(offers: pl.DataFrame, lift: Lift) -> NDArray[np.bool_]:
    """Which offers a lift names by id or by campaign."""
    named = offers["offer_id"].is_in(list(lift.offers))
    if "campaign" in offers.columns:
        named |= offers["campaign"].is_in(list(lift.campaigns)).fill_null(value=False)
    return named.to_numpy()


def unmatched_lifts(offers: pl.DataFrame, policy: Policy) -> tuple[str, ...]:
    """One sentence, with line and column, for each offer and campaign that a lift names and `offers` lacks."""
    known = {
        "offers": frozenset(offers["offer_id"]),
        "campaigns": frozenset(offers["campaign"]) if "campaign" in offers.columns else frozenset(),
    }
    findings = [
        Finding(("boosts", "lift", i, kind, j), f"no {kind.removesuffix('s')} {name!r} among the offers")
        for i, lift in enumerate(policy.boosts.lift)
        for kind, names in known.items()
        for j, name in enumerate(getattr(lift, kind))
        if name not in names
    ]
    return sentences(policy, findings)
