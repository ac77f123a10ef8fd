"""History linkage: whether somebody who has histories under other tokens finds the same people again.

The attack of Narayanan and Shmatikov, Robust De-anonymization of Large Sparse Datasets, IEEE S&P 2008: two histories
are as similar as the weights of the points that they share, where a point that s subjects have weighs 1 / log(1 + s),
so that rare ones count most. (Theirs is 1 / log s, which a point of one subject has none of.) It is run twice, with the
plain sum, which finds a short history within a long one, and with the sum divided by the lengths of both (a weighted
cosine), which finds equals; the better one counts.

For each released history the attacker names the own history that is most similar, and where several are, one of them
by chance: it counts 1 / t, where t are equally similar and the right one is among them. No shared point, no guess. The
share of released histories named rightly is the figure. The attacker treats each history by itself. (Assigning all of
them together linked fewer on Complete Journey.) One who knows more than the points does better.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pseudonymize.gate.estimate import Estimate
from pseudonymize.gate.histories import Histories, Postings

_LOOK: Final = 50  # after so many tries, each time, whether it is clear
_ROUNDING: Final = 1e-9  # sums of the same weights in another order


def linkage(
    released: Histories,
    own: Histories,
    own_by_point: Postings,
    truth: NDArray[np.int64],
    *,
    tried: NDArray[np.int64],
    limit: float = 1.0,
) -> Estimate:
    """Attack the release.

    Args:
        released: Its histories.
        own: Those of the attacker. Their codes are numbered as the release's are: by label and day.
        own_by_point: The same.
        truth: For each released history, the number of the same person's own; -1 where there is none.
        tried: The numbers of the released histories that are attacked, in random order.
        limit: Once it is clear that more than this are linked, no more are tried.
    """
    place = _places(released.codes, own.codes)
    weights = 1 / np.log1p(np.maximum(own_by_point.counts, 1))
    lengths = np.sqrt(np.bincount(own.owners, weights=weights[own.points], minlength=len(own)))
    sums = np.zeros(len(own))
    plain = cosine = 0.0
    for done, number in enumerate(tried.tolist()):
        if done and done % _LOOK == 0 and Estimate(max(plain, cosine), done).low > limit:
            return Estimate(max(plain, cosine), done)
        shared = place[released.of(number)]
        shared = shared[shared >= 0]
        if not len(shared) or truth[number] < 0:
            continue
        touched = [own_by_point.of(point) for point in shared.tolist()]
        for point, owners in zip(shared.tolist(), touched, strict=True):
            sums[owners] += weights[point]
        plain += _chance(sums, int(truth[number]))
        cosine += _chance(sums / lengths, int(truth[number]))
        for owners in touched:
            sums[owners] = 0
    return Estimate(max(plain, cosine), len(tried), exact=len(tried) == len(released))


def _chance(similar: NDArray[np.float64], truth: int) -> float:
    """How likely the right one is named, among those that are most similar."""
    best = float(similar.max())
    if best <= 0 or similar[truth] < best * (1 - _ROUNDING):
        return 0.0
    return 1 / int((similar >= best * (1 - _ROUNDING)).sum())


def _places(codes: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each code its place among others, which rise; -1 where it is not there."""
    if not len(among):
        return np.full(len(codes), -1)
    place = np.minimum(np.searchsorted(among, codes), len(among) - 1)
    return np.where(among[place] == codes, place, -1)
