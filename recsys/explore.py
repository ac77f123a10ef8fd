"""Exploration: leaves a little to chance among what is allowed, and logs how much, so that it can be learned from.

A slot's propensity is the probability of the offer that stands there, given the slots above it. Chance never reaches
past a guard or a list constraint: candidates without room are struck out before each draw. Candidates are in the order
of the ranking; s is the boosted score as float64.

- `plackett_luce`: w = exp((s - max s) / temperature); with u uniform on [0, 1), the first candidate whose cumulated
  weight exceeds u * sum w. Propensity w / sum w.
- `epsilon`: with u < epsilon a uniform draw (`integers(n)`) among the n candidates, else the best of them. Propensity
  epsilon / n, and 1 - epsilon more for the best.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.constraints import Tally
from recsys.policy.document import Exploration, ExplorationKind


def explore(
    candidates: NDArray[np.int64],
    scores: NDArray[np.float32],
    count: int,
    tallies: Sequence[Tally],
    draw: tuple[Exploration, np.random.Generator],
) -> tuple[list[int], list[float]]:
    """Draw a list.

    Args:
        candidates: int64 [C], the allowed offers, best first.
        scores: float32 [O], of all offers; finite for the candidates.
        count: How many to draw at most.
        tallies: The list constraints; they are used up.
        draw: How to draw, and from what.

    Returns:
        The offers and their propensities.
    """
    left = candidates[[not any(tally.full(offer) for tally in tallies) for offer in candidates.tolist()]]
    listed: list[int] = []
    propensities: list[float] = []
    while len(listed) < count and len(left):
        position, propensity = _draw(scores[left].astype(np.float64), *draw)
        offer = int(left[position])
        listed.append(offer)
        propensities.append(propensity)
        gone = np.concatenate([[offer], *(tally.take(offer) for tally in tallies)])
        left = left[~np.isin(left, gone)]
    return listed, propensities


def _draw(scores: NDArray[np.float64], exploration: Exploration, rng: np.random.Generator) -> tuple[int, float]:
    """One position among the scores, which descend, and its probability."""
    if exploration.kind is ExplorationKind.PLACKETT_LUCE:
        weights = np.exp((scores - scores[0]) / exploration.temperature)
        cumulated = np.cumsum(weights)
        position = int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right"))
        position = min(position, len(scores) - 1)
        return position, float(weights[position] / cumulated[-1])
    chance = exploration.epsilon / len(scores)
    position = int(rng.integers(len(scores))) if rng.random() < exploration.epsilon else 0
    return position, chance + (1.0 - exploration.epsilon if position == 0 else 0.0)
