"""Rows for the ranker: all that was bought next, all that had been bought and was not, and a sample of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.candidates import EVERYTHING, FROM_FACTORS, FROM_POPULARITY, POPULAR_BY
from recsys.item_table import ITEM_FEATURES
from training.features.assemble import Lens, Seen
from training.snapshot import World
from training.windows import Examples

BATCH: Final = 128
NEGATIVES: Final = 12  # for each item that was bought next
_POPULAR: Final = tuple(ITEM_FEATURES.index(f"log share, {name}") for name in POPULAR_BY)


@dataclass(frozen=True)
class Batch:
    """Examples of one day, looked at.

    Args:
        seen: Their histories.
        relevant: bool [B, M], what they bought next.
        bought: bool [B, M], what they had bought before.
        candidates: bool [B, M], what would be ranked of a whole catalogue.
        beyond: bool [B, M], what else there is: offers may hold it.
    """

    seen: Seen
    relevant: NDArray[np.bool_]
    bought: NDArray[np.bool_]
    candidates: NDArray[np.bool_]
    beyond: NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """P pairs of a history and an item.

    Args:
        features: float32 [P, features].
        bought: bool [P], whether it was bought next.
        weight: float64 [P].
    """

    features: NDArray[np.float32]
    bought: NDArray[np.bool_]
    weight: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: list[Rows]) -> Rows:
        """End to end. Empties the list on its way, so that rows are not held twice: they are most of a fit's memory."""
        end = sum(len(part.bought) for part in parts)
        features = np.empty((end, parts[0].features.shape[1]), np.float32)
        whole = cls(features, np.empty(end, np.bool_), np.empty(end))
        while parts:
            part = parts.pop()
            rows = slice(end - len(part.bought), end)
            whole.features[rows], whole.bought[rows], whole.weight[rows] = part.features, part.bought, part.weight
            end = rows.start
        return whole

    def some(self, kept: NDArray[np.bool_], heavier: float) -> Rows:
        """Some of them, bool [P]; what was not bought weighs so many times more."""
        weight = np.where(self.bought, self.weight, self.weight * heavier)
        return Rows(self.features[kept], self.bought[kept], weight[kept])


def batches(world: World, examples: Examples, lens: Lens) -> Iterator[Batch]:
    """Look at the examples, those of one day together."""
    there = world.there(examples.start)
    for day in np.unique(examples.day):
        items = world.items(int(day))
        of_day = np.flatnonzero(examples.day == day)
        for start in range(0, len(of_day), BATCH):
            some = examples.take(of_day[start : start + BATCH])
            seen = Seen.of(world.histories(some.subject, some.day, some.known), items, lens)
            relevant = np.zeros((len(some), len(there)), np.bool_)
            relevant[some.targets.owners, some.targets.values] = True
            bought = seen.slots[:, :-1] >= 0
            candidates = candidates_of(seen, bought, there)
            yield Batch(seen, relevant & there, bought, candidates, there & ~candidates)


def drawn(batch: Batch, rng: np.random.Generator) -> Rows:
    """Draw rows, weighted so that they stand for everything, and a person by the root of what they bought."""
    positives = batch.relevant
    habit = batch.bought & ~positives & batch.candidates
    rest = batch.candidates & ~batch.bought & ~positives
    bought, there = (np.count_nonzero(flags, axis=1) for flags in (positives, rest))
    sampled = _sampled(rest, np.minimum(NEGATIVES * bought, there), rng)
    beyond, each = _beyond(batch, rng)
    row, item = np.nonzero(positives | habit | sampled | beyond)
    stands_for = there / np.maximum(np.count_nonzero(sampled, axis=1), 1)
    weight = np.where(sampled[row, item], stands_for[row], 1.0)
    weight = np.where(beyond[row, item], each[row], weight) / np.sqrt(np.maximum(bought, 1))[row]
    return Rows(batch.seen.features(row, item), positives[row, item], weight)


def _sampled(rest: NDArray[np.bool_], wanted: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """So many of each row of `rest`, bool [B, M], at random: int64 [B], no more than there are.

    Only what is there is sorted: of a large catalogue, few items are anyone's candidates.
    """
    row, item = np.nonzero(rest)
    keys = rng.random(rest.shape, np.float32)[row, item]
    sizes = np.bincount(row, minlength=len(rest))
    place = np.arange(len(row)) - (np.cumsum(sizes) - sizes)[row]
    laid = np.full((len(rest), int(sizes.max(initial=0)) or 1), np.float32(2))
    laid[row, place] = keys
    laid.sort(axis=1)
    last = np.where(wanted > 0, laid[np.arange(len(rest)), np.maximum(wanted - 1, 0)], np.float32(-1))
    chosen = keys <= last[row]
    sampled = np.zeros_like(rest)
    sampled[row[chosen], item[chosen]] = True
    return sampled


def _beyond(batch: Batch, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """As many of what is no candidate, bool [B, M], and how many each of a person's stands for, float64 [B].

    People also buy what is no candidate. Learned from without its like that nobody bought, it taught that whatever is
    unlike a candidate is bought.
    """
    rest = batch.beyond & ~batch.relevant
    there, bought = (np.count_nonzero(flags, axis=1) for flags in (rest, batch.relevant))
    share = np.minimum(NEGATIVES * bought / np.maximum(there, 1), 1.0)
    if not there.any():
        return rest, np.ones(len(rest))
    return rest & (rng.random(rest.shape, np.float32) < share[:, None]), 1 / np.maximum(share, 1 / rest.shape[1])


def candidates_of(seen: Seen, bought: NDArray[np.bool_], there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bool [B, M]: everything in a small catalogue; else history, the factorization's best and what is popular."""
    everything = np.broadcast_to(there, bought.shape)
    if there.sum() <= EVERYTHING:
        return everything
    chosen = bought.copy()
    distance = np.where(there, -seen.affinities, np.inf)
    best = np.argpartition(distance, FROM_FACTORS, axis=1)[:, :FROM_FACTORS]
    np.put_along_axis(chosen, best, values=True, axis=1)
    for column in _POPULAR:
        chosen[:, np.argpartition(-seen.items[:, column], FROM_POPULARITY)[:FROM_POPULARITY]] = True
    return chosen & everything
