"""From scores to lists: guards, then the list constraints, then the exact top-k of what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import sub
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.arms import Arm
from recsys.constraints import Tally, fill_list
from recsys.contracts.decision import Fill
from recsys.explore import explore
from recsys.fallback import matches, segment_scores
from recsys.guards import GUARDS, Situation
from recsys.policy.document import ExplorationKind
from recsys.top_k import Best, best_of

UNNAMED: Final = "unnamed"  # what decisions call offers that no list of what everyone buys may hold
UNSCORED: Final = "unscored"  # and those that nothing is known of
_AHEAD: Final = 2  # list constraints strike out some of the best: look at so many times as many candidates at first


@dataclass(frozen=True, slots=True)
class Scores:
    """The offers' scores before any guard.

    Args:
        personal: float32 [B, O]; not finite where nothing is known of the offer.
        popular: float32 [O]; the same, for everyone.
        known: bool [B], whose history the model can use.
    """

    personal: NDArray[np.float32]
    popular: NDArray[np.float32]
    known: NDArray[np.bool_]

    def part(self, rows: slice) -> Scores:
        """The same for some of the subjects."""
        return Scores(self.personal[rows], self.popular, self.known[rows])


@dataclass(frozen=True, slots=True)
class Ranking:
    """The list for one subject, before it is written down.

    Args:
        offers: int64 [≤ count], positions in the book, in the order of the list.
        scores: float32, theirs, with the boost.
        propensities: float64, of each place, given those above it.
        arm: The subject's.
        source: Whose scores these are: the subject's own, its segment's or everyone's.
        fill: What the decision will say of the list.
        withheld: Offers withheld, by the first rule that did; then "unnamed" for those that are in no list of what
            everyone buys, and "unscored" for those that nothing is known of; then by list constraint those that would
            have stood in the list.
        skipped: For each offer that a list constraint kept out of the list, which one.
    """

    offers: NDArray[np.int64]
    scores: NDArray[np.float32]
    propensities: NDArray[np.float64]
    arm: Arm
    source: Fill
    fill: Fill
    withheld: dict[str, int]
    skipped: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the guards left.

    Args:
        allowed: bool [B, O].
        withheld: Rule to int [B]: how many offers it was the first to withhold.
    """

    allowed: NDArray[np.bool_]
    withheld: dict[str, list[int]]


def rank(situation: Situation, scores: Scores, seeds: Sequence[bytes] = ()) -> list[Ranking]:
    """Rank the offers for each subject; without consent to profiling or without a history, not by its own scores.

    Every list passes through the same guards. Guards see no score, and no score and no boost undoes a guard.

    Args:
        situation: B subjects before O offers.
        scores: Theirs.
        seeds: B random byte strings, one a decision; needed where the policy leaves something to chance.

    Raises:
        ValueError: The policy explores, and there is no seed for each decision.
    """
    exploring = situation.book.policy.exploration.kind is not ExplorationKind.OFF
    if exploring and len(seeds) != len(situation.requests):
        raise ValueError("a policy that explores needs a seed for each decision")
    return [
        ranking
        for rows in situation.parts()
        for ranking in _rank(situation.part(rows), scores.part(rows), seeds[rows] if exploring else ())
    ]


def judge(situation: Situation) -> Verdicts:
    """Ask every guard, and count what each was the first to withhold."""
    withheld = np.zeros(situation.shape, np.bool_)
    first: dict[str, list[int]] = {}
    before = [0] * len(withheld)
    for rule, guard in GUARDS.items():
        verdict = guard(situation)
        if verdict is not situation.nothing:
            withheld |= verdict
            now = _count(withheld)
            first[rule] = [*map(sub, now, before)]
            before = now
    return Verdicts(~withheld, first)


def scores_used(
    situation: Situation, scores: Scores, allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], list[Fill]]:
    """float32 [B, O]: the scores that each list is made by, boosts included; and whose they are."""
    book = situation.book
    asked = np.array([arm is not Arm.POPULAR for arm in situation.arms], np.bool_)
    personal = scores.known & situation.profiled & asked
    sources = [Fill.PERSONAL if own else Fill.POPULAR for own in personal.tolist()]
    used = scores.personal if personal.all() else np.where(personal[:, None], scores.personal, scores.popular)
    for row in (asked & ~personal).nonzero()[0].tolist():
        matched = matches(book, situation.states[row])
        if (matched & np.isfinite(scores.popular) & allowed[row] & ~book.silent).any():
            used[row] = segment_scores(scores.popular, matched)
            sources[row] = Fill.SEGMENT
    if book.boost.any():
        with np.errstate(over="ignore", invalid="ignore"):
            used = used + book.boost
    return used, sources


