"""Fairness: does the policy serve one group worse than another? Groups are looked up after the lists are made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.console import step
from recsys.errors import ContractError
from recsys.evaluation.intervals import Estimate, estimates, holm
from recsys.evaluation.policy_lab.fairness_results import FairnessResult, GroupResult, Measured
from recsys.evaluation.policy_lab.groups import SMALLEST, Demographics, estimate_groups
from recsys.evaluation.policy_lab.judging import METRICS, Wanted, wanted
from recsys.evaluation.policy_lab.lab import Lab, Lists
from recsys.evaluation.policy_lab.replay import asked
from recsys.evaluation.policy_lab.segments import compare_segments
from recsys.evaluation.policy_lab.variants import bare, certain
from recsys.evaluation.policy_lab.verdicts import count_verdicts, eligible_pairs
from recsys.evaluation.shares import chance_of_difference, difference, wilson
from recsys.evaluation.splits import Window
from recsys.policy import Policy

_DRAWS: Final = 999  # of twenty members, for variety
_QUALITY: Final = ("ndcg", "beyond", "effect")


def measure_fairness(
    lab: Lab, policy: Policy, demographics: Demographics, *, horizon: int, seed: int
) -> FairnessResult:
    """Measure each group of the lab's people who agreed to the channel.

    Raises:
        ContractError: None of them belongs to a group, or nobody can be judged.
    """
    policy = certain(policy)
    rng = np.random.default_rng(seed)
    with step("Making the lists"):
        book, free = lab.book(policy), lab.book(bare(policy))
        lists = lab.lists(book)
        bought = wanted(lab, free, Window(lab.question.day, horizon), eligible_pairs(lab, free))
        effect = (bought.judge(lists) - bought.judge(lab.lists(free)))[:, METRICS.index("beyond")]
    if not len(bought.rows):
        raise ContractError(
            "nobody with a known group bought anything that an offer covers",
            where="purchases",
            mend="Name purchases that reach beyond --as-of, and the demographics of the same release",
        )
    with step("Measuring groups"):
        groups = _groups(lab, lists, demographics, (bought, effect, count_verdicts(lab, book).withheld), rng)
    with step("Comparing segments"):
        segments = compare_segments(lab, book, demographics, bought, rng)
    return FairnessResult(
        asked=asked(lab, horizon=horizon, judged=len(bought.rows), seed=seed),
        policy_version=policy.policy_version,
        lists=hashlib.sha256(lists.offers.tobytes()).hexdigest(),
        groups=groups,
        too_small=_too_small(lab, demographics),
        segments=segments,
    )


def people_of(lab: Lab, demographics: Demographics) -> list[str]:
    """Those of the lab's people who agreed to the channel and belong to a group.

    Raises:
        ContractError: There are none.
    """
    known = demographics.known()
    both = zip(lab.subjects, lab.states, strict=True)
    found = [subject for subject, state in both if subject in known and state.may_use(lab.question.channel)]
    if not found:
        raise ContractError(
            "nobody who agreed to the channel belongs to a group",
            where="demographics",
            mend="Name the demographics of the same release, and a channel that people agreed to",
        )
    return found


def _groups(
    lab: Lab,
    lists: Lists,
    demographics: Demographics,
    measured: tuple[Wanted, NDArray[np.float64], NDArray[np.float64]],
    rng: np.random.Generator,
) -> tuple[GroupResult, ...]:
    bought, effect, withheld = measured
    quality = bought.judge(lists)
    judged = np.stack([quality[:, METRICS.index("ndcg")], quality[:, METRICS.index("beyond")], effect], axis=1)
    groups = demographics.groups(lab.subjects)
    found = [one for one in groups if 0 < one[2][bought.rows].mean() < 1]  # a group that is everyone has no rest
    if not found:
        return ()
    members = np.stack([of_group for _, _, of_group in found])
    own = lists.personal & (lists.lengths == lab.question.count)
    figures = [
        {**of_quality, "own": of_own, **of_guards}
        for of_quality, of_own, of_guards in zip(
            _means(_QUALITY, judged, members[:, bought.rows], rng),
            (_shares(own, of_group) for of_group in members),
            _means(("withheld",), withheld[:, None], members, rng),
            strict=True,
        )
    ]
    return tuple(
        GroupResult(
            attribute=attribute,
            group=group,
            subjects=int(of_group.sum()),
            judged=int(of_group[bought.rows].sum()),
            figures=of_figures,
            variety=_variety(lists.offers[of_group], rng),
        )
        for (attribute, group, of_group), of_figures in zip(found, _corrected(figures), strict=True)
    )


def _means(
    names: tuple[str, ...], values: NDArray[np.float64], members: NDArray[np.bool_], rng: np.random.Generator
) -> list[dict[str, Measured]]:
    """For each group, figures that are means."""
    estimated = estimate_groups(values, members, rng)
    return [
        {
            name: Measured(estimate=mean, gap=gap, p=p, holm=p)
            for name, mean, gap, p in zip(names, *of_group, strict=True)
        }
        for of_group in zip(estimated.means, estimated.gaps, estimated.chances, strict=True)
    ]


def _shares(flags: NDArray[np.bool_], of_group: NDArray[np.bool_]) -> Measured:
    """A share, which a bootstrap would be too sure of where it is all or nothing."""
    sides = [flags[of_group], flags[~of_group]]
    hits, sizes = [int(side.sum()) for side in sides], [len(side) for side in sides]
    inside, outside = (wilson(hit, size) for hit, size in zip(hits, sizes, strict=True))
    p = chance_of_difference((hits[0], hits[1]), (sizes[0], sizes[1]))
    return Measured(estimate=inside, gap=difference(inside, outside), p=p, holm=p)


def _corrected(figures: Sequence[dict[str, Measured]]) -> list[dict[str, Measured]]:
    """The same with Holm's correction over all of them: they are looked at together."""
    corrected = iter(holm(np.array([one.p for of_group in figures for one in of_group.values()])).tolist())
    return [
        {name: msgspec.structs.replace(one, holm=next(corrected)) for name, one in of_group.items()}
        for of_group in figures
    ]


def _variety(offers: NDArray[np.int64], rng: np.random.Generator) -> Estimate:
    """How many different offers twenty members drawn with replacement are shown: mean, and where 95 % of draws lie."""
    drawn = offers[rng.integers(0, len(offers), (_DRAWS, SMALLEST))].reshape(_DRAWS, -1)
    drawn.sort(axis=1)
    new = (np.diff(drawn, axis=1, prepend=-1) != 0).sum(axis=1)  # -1 is an empty place, and no offer
    (found,) = estimates(new.mean(keepdims=True), new[:, None])
    return found


def _too_small(lab: Lab, demographics: Demographics) -> tuple[str, ...]:
    told = {(attribute, group) for attribute, group, _ in demographics.groups(lab.subjects)}
    every = [(attribute, group) for attribute, group, _ in demographics.groups(lab.subjects, smallest=1)]
    return tuple(f"{attribute} {group}" for attribute, group in every if (attribute, group) not in told)
