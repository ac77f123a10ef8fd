"""What `policy replay` finds, as a document that outlives the run: `replay.json`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec

from recsys.evaluation.intervals import Estimate


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the document."""


class Asked(_Part, frozen=True, kw_only=True):
    """The question, and who was asked about."""

    bundle: str
    as_of: dt.date
    horizon: int  # days after it that lists are judged on
    channel: str
    k: int
    subjects: int
    offers: int
    judged: int  # subjects who could be sent something and bought something that an offer covers
    seed: int


class GuardCount(_Part, frozen=True, kw_only=True):
    """Pairs of a subject and an offer that one guard withholds; see `verdicts.Counts`."""

    rule: str
    alone: int
    first: int
    last: int


class Overlap(_Part, frozen=True, kw_only=True):
    """Pairs of a subject and an offer that two guards both withhold."""

    rules: tuple[str, str]
    both: int


class RuleEffect(_Part, frozen=True, kw_only=True):
    """What one rule does to the lists. Differences are paired, subject by subject.

    `without`: the policy minus the policy without the rule. `alone`: only this rule minus no rule at all. By metric.
    """

    rule: str
    lists_changed: int  # lists that would be others without the rule
    lists_shorter: int  # lists that would be longer without it
    without: dict[str, Estimate]
    alone: dict[str, Estimate]


class ShortGroup(_Part, frozen=True, kw_only=True):
    """Whose lists fall short, among subjects who may be sent something."""

    by: str
    group: str
    subjects: int
    short: Estimate  # share with fewer offers than asked for, empty lists included; Wilson's interval
    offers: Estimate  # offers in a list


class PolicyReplay(_Part, frozen=True, kw_only=True):
    """One policy. `quality` is that of its lists, `effect` its difference to no rule at all; by metric."""

    policy_version: str
    full: int
    short: int
    empty: int
    guards: tuple[GuardCount, ...]
    overlaps: tuple[Overlap, ...]
    passed_over: dict[str, int]  # by list constraint: offers that would have stood in a list
    unnamed: int
    unscored: int
    quality: dict[str, Estimate]
    effect: dict[str, Estimate]
    short_lists: tuple[ShortGroup, ...]


class PolicyChange(_Part, frozen=True, kw_only=True):
    """A key that two policies do not agree about; null where one says nothing of it."""

    where: str
    before: str | None
    after: str | None


class Mover(_Part, frozen=True, kw_only=True):
    """An offer that stands in more or fewer lists under the other policy."""

    offer_id: str
    title: str
    before: int
    after: int


class SideBySide(_Part, frozen=True, kw_only=True):
    """The other policy minus the first, on the same subjects."""

    says: tuple[PolicyChange, ...]  # what differs between the files
    changed: int  # subjects whose lists differ
    kept: Estimate  # of the offers in a changed list, the share that stands in both
    difference: dict[str, Estimate]
    movers: tuple[Mover, ...]


class ReplayResult(_Part, frozen=True, kw_only=True):
    """`replay.json`. `rules` is about the first policy; empty where nobody could be judged."""

    contract: Annotated[str, msgspec.Meta(pattern=r"^policy-replay/3$")] = "policy-replay/3"
    asked: Asked
    policies: tuple[PolicyReplay, ...]
    rules: tuple[RuleEffect, ...]
    side_by_side: SideBySide | None
