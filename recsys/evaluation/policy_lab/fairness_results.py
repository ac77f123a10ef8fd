"""What `policy fairness` finds, as a document that outlives the run: `fairness.json`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from recsys.evaluation.intervals import Estimate
from recsys.evaluation.policy_lab.replay_results import Asked


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the document."""


class Measured(_Part, frozen=True, kw_only=True):
    """One figure of a group, and the group minus everyone else whose figure is known.

    `p` is two-sided, of no gap; `holm` is `p` corrected for all figures of all groups.
    """

    estimate: Estimate
    gap: Estimate
    p: float
    holm: float


class GroupResult(_Part, frozen=True, kw_only=True):
    """One demographic group.

    `figures`: ndcg, beyond and effect (beyond chance, the policy minus no rule) over the `judged`; own (the share with
    a full list of their own), withheld (the share of what could be sent that the policy withholds) over `subjects`.
    `variety`: different offers that twenty of them are shown.
    """

    attribute: str
    group: str
    subjects: int
    judged: int
    figures: dict[str, Measured]
    variety: Estimate


class SegmentResult(_Part, frozen=True, kw_only=True):
    """Lists made by what the others of a segment buy. `gain`: minus lists made by what everyone buys, paired."""

    segments: str
    kind: str  # none, interest, demographic, personal
    number: int
    ndcg: Estimate
    beyond: Estimate
    ndcg_gain: Estimate
    beyond_gain: Estimate


class FairnessResult(_Part, frozen=True, kw_only=True):
    """`fairness.json`. `lists`: SHA-256 of all lists in the order of the tokens; no group can change it."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^policy-fairness/2$")] = "policy-fairness/2"
    asked: Asked
    policy_version: str
    lists: str
    groups: tuple[GroupResult, ...]
    too_small: tuple[str, ...]  # groups of fewer than twenty, which are not told about
    segments: tuple[SegmentResult, ...]
