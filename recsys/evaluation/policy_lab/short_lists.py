"""Who gets short lists: by what a policy may look at, and by how long they have been shopping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.intervals import Estimate, bootstrap_means
from recsys.evaluation.policy_lab.lab import Lab
from recsys.evaluation.policy_lab.replay_results import ShortGroup
from recsys.evaluation.segments import shopping_days
from recsys.evaluation.shares import wilson
from recsys.history import Histories

FEWEST: Final = 5  # subjects in a group that is told about
_QUARTERS: Final = 4


def short_lists(lab: Lab, histories: Histories, lengths: NDArray[np.int64]) -> tuple[ShortGroup, ...]:
    """The share of short lists in each group of those who may be sent something; no group of fewer than five.

    Args:
        lab: S subjects.
        histories: Theirs.
        lengths: int64 [S], offers in each list.
    """
    reachable = np.array([state.may_use(lab.question.channel) for state in lab.states], np.bool_)
    found, rng = [], np.random.default_rng(0)
    for by, group, members in _groups(lab, shopping_days(histories), reachable):
        rows = np.flatnonzero(members & reachable)
        if len(rows) >= FEWEST:
            own = lengths[rows]
            short = wilson(int((own < lab.question.count).sum()), len(rows))
            found.append(ShortGroup(by=by, group=group, subjects=len(rows), short=short, offers=_mean(own, rng)))
    return tuple(found)


def _mean(lengths: NDArray[np.int64], rng: np.random.Generator) -> Estimate:
    """Their mean with its interval; where all are alike, every resample is as they are, and none need be drawn."""
    if (lengths == lengths[0]).all():
        return Estimate(float(lengths[0]), float(lengths[0]), float(lengths[0]))
    return bootstrap_means(lengths[:, None].astype(np.float64), rng)[0]


def _groups(
    lab: Lab, days: NDArray[np.int64], reachable: NDArray[np.bool_]
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    facts = {
        "profiling": [state.may_profile for state in lab.states],
        "verified adult": [state.adult is True for state in lab.states],
        "declared interests": [bool(state.interests) for state in lab.states],
    }
    for name, values in facts.items():
        flags = np.array(values, np.bool_)
        yield name, "yes", flags
        yield name, "no", ~flags
    yield "shopping days", "none", days == 0
    some = days > 0
    if not (some & reachable).any():
        return
    edges = np.unique(np.quantile(days[some & reachable], np.arange(1, _QUARTERS) / _QUARTERS, method="higher"))
    quarter = np.searchsorted(edges, days)
    for number in np.unique(quarter[some]).tolist():
        members = some & (quarter == number)
        yield "shopping days", f"{days[members].min()} to {days[members].max()}", members
