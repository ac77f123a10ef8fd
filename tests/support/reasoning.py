"""Whole decisions, reasons included, against plain loops: what adds to each score, and by what name."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.candidate_map import CandidateMap
from recsys.contracts.decision import Decision, Fill, Reason
from recsys.decide import ModelScores, Taken, Versions, decide
from recsys.explain import Names
from recsys.guards import Situation
from recsys.guards.past_purchase_trap import without_trapped
from recsys.rank import Ranking, Scores, rank
from support.agreement import situation
from support.worlds import World

VERSIONS = Versions("model@1", "policy@1")
_CLOSE = 1e-5
_SEEN = 0.75


def model_of(now: Situation, seed: int) -> ModelScores:
    """A model with an opinion on most items, each a model item of its own or with others; some it has never seen."""
    draw, size = np.random.default_rng(seed), len(now.book.index)
    codes = codes_of(now, seed)
    candidates = CandidateMap.of(now.book, codes, parts_of(now, seed))
    learned = without_trapped(now)
    addends = draw.normal(size=(len(now.requests), size, size)).astype(np.float32)

    def addends_of(rows: NDArray[np.int64], asked: Sequence[NDArray[np.int64]]) -> list[Taken]:
        return [taken(row, items) for row, items in zip(rows.tolist(), asked, strict=True)]

    def taken(row: int, asked: NDArray[np.int64]) -> Taken:
        bought = np.unique(codes[learned.slice(row, row + 1).item]).astype(np.int64)
        bought = bought[bought >= 0]
        items = np.append(bought, size)  # and padding
        return items, np.hstack([addends[row][asked][:, bought], np.zeros((len(asked), 1), np.float32)])

    return ModelScores(
        candidates,
        draw.normal(size=(len(now.requests), len(candidates.candidates))).astype(np.float32),
        draw.random(len(candidates.candidates)).astype(np.float32),
        np.diff(learned.offsets) > 0,
        learned,
        Names(tuple(f"item {n}" if may else None for n, may in enumerate(now.book.nameable.tolist()))),
        addends_of,
    )


def codes_of(now: Situation, seed: int) -> NDArray[np.int32]:
    """The model item of each item, one to three items each; -1 for none."""
    draw, size = np.random.default_rng(seed), len(now.book.index)
    codes = np.arange(size, dtype=np.int32) // draw.integers(1, 4)
    return np.where(draw.random(size) < _SEEN, codes, -1)


def parts_of(now: Situation, seed: int) -> NDArray[np.float64]:
    """Which part of its model item each item is; those of an offer may add up to more than 1."""
    return np.random.default_rng(seed).random(len(now.book.index))


def unreasonable(world: World, seed: int) -> list[str]:
    """Every difference between the decisions and what plain loops say of them."""
    now = situation(world)
    model = model_of(now, seed)
    codes = codes_of(now, seed)
    learned = np.where(now.book.learned, codes, -1).tolist()
    plain = [_Plain(now, row, model, learned, parts_of(now, seed).tolist()) for row in range(len(now.requests))]
    offers = range(len(now.book))
    popular = [plain[0].popular(offer) for offer in offers]
    personal = [[one.score(offer) for offer in offers] for one in plain]
    twin = np.random.default_rng(seed)
    names = [twin.bytes(16) for _ in now.requests]
    listed = rank(
        now, Scores(np.array(personal, np.float32), np.array(popular, np.float32), np.array(model.known)), names
    )
    decisions = decide(now, model, VERSIONS, np.random.default_rng(seed))
    differences = [] if len(decisions) == len(listed) else ["not one decision a request"]
    for one, ranking, name, decision in zip(plain, listed, names, decisions, strict=True):
        differences += one.unlike(ranking, name, decision, np.array(popular, np.float32))
    return differences


class _Plain:
    """One person's decision in loops."""

    def __init__(
        self, now: Situation, row: int, model: ModelScores, codes: Sequence[int], parts: Sequence[float]
    ) -> None:
        self.now, self.row, self.model, self.codes, self.part_of_item = now, row, model, codes, parts
        self.items = [now.book.items.row(offer).tolist() for offer in range(len(now.book))]
        self.history = model.learned.slice(row, row + 1)
        self.parts = [sorted({codes[item] for item in items} - {-1}) for items in self.items]

    def days(self, items: Sequence[int]) -> float:
        bought = zip(self.history.item.tolist(), self.history.day.tolist(), strict=True)
        return sum(2 ** ((day - self.now.today) / 168) for item, day in bought if item in items)

    def shares(self, offer: int, part: int) -> tuple[float, float]:
        """Which part of a score is for having bought what the offer covers, and what else is the offer's."""
        all_items = [item for item, code in enumerate(self.codes) if code == part]
        covered = [item for item in self.items[offer] if self.codes[item] == part]
        whole = self.days(all_items) + 1
        return self.days(covered) / whole, self.part(offer, part) / whole

    def part(self, offer: int, part: int) -> float:
        return min(sum(self.part_of_item[item] for item in self.items[offer] if self.codes[item] == part), 1)

    def others(self, offer: int) -> float:
        return 1 - 2 ** (-28 * self.days([item for item in self.items[offer] if self.codes[item] < 0]) / 168)

    def expected(self, part: int) -> float:
        return max(_number(self.model.items[self.row], self.model, part), 0.0)

    def addend(self, offer: int, part: int) -> float:
        return self.expected(part) * sum(self.shares(offer, part))

    def popular(self, offer: int) -> float:
        known = {part: _number(self.model.popular, self.model, part) for part in self.parts[offer]}
        shares = [share * self.part(offer, part) for part, share in known.items() if share > -math.inf]
        return sum(shares) if shares else -math.inf

    def best(self, offer: int) -> int | None:
        return max(self.parts[offer], key=lambda part: self.addend(offer, part), default=None)

    def score(self, offer: int) -> float:
        others = self.others(offer)
        if not self.parts[offer] and not others:
            return -math.inf
        return sum(self.addend(offer, part) for part in self.parts[offer]) + others

    def unlike(self, ranking: Ranking, name: bytes, decision: Decision, popular: NDArray[np.float32]) -> list[str]:
        expected = {
            "decision_id": name.hex(),
            "subject": self.now.requests[self.row].subject,
            "at": self.now.at,
            "model_version": VERSIONS.model,
            "policy_version": VERSIONS.policy,
            "arm": str(ranking.arm),
            "fill": ranking.fill,
            "withheld": ranking.withheld,
        }
        found = [key for key, value in expected.items() if getattr(decision, key) != value]
        listed = [(self.now.book.ids[offer], place + 1) for place, offer in enumerate(ranking.offers.tolist())]
        found += ["places"] if [(item.offer_id, item.rank) for item in decision.items] != listed else []
        found += [] if [item.propensity for item in decision.items] == ranking.propensities.tolist() else ["odds"]
        for item, offer in zip(decision.items, ranking.offers.tolist(), strict=False):
            expected_reasons = self.reasons(ranking.source, offer, float(popular[offer]))
            if abs(item.score - sum(addend for *_, addend in expected_reasons)) > _CLOSE or not _same(
                item.reasons, expected_reasons
            ):
                found.append(f"offer {item.offer_id}: {item}, expected {expected_reasons}")
        return [f"person {self.row}: {what}" for what in found]

    def reasons(self, source: Fill, offer: int, popular: float) -> list[tuple[str, str, float]]:
        """Code, sentence and addend of each."""
        if source is Fill.PERSONAL:
            reasons = self._personal(offer)
        else:
            reasons = [("popular", "because many people buy it", popular)]
            if source is Fill.SEGMENT and self._matches(offer):
                reasons = [("interest", "because it matches an interest that you declared", 1.0), *reasons]
        boost = float(self.now.book.boost[offer])
        featured = "because the shop features it" if boost > 0 else "the shop features other offers"
        return [*reasons, ("boost", featured, boost)] if boost else reasons

    def _personal(self, offer: int) -> list[tuple[str, str, float]]:
        reasons, best = [], self.best(offer)
        bought = sum(self.expected(part) * self.shares(offer, part)[0] for part in self.parts[offer]) + self.others(
            offer
        )
        if bought > 0 and all(self.now.book.nameable[item] for item in self.items[offer]):
            reasons.append(("bought", "because you buy what this offer covers", bought))
        if best is not None and self.model.addends is not None:
            ((items, addends),) = self.model.addends(np.array([self.row]), [np.array([best])])
            pairs = sorted(zip(addends[0].tolist(), items.tolist(), strict=True), reverse=True)
            labels = [*self.model.names.labels, None]
            named = [(labels[item], addend) for addend, item in pairs if addend > 0 and labels[item] is not None]
            _, rest = self.shares(offer, best)
            reasons += [("related", f"because you buy {label}", rest * addend) for label, addend in named[:2]]
        left = self.score(offer) - sum(addend for *_, addend in reasons)
        rest = "because of everything else you buy" if left >= 0 else "everything else you buy speaks for other offers"
        return [*reasons, ("other", rest, left)]

    def _matches(self, offer: int) -> bool:
        interests = {" ".join(interest.split()).casefold() for interest in self.now.states[self.row].interests}
        return any(part in interests for path in self.now.book.paths.of_offer[offer] for part in path)


def _same(reasons: tuple[Reason, ...], expected: list[tuple[str, str, float]]) -> bool:
    if [reason.code for reason in reasons] != [code for code, *_ in expected]:
        return False
    pairs = [(reason, text, addend) for reason, (_, text, addend) in zip(reasons, expected, strict=True)]
    if any(reason.text != text for reason, text, addend in pairs if abs(addend) > _CLOSE):  # nothing has no sign
        return False
    return all(abs(reason.contribution - addend) <= _CLOSE for reason, _, addend in pairs)


def _number(values: NDArray[np.float32], model: ModelScores, item: int) -> float:
    place = model.candidates.candidates.tolist()
    return float(values[place.index(item)]) if item in place else -math.inf