def unnamed(situation: Situation, sources: Sequence[Fill]) -> NDArray[np.bool_]:
    """Whose list may not hold which offer, bool [B, O]: what must not be named is in no list of what everyone buys.

    Such a list would tell of it to people who never bought it. A list of one's own may hold it, without its name.
    """
    shared = [source is not Fill.PERSONAL for source in sources]
    if not any(shared) or not situation.book.silent.any():
        return situation.nothing
    return np.array(shared, np.bool_)[:, None] & situation.book.silent


def _rank(situation: Situation, scores: Scores, seeds: Sequence[bytes]) -> list[Ranking]:
    verdicts = judge(situation)
    own, sources = scores_used(situation, scores, verdicts.allowed)
    hushed = verdicts.allowed & unnamed(situation, sources)
    listed = verdicts.allowed ^ hushed
    able = listed & np.isfinite(own)
    last = {UNNAMED: _count(hushed), UNSCORED: _count(listed ^ able)}
    counts = {rule: number for rule, number in (verdicts.withheld | last).items() if any(number)}
    draft = _Draft(situation, own, able, _best(situation, own, able))
    rankings = []
    for row, source in enumerate(sources):
        withheld = {rule: number[row] for rule, number in counts.items() if number[row]}
        made = draft.explored(row, seeds[row]) if seeds else draft.best(row)
        rankings.append(_ranking(situation, row, source, made, withheld))
    return rankings


@dataclass(frozen=True, slots=True)
class _Made:
    """A list: offers, scores, propensities, and what a list constraint kept out."""

    offers: NDArray[np.int64]
    scores: NDArray[np.float32]
    propensities: NDArray[np.float64]
    skipped: dict[int, str]


@dataclass(frozen=True, slots=True)
class _Draft:
    """What lists are made from: scores as used, what is able to stand in a list, and the best of it."""

    situation: Situation
    scores: NDArray[np.float32]
    able: NDArray[np.bool_]
    ahead: Best

    def best(self, row: int) -> _Made:
        """The exact top-k under the list constraints."""
        count, offers = self.situation.requests[row].count, self.ahead.of(row)
        tallies = self._tallies(row)
        if not tallies:
            return self._made(row, offers[:count], None, {})
        listed, skipped = fill_list(offers.tolist(), count, tallies)
        if len(listed) < count and len(offers) < np.count_nonzero(self.able[row]):
            listed, skipped = fill_list(self._all(row).tolist(), count, self._tallies(row))
        return self._made(row, np.array(listed, np.int64), None, skipped)

    def explored(self, row: int, seed: bytes) -> _Made:
        """A list drawn as the policy says, from a generator of its own."""
        draw = (self.situation.book.policy.exploration, np.random.default_rng(int.from_bytes(seed, "big")))
        count = self.situation.requests[row].count
        listed, propensities = explore(self._all(row), self.scores[row], count, self._tallies(row), draw)
        return self._made(row, np.array(listed, np.int64), np.array(propensities), {})

    def _tallies(self, row: int) -> list[Tally]:
        situation = self.situation
        return situation.book.list_rules.tallies(situation.requests[row], situation.states[row], situation.utc)

    def _all(self, row: int) -> NDArray[np.int64]:
        size = self.able.shape[1]
        return best_of(self.scores[row : row + 1], self.able[row : row + 1], size, self.situation.book.ties).of(0)

    def _made(
        self, row: int, offers: NDArray[np.int64], propensities: NDArray[np.float64] | None, skipped: dict[int, str]
    ) -> _Made:
        certain = np.ones(len(offers)) if propensities is None else propensities
        return _Made(offers, self.scores[row].take(offers), certain, skipped)


def _best(situation: Situation, own: NDArray[np.float32], able: NDArray[np.bool_]) -> Best:
    policy = situation.book.policy
    wanted = max(request.count for request in situation.requests)
    constrained = bool(policy.cap or policy.diversity)
    return best_of(own, able, wanted * (_AHEAD if constrained else 1), situation.book.ties)


def _ranking(situation: Situation, row: int, source: Fill, made: _Made, withheld: dict[str, int]) -> Ranking:
    for rule in made.skipped.values():
        withheld[rule] = withheld.get(rule, 0) + 1
    return Ranking(
        offers=made.offers,
        scores=made.scores,
        propensities=made.propensities,
        arm=situation.arms[row],
        source=source,
        fill=_fill(len(made.offers), situation.requests[row].count, source),
        withheld=withheld,
        skipped=made.skipped,
    )


def _fill(found: int, wanted: int, source: Fill) -> Fill:
    if found == 0:
        return Fill.NONE
    return Fill.SHORT if found < wanted else source


def _count(flags: NDArray[np.bool_]) -> list[int]:
    """How many are set in each of B rows."""
    if len(flags) == 1:
        return [int(np.count_nonzero(flags))]
    counts: list[int] = np.bitwise_count(np.packbits(flags, axis=1)).sum(axis=1, dtype=np.int64).tolist()
    return counts
