"""Unicity: whether a few points that somebody knows of a person are found in one history only.

De Montjoye, Hidalgo, Verleysen, Blondel: Unique in the Crowd, Scientific Reports 3 (2013), and de Montjoye, Radaelli,
Singh, Pentland: Unique in the shopping mall, Science 347 (2015). Of each subject, p points are drawn from its own
history without replacement (all of them, where it has fewer); the subject is singled out if no other history holds
them all. Unicity is the share of subjects that are. It is measured within the release, where every known point is
found: an attacker whose points were dropped or are wrong does worse, one who knows more than p points does better.
Unicity falls as more people are in a release, so that what is measured on some of them bounds what holds for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pseudonymize.gate.estimate import Estimate
from pseudonymize.gate.histories import Histories, Postings

_BLOCK: Final = 512  # candidates looked at together, at first


@dataclass(frozen=True, slots=True)
class Unicity:
    """Of the subjects tried: who is singled out, and who hides among fewer than k."""

    unique: Estimate
    fewer_than_k: Estimate


def unicity(
    histories: Histories, by_point: Postings, *, known: int, k: int, most: int, rng: np.random.Generator
) -> Unicity:
    """Measure it.

    Args:
        histories: Of the release.
        by_point: The same.
        known: How many points are drawn of each.
        k: Subjects who share their points with fewer than this, themselves counted, are counted too.
        most: At most so many subjects are tried, drawn at random.
        rng: Draws subjects and points.
    """
    tried = np.arange(len(histories))
    if len(tried) > most:
        tried = rng.choice(len(tried), most, replace=False)
    alike = []
    for number in tried.tolist():
        own = histories.of(number)
        drawn = own if len(own) <= known else rng.choice(own, known, replace=False)
        alike.append(holders(by_point, drawn, at_most=k))
    counts = np.asarray(alike, np.int64)
    unique, few = float((counts == 1).sum()), float((counts < k).sum())
    return Unicity(Estimate(unique, len(tried)), Estimate(few, len(tried)))


def holders(by_point: Postings, points: NDArray[np.int64], *, at_most: int) -> int:
    """How many histories hold all of some points; counting stops at `at_most`, or at 2 where that is less."""
    enough = max(at_most, 2)
    ordered = sorted(map(by_point.of, points.tolist()), key=len)
    rarest, others = ordered[0], ordered[1:]
    found, begin, size = 0, 0, _BLOCK
    while begin < len(rarest) and found < enough:
        candidates = rarest[begin : begin + size]
        for owners in others:
            place = owners.searchsorted(candidates)  # past the end: the last one is smaller, and so another
            candidates = candidates[owners.take(place, mode="clip") == candidates]
        found += len(candidates)
        begin, size = begin + size, size * 4
    return min(found, enough)
