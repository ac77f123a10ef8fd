"""What the policy lab counts, in plain loops."""

from __future__ import annotations

import math
from collections.abc import Sequence


def auc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The share of pairs in the right order; ties count half."""
    pairs = [(a > b) + 0.5 * (a == b) for a, p in zip(scores, positive, strict=True) if p
             for b, q in zip(scores, positive, strict=True) if not q]  # fmt: skip
    return sum(pairs) / len(pairs)


def quality(lists: Sequence[Sequence[int]], wanted: Sequence[set[int]], k: int) -> dict[str, float]:
    """NDCG, precision and what is beyond chance, over everyone who wanted something."""
    rate = {offer: sum(offer in own for own in wanted) / len(wanted) for own in wanted for offer in own}
    found: dict[str, list[float]] = {"ndcg": [], "precision": [], "beyond": []}
    for offers, own in zip(lists, wanted, strict=True):
        gain = sum(1 / math.log2(place + 1) for place, offer in enumerate(offers, start=1) if offer in own)
        ideal = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(own)) + 1))
        found["ndcg"].append(gain / ideal)
        found["precision"].append(sum(offer in own for offer in offers) / k)
        found["beyond"].append(sum((offer in own) - rate.get(offer, 0.0) for offer in offers) / k)
    return {metric: sum(values) / len(values) for metric, values in found.items()}
